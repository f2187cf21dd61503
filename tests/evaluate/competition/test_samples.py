"""The readings that a competition is held on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin.errors import DataError, EmptyDataError
from tocsin.evaluate.competition.samples import blocks, check_labels, draw
from tocsin.tables.columns import Columns

COLUMNS = Columns("pump", "at", label="odd")


def readings(assets: int = 30, rows: int = 10, odd=lambda row: row in (3, 8)) -> pl.DataFrame:
    return pl.DataFrame(
        [(f"p{asset}", row, float(100 * asset + row), int(odd(row))) for row in range(rows) for asset in range(assets)],
        schema=["pump", "at", "flow", "odd"],
        orient="row",
    )


def drawn(frame, assets=8, share=0.5, seed=0, labelled=True):
    return draw(frame, COLUMNS, assets=assets, share=share, seed=seed, labelled=labelled)


def test_each_asset_is_cut_in_time():
    sample = drawn(readings(assets=3), assets=9, share=0.3)
    assert (len(sample), sample.assets, sample.rows) == (3, 3, 30)
    assert sample.training.keys.equals(sample.judged.keys)
    assert np.diff(sample.training.offsets).tolist() == [3, 3, 3]
    assert sample.judged.times.tolist() == list(range(3, 10)) * 3
    assert sample.judged.labels.tolist() == [1, 0, 0, 0, 0, 1, 0] * 3


def test_a_sample_depends_on_seed_and_keys_alone_and_its_first_are_one_too():
    frame = readings()
    keys = drawn(frame).training.keys.to_pylist()
    assert len(keys) == len(set(keys)) == 8
    assert drawn(frame.sample(fraction=1.0, shuffle=True, seed=1)).training.keys.to_pylist() == keys
    assert drawn(frame, assets=3).training.keys.to_pylist() == keys[:3]
    assert drawn(frame, seed=1).training.keys.to_pylist() != keys
    kept = frame.filter(pl.col("pump").is_in(keys))
    assert drawn(kept).training.keys.to_pylist() == keys


def test_labels_that_can_judge_nothing_are_refused():
    for frame, told in (
        (readings(odd=lambda row: False), "no reading anomalous of those that were drawn; compete without labels"),
        (readings(odd=lambda row: row < 2), "no reading anomalous after the first ones, .* learn from fewer"),
        (readings(odd=lambda row: row > 4), "no reading normal after the first ones"),
    ):
        with pytest.raises(DataError, match=told):
            check_labels(drawn(frame), "odd")
    check_labels(drawn(readings()), "odd")


def test_labels_are_0_or_1():
    with pytest.raises(DataError, match=r"label column 'odd': labels must be 0 .* not 7"):
        drawn(readings().with_columns(odd=pl.lit(7)))


def test_nothing_to_judge():
    with pytest.raises(EmptyDataError, match="no asset has a second reading"):
        drawn(readings(rows=1), labelled=False)
    with pytest.raises(EmptyDataError):
        drawn(readings().head(0), labelled=False)


def test_blocks_are_all_assets_in_runs():
    panel = drawn(readings()).training
    for parts in (1, 2, 3, 8, 20):
        found = blocks(panel, parts)
        assert np.concatenate(found).tolist() == list(range(8))
        assert len(found) == min(parts, 8)
