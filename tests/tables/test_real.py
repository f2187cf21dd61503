"""Real files come in as they are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tocsin.errors import ColumnError
from tocsin.tables import Columns, open_readings, restore_times

Need = Callable[[str], Path]


def test_elevator(need: Need) -> None:
    (panel,) = open_readings(need("elevator"), Columns(time="ID")).panels()
    assert panel.values.shape == (8, 112_001)
    assert int(np.isnan(panel.values[panel.features.index("vibration")]).sum()) == 2_438


def test_skab(need: Need) -> None:
    columns = Columns(key="@file", time="datetime", features=["!anomaly", "!changepoint"])
    readings = open_readings(need("skab/valve1"), columns)
    (panel,) = readings.panels()
    assert sorted(panel.keys.to_pylist(), key=int) == [str(i) for i in range(16)]
    assert panel.values.shape == (8, 18_160)
    assert restore_times(panel.times[:1], readings.time_type)[0].as_py() == dt.datetime(2020, 3, 9, 10, 14, 33)
    assert readings.notes.lines() == []


def test_cmapss(need: Need) -> None:
    path = need("cmapss/train_FD001.txt")
    (panel,) = open_readings(path, Columns(key="column_1", time="column_2"), header=False).panels()
    assert panel.keys.to_pylist() == list(range(1, 91))
    assert panel.values.shape == (24, 18_380)
    with pytest.raises(ColumnError, match="header=False"):
        open_readings(path, Columns())


def test_wind(need: Need) -> None:
    readings = open_readings(need("wind"), Columns(time="Date/Time"))
    (panel,) = readings.panels()
    assert panel.values.shape == (4, 50_530)
    assert restore_times(panel.times[-1:], readings.time_type)[0].as_py() == dt.datetime(2018, 12, 31, 23, 50)
    assert "is not UTF-8" in readings.notes.lines()[0]


def test_csse(need: Need) -> None:
    readings = open_readings(f"{need('csse_daily')}/2020-01*.csv.gz", Columns(key="@file"))
    assert [panel.n_assets for panel in readings.panels()] == [10]
    with pytest.raises(ColumnError, match=r"2020-03-01.csv.gz has a column 'Latitude'"):
        open_readings(f"{need('csse_daily')}/2020*.csv.gz", Columns())
