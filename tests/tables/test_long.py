"""A long table gives the panels of its wide twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ColumnError, EmptyDataError
from tocsin.tables import Columns, open_readings

LONG = Columns(key="key", time="at", sensor="sensor", value="value")
WIDE = Columns(key="key", time="at")


def melted(wide: pl.DataFrame) -> pl.DataFrame:
    return wide.unpivot(index=["key", "at"], variable_name="sensor", value_name="value")


@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 6), st.sampled_from([1, 5, None]))
def test_long_is_wide(random: object, assets: int, ticks: int, target: int | None) -> None:
    rng = np.random.default_rng(assets * 10 + ticks)
    rows = assets * ticks
    values = {name: rng.standard_normal(rows) for name in "abc"}
    wide = pl.DataFrame({"key": [i // ticks for i in range(rows)], "at": [i % ticks for i in range(rows)], **values})
    long = melted(wide)
    places = list(range(long.height))
    random.shuffle(places)  # type: ignore[attr-defined]
    found = {}
    for panel in open_readings(long[places], LONG).panels(target):
        for i, key in enumerate(panel.keys.to_pylist()):
            found[key] = panel.values[:, panel.offsets[i] : panel.offsets[i + 1]].tolist()
            assert panel.times is not None
            assert panel.times[panel.offsets[i] : panel.offsets[i + 1]].tolist() == list(range(ticks))
    (expected,) = open_readings(wide, WIDE).panels()
    assert found == {i: expected.values[:, i * ticks : (i + 1) * ticks].tolist() for i in range(assets)}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_last_value_wins_and_gaps_are_missing(tmp_path: Path, suffix: str, memory: int) -> None:
    long = pl.DataFrame(
        {
            "key": ["a", "b", "a", "a", "a", "a", "a"],
            "at": [2, 1, 1, 2, 2, 3, 2],
            "sensor": ["y", "x", "x", "y", "x", None, "x"],
            "value": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, None],
        }
    )
    path = tmp_path / f"long.{suffix}"
    long.write_csv(path) if suffix == "csv" else long.write_parquet(path)
    readings = open_readings(path, LONG, memory_limit=memory)
    assert readings.features == ("x", "y")
    (panel,) = readings.panels()
    assert panel.keys.to_pylist() == ["a", "b"]
    assert panel.offsets.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(panel.values, [[3.0, 5.0, 2.0], [np.nan, 4.0, np.nan]])
    assert readings.notes.lines() == [
        "1 row without a sensor skipped",
        "1 row came before an earlier reading of the same asset; sorted by time",
        "1 reading replaced by a later one of the same asset, time and sensor",
    ]


def test_sensors_are_chosen_like_columns() -> None:
    long = melted(pl.DataFrame({"key": ["a"], "at": [1], "temp_1": [1.0], "temp_2": [2.0], "p": [3.0]}))
    columns = Columns(key="key", time="at", sensor="sensor", value="value", features=("t*", "!temp_2"))
    readings = open_readings(long, columns)
    assert readings.features == ("temp_1",)
    assert readings.left_out == {"p": "not asked for", "temp_2": "excluded"}
    (panel,) = open_readings(long, columns, expect=["temp_2", "p"]).panels()
    assert panel.values.tolist() == [[2.0], [3.0]]
    with pytest.raises(ColumnError, match=r"no sensor here: 'temp_3' \(did you mean"):
        open_readings(long, columns, expect=["temp_3"])


def test_bad_long_tables() -> None:
    long = pl.DataFrame({"key": ["a"], "at": [1], "sensor": ["x"], "value": ["high"]})
    with pytest.raises(ColumnError, match="value column 'value' is text; it must be numeric"):
        open_readings(long, LONG)
    with pytest.raises(ColumnError, match="no column 'sensor' for the sensor"):
        open_readings(long.drop("sensor"), LONG)
    empty = long.with_columns(pl.lit(1.0).alias("value"), pl.lit(None, pl.String).alias("sensor"))
    with pytest.raises(EmptyDataError, match="names no sensor"):
        open_readings(empty, LONG)
