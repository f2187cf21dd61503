"""The first part of each asset's readings, and the rest."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tocsin.errors import ColumnError
from tocsin.evaluate.holdout import holdout
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
