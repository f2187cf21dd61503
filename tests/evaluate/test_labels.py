"""Labels that lie apart are put beside their rows, and what does not fit is told."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import Fleet, LightGBM
from tocsin.errors import ColumnError, DataError, EmptyDataError, ParameterError
from tocsin.evaluate.labels import join_labels, labelled
from tocsin.tables.columns import Columns

COLUMNS = Columns(key="pump", time="at")


def moments(*minutes: int) -> pl.Series:
    start = pl.datetime(2026, 1, 1)
    return pl.select(start + pl.duration(minutes=pl.Series(minutes))).to_series()


def readings() -> pl.DataFrame:
    return pl.DataFrame({"pump": ["b", "a", "a", "b", "a"], "at": moments(2, 3, 1, 1, 2), "flow": [0.1] * 5})


def table(text: str, path) -> str:
    path.write_text("\n".join(text.split("; ")) + "\n")
    return str(path)


def test_rows_are_found_whatever_their_order_and_names(tmp_path):
    expected = [0, 1, -1, -1, 0]
    rows = pl.DataFrame({"pump": ["a", "b", "a", "a"], "at": moments(3, 2, 2, 1), "label": [1, 0, 0, None]})
    assert join_labels(readings(), rows, COLUMNS).tolist() == expected
    other = rows.rename({"pump": "asset", "at": "time", "label": "anomaly"}).cast({"anomaly": pl.Boolean})
    assert join_labels(readings(), other, COLUMNS).tolist() == expected
    twice = pl.concat([rows, rows])
    assert join_labels(readings(), twice, COLUMNS).tolist() == expected
    rows.write_csv(tmp_path / "rows.csv")
    assert join_labels(readings(), tmp_path / "rows.csv", COLUMNS).tolist() == expected
    rows.rename({"label": "bad"}).write_parquet(tmp_path / "rows.parquet")
    named = Columns(key="pump", time="at", label="bad")
    assert join_labels(readings(), tmp_path / "rows.parquet", named).tolist() == expected
    found = join_labels(readings(), rows, COLUMNS)
    assert found.dtype == np.int8


def test_windows_hold_their_ends_and_leave_all_else_normal(tmp_path):
    windows = pl.DataFrame({"pump": ["a", "b"], "start": moments(2, 0), "end": moments(3, 1)})
    assert join_labels(readings(), windows, COLUMNS).tolist() == [0, 1, 0, 1, 1]
    truth = windows.rename({"pump": "asset", "start": "onset"}).with_columns(feature=pl.lit("flow"))
    assert join_labels(readings(), truth, COLUMNS).tolist() == [0, 1, 0, 1, 1]
    text = "pump,start,end; a,2026-01-01 00:02,2026-01-01 00:03; b,2026-01-01,2026-01-01 00:01:00"
    assert join_labels(readings(), table(text, tmp_path / "w.csv"), COLUMNS).tolist() == [0, 1, 0, 1, 1]
    touching = pl.DataFrame({"pump": ["a", "a"], "start": moments(1, 2), "end": moments(2, 3)})
    assert join_labels(readings(), touching, COLUMNS).tolist() == [0, 1, 1, 0, 1]


def test_windows_may_have_labels_of_their_own():
    windows = {"pump": ["a", "b", "b"], "start": moments(2, 0, 2), "end": moments(3, 1, 2), "label": [1, 0, 1]}
    assert join_labels(readings(), pl.DataFrame(windows), COLUMNS).tolist() == [1, 1, 0, 0, 1]


def test_times_are_compared_in_utc_and_local_ones_on_one_side_are_refused():
    local = readings().with_columns(pl.col("at").dt.replace_time_zone("Europe/Berlin"))
    windows = pl.DataFrame({"pump": ["a"], "start": moments(2), "end": moments(3)})
    with pytest.raises(ColumnError, match=r"'start' of the labels is without a time zone, but .* are in Europe/Berlin"):
        join_labels(local, windows, COLUMNS)
    berlin = windows.with_columns(pl.col("start", "end").dt.replace_time_zone("Europe/Berlin"))
    expected = [0, 1, 0, 0, 1]
    assert join_labels(local, berlin, COLUMNS).tolist() == expected
    utc = berlin.with_columns(pl.col("start", "end").dt.convert_time_zone("UTC"))
    assert join_labels(local, utc, COLUMNS).tolist() == expected
    text = windows.with_columns(pl.col("start", "end").dt.strftime("%Y-%m-%dT%H:%M:%S+01:00"))
    assert join_labels(local, text, COLUMNS).tolist() == expected
    with pytest.raises(ColumnError, match=r"'start' of the labels is in Europe/Berlin, but .* are without a time zone"):
        join_labels(readings(), berlin, COLUMNS)
    plain = windows.with_columns(pl.col("start", "end").dt.replace_time_zone("UTC"))
    assert join_labels(readings(), plain, COLUMNS).tolist() == expected


def test_one_asset_needs_no_key_and_keys_are_compared_as_text():
    alone = pl.DataFrame({"at": [5, 6, 7], "flow": [0.1] * 3})
    windows = pl.DataFrame({"start": [6], "end": [6]})
    assert join_labels(alone, windows, Columns(time="at")).tolist() == [0, 1, 0]
    numbered = alone.with_columns(pump=pl.lit(7))
    assert join_labels(numbered, windows.with_columns(pump=pl.lit("7")), COLUMNS).tolist() == [0, 1, 0]
    files = alone.with_columns(file=pl.lit("x"))
    assert join_labels(files, windows.with_columns(key=pl.lit("x")), Columns("@file", "at")).tolist() == [0, 1, 0]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=2, max_size=40), st.randoms())
def test_windows_are_what_each_row_says_alone(rows, random):
    frame = pl.DataFrame({"pump": [f"p{key}" for key, _ in rows], "at": [time for _, time in rows]})
    windows = [(f"p{key}", start, start + random.randint(0, 4)) for key in range(3) for start in range(0, 30, 6)]
    table = pl.DataFrame(windows, schema=["key", "start", "end"], orient="row").sample(fraction=1, shuffle=True, seed=0)
    slow = [any(key == k and s <= time <= e for k, s, e in windows) for key, time in frame.iter_rows()]
    holding = [any(key == k and s <= time <= e for key, time in frame.iter_rows()) for k, s, e in windows]
    if all(holding) and any(slow) and not all(slow):
        assert join_labels(frame, table, COLUMNS).tolist() == slow
    else:
        with pytest.raises(DataError):
            join_labels(frame, table, COLUMNS)
        kept = table.filter(pl.Series(holding_of(table, frame)))
        if len(kept) and any(slow) and not all(slow):
            assert join_labels(frame, kept, COLUMNS).tolist() == slow


def holding_of(table: pl.DataFrame, frame: pl.DataFrame) -> list[bool]:
    return [any(key == k and s <= time <= e for key, time in frame.iter_rows()) for k, s, e in table.iter_rows()]


MISTAKES = {
    "pump,at,label; a,2026-01-01 00:01,2; a,2026-01-01 00:02,0": (
        DataError, r"column 'label' of the labels: labels must be 0 \(normal\) or 1 \(anomalous\), not 2",
    ),
    "pump,at,label; a,2026-01-01 00:01,bad; a,2026-01-01 00:02,0": (
        DataError, "column 'label' of the labels: labels must be .* not 'bad'",
    ),
    "pump,at,label; a,2026-01-01 00:01,0; a,2026-01-01 00:02,0": (DataError, "no label is 1, anomalous; to measure"),
    "pump,at,label; a,2026-01-01 00:01,1": (DataError, "no label is 0, normal; list normal rows as well"),
    "pump,at,label; a,2026-01-01 00:01,1; a,2026-01-01 00:01,0": (
        DataError, "asset 'a' has two different labels at 2026-01-01 00:01:00; give one",
    ),
    "pump,at,label; a,2026-01-01 00:01,1; a,2026-01-01 00:07,0": (
        DataError, "1 of 2 labels match no reading, such as that of asset 'a' at 2026-01-01 00:07:00; give times as",
    ),
    "pump,at,label; pump_a,2026-01-01 00:01,1": (
        DataError, "1 of 1 labels match no reading: there is no asset 'pump_a' in the readings; there are: a, b",
    ),
    "pump,at,label; a,,1": (DataError, "row 0 of the labels has no time in 'at' that can be read; give it, or"),
    "pump,at,label; a,5,1": (ColumnError, "column 'at' of the labels holds whole numbers, but .* are moments"),
    "pump,at,label; a,soon,1": (ColumnError, "time column 'at' holds 'soon', which is no time of a known form"),
    "pump,at,label": (EmptyDataError, "has a header but no rows"),
    "pomp,at,label; a,2026-01-01 00:01,1": (ColumnError, "no column 'pump' for the key; did you mean 'pomp'"),
    "pump,at,mark; a,2026-01-01 00:01,1": (
        ColumnError, "the labels need the columns at and label, a row a reading, or start and end, .* pump, at, mark",
    ),
    "pump,start,end; a,2026-01-01 00:01,2026-01-01 00:02; a,2026-01-01 00:00,2026-01-01 00:03": (
        DataError, "windows of asset 'a' overlap: one from 2026-01-01 00:01:00 to 2026-01-01 00:02:00 starts before",
    ),
    "pump,start,end; a,2026-01-01 00:03,2026-01-01 00:01": (
        DataError, "a window of asset 'a' ends at 2026-01-01 00:01:00, before it starts at 2026-01-01 00:03:00",
    ),
    "pump,start,end; a,2026-01-01 00:01,2026-01-01 00:02; b,2026-02-01,2026-03-01": (
        DataError, "1 of 2 windows hold no reading, such as that of asset 'b' from 2026-02-01 00:00:00; give times",
    ),
    "pump,start,end; a,2025-01-01,2027-01-01; b,2025-01-01,2027-01-01": (
        DataError, "no row lies outside of the windows; shorten them",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_are_told_in_one_line(text, tmp_path):
    kind, message = MISTAKES[text]
    with pytest.raises(kind, match=message) as told:
        join_labels(readings(), table(text, tmp_path / "labels.csv"), COLUMNS)
    assert not re.search(r"\n", str(told.value))


def test_what_the_readings_lack_is_told(tmp_path):
    windows = pl.DataFrame({"start": moments(1), "end": moments(2)})
    with pytest.raises(ParameterError, match="labels apart from the readings are matched by time; say which column"):
        join_labels(readings(), windows, Columns(key="pump"))
    with pytest.raises(ColumnError, match="the readings have no column 'when' for the time"):
        join_labels(readings(), windows, Columns(time="when"))
    with pytest.raises(ColumnError, match="the readings have no column 'pimp' for the key; did you mean 'pump'"):
        join_labels(readings(), windows, Columns(key="pimp", time="at"))
    with pytest.raises(DataError, match="no such file"):
        join_labels(readings(), tmp_path / "none.csv", COLUMNS)


def test_rows_without_a_time_have_no_label():
    some = readings().with_columns(at=pl.when(pl.col("pump") == "b").then(None).otherwise("at"))
    windows = pl.DataFrame({"pump": ["a"], "start": moments(1), "end": moments(2)})
    assert join_labels(some, windows, COLUMNS).tolist() == [-1, 0, 1, -1, 1]


def test_labels_beside_readings_are_what_a_supervised_fleet_learns_from(tmp_path):
    rng = np.random.default_rng(0)
    flow = rng.normal(size=400) + 5 * (np.arange(400) % 200 >= 150)
    frame = pl.DataFrame(
        {"pump": ["a"] * 200 + ["b"] * 200, "at": [*range(200)] * 2, "flow": flow, "label": ["x"] * 400}
    )
    frame.write_csv(tmp_path / "readings.csv")
    windows = pl.DataFrame({"asset": ["a", "b"], "onset": [150, 150], "end": [199, 199], "feature": ["flow"] * 2})
    found, columns = labelled(tmp_path / "readings.csv", windows, COLUMNS)
    assert columns == Columns(key="pump", time="at", label="label")
    assert found["label"].sum() == 100
    fleet = Fleet(LightGBM(), key="pump", time="at", label=columns.label).fit(found)
    scores = fleet.score(found.drop("label"))
    assert (scores["alert"] == (found["label"] == 1)).mean() > 0.95
    taken, columns = labelled(frame.with_columns(label=pl.col("flow")), windows, COLUMNS)
    assert columns.label == "label_"
    assert taken["label_"].sum() == 100
