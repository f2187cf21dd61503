"""The first part of each asset's readings, and the rest."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tocsin.errors import ColumnError, ParameterError
from tocsin.evaluate.holdout import chronological, holdout
from tocsin.tables.columns import Columns


def readings(rows: int = 20) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "pump": ["a", "b"] * rows,
            "at": [row // 2 for row in range(2 * rows)],
            "flow": [float(row) for row in range(2 * rows)],
            "site": ["x"] * (2 * rows),
        }
    )


def test_each_asset_is_split_in_time_whatever_the_order_of_the_rows():
    parts = holdout(readings().sample(fraction=1.0, shuffle=True, seed=1), Columns("pump", "at"))
    assert parts.training.group_by("pump").agg(pl.len(), pl.col("at").max()).sort("pump").rows() == [
        ("a", 14, 13),
        ("b", 14, 13),
    ]
    assert parts.later["at"].min() == 14
    both = pl.concat([parts.training, parts.later])
    assert_frame_equal(both.sort("at", "pump"), readings().select("pump", "at", "flow"), check_column_order=False)
    assert parts.left_out["site"] == "text"


def test_an_asset_with_one_row_is_learned():
    parts = holdout(readings(1), Columns("pump", "at"))
    assert (len(parts.training), len(parts.later)) == (2, 0)


def test_without_time_all_rows_are_in_both_parts():
    parts = holdout(readings(), Columns("pump"))
    assert_frame_equal(parts.training, parts.later)
    assert len(parts.later) == 40


def test_files_as_assets(need):
    parts = holdout(str(need("skab/valve1")), Columns("@file", "datetime", ["!anomaly", "!changepoint"]))
    assert parts.columns.key == "file"
    assert parts.training["file"].n_unique() == parts.later["file"].n_unique() == 16
    assert parts.training.width == 10
    assert len(parts.training) / (len(parts.training) + len(parts.later)) == pytest.approx(0.7, abs=0.01)


def test_a_wrong_column_is_named():
    with pytest.raises(ColumnError, match="pump"):
        holdout(readings(), Columns("pumps", "at"))


def test_three_parts_follow_one_another_in_each_asset():
    frame = readings(33).filter((pl.col("pump") == "a") | (pl.col("at") < 7))
    parts = chronological(frame.sample(fraction=1.0, shuffle=True, seed=1), Columns("pump", "at"))
    sizes = [part.group_by("pump").len().sort("pump")["len"].to_list() for part in (parts.training, parts.validation)]
    assert sizes == [[24, 5], [6, 2]]
    assert parts.test["pump"].to_list() == ["a"] * 3
    assert parts.notes[-1] == "1 asset has no rows in the test part"
    for pump in ("a", "b"):
        ends = [part.filter(pump=pump)["at"] for part in (parts.training, parts.validation, parts.test)]
        assert pl.concat(ends).to_list() == list(range(33 if pump == "a" else 7))
    assert_frame_equal(holdout(frame, Columns("pump", "at")).training, parts.training)


def test_shares_sum_to_all_without_rounding_anything_away():
    for rows in range(1, 40):
        parts = chronological(readings(rows), Columns("pump", "at"), (0.1, 0.2, 0.7))
        assert len(parts.training) + len(parts.validation) + len(parts.test) == 2 * rows
        assert len(parts.training) >= 2


@pytest.mark.parametrize(
    "shares", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1), (0.5, 0.5, np.nan)]
)
def test_shares_that_are_none_are_told(shares):
    with pytest.raises(ParameterError, match="shares must be three numbers above 0 that sum to 1, not"):
        chronological(readings(), Columns("pump", "at"), shares)


def test_without_time_there_is_no_order_to_cut():
    with pytest.raises(ParameterError, match="readings are cut in time; say which column holds the time"):
        chronological(readings(), Columns("pump"))


def test_labels_stay_with_their_rows():
    frame = readings().with_columns(bad=pl.when(pl.col("at") == 3).then(None).otherwise(pl.col("at") > 15))
    parts = chronological(frame, Columns("pump", "at", label="bad"), labelled=True)
    whole = pl.concat([parts.training, parts.validation, parts.test]).sort("at", "pump")
    assert whole["bad"].to_list() == [None if at == 3 else int(at > 15) for at in whole["at"]]
