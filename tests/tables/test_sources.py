"""All sources of one table give the same panels, with the types they promise."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tocsin.panel import Panel
from tocsin.tables import Columns, open_readings, restore_times
from tocsin.tables.delimiters import sniff
from tocsin.tables.files import stem

FRAME = pl.DataFrame({"key": ["a", "b", "a"], "at": [1, 1, 2], "x": [1.0, None, 3.0], "y": [4, 5, 6]})
COLUMNS = Columns(key="key", time="at")


def only(source: object, columns: Columns = COLUMNS, **options: object) -> Panel:
    (panel,) = open_readings(source, columns, **options).panels()
    return panel


@pytest.mark.parametrize(
    "wrap",
    [
        lambda frame: frame,
        lambda frame: frame.lazy(),
        lambda frame: frame.to_arrow(),
        lambda frame: frame.to_arrow().to_reader(),
        lambda frame: frame.to_arrow().to_batches()[0],
        lambda frame: frame.to_pandas(),
        lambda frame: frame.to_pandas().set_index(["key", "at"]),
        lambda frame: frame.to_pandas().iloc[::-1].iloc[::-1],
        lambda frame: frame.with_columns(pl.col("key").cast(pl.Categorical)),
        lambda frame: pl.concat([frame[:1], frame[1:]], rechunk=False),
    ],
)
def test_frames(wrap: Callable[[pl.DataFrame], object]) -> None:
    panel = only(wrap(FRAME))
    assert panel.keys.to_pylist() == ["a", "b"]
    assert panel.keys.type == pa.string()
    np.testing.assert_array_equal(panel.values, [[1.0, 3.0, np.nan], [4.0, 6.0, 5.0]])
    assert panel.times is not None
    assert panel.times.tolist() == [1, 2, 1]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "  "])
@pytest.mark.parametrize("header", [True, False])
def test_delimited_text(tmp_path: Path, packing: str, separator: str, *, header: bool) -> None:
    path = tmp_path / f"a.csv{packing}"
    rows = FRAME.fill_null(float("nan")).rows()
    lines = [separator.join(map(str, row)) for row in ([tuple(FRAME.columns)] if header else []) + rows]
    data = "".join(line + (" " if separator == "  " else "") + "\n" for line in lines).encode()
    if packing:
        with pa.CompressedOutputStream(str(path), {".gz": "gzip", ".zst": "zstd"}[packing]) as file:
            file.write(data)
    else:
        path.write_bytes(data)
    columns = COLUMNS if header else Columns(key="column_1", time="column_2")
    panel = only(path, columns, header=header)
    np.testing.assert_array_equal(panel.values, [[1.0, 3.0, np.nan], [4.0, 6.0, 5.0]])
    assert panel.keys.to_pylist() == ["a", "b"]
    assert panel.features == (("x", "y") if header else ("column_3", "column_4"))


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
def test_ndjson(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"a.ndjson{packing}"
    data = FRAME.write_ndjson().encode()
    if packing:
        with pa.CompressedOutputStream(str(path), {".gz": "gzip", ".zst": "zstd"}[packing]) as file:
            file.write(data)
    else:
        path.write_bytes(data)
    np.testing.assert_array_equal(only(path).values, [[1.0, 3.0, np.nan], [4.0, 6.0, 5.0]])


@pytest.mark.parametrize("kind", ["folder", "glob", "partitions"])
def test_many_files(tmp_path: Path, kind: str) -> None:
    for i, row in enumerate(FRAME.iter_slices(1)):
        folder = tmp_path / f"site={i % 2}" if kind == "partitions" else tmp_path
        folder.mkdir(exist_ok=True)
        row.write_parquet(folder / f"{i}.parquet")
    (tmp_path / "_SUCCESS").touch()
    readings = open_readings(f"{tmp_path}/*.parquet" if kind == "glob" else tmp_path, COLUMNS)
    assert readings.features == (("x", "y", "site") if kind == "partitions" else ("x", "y"))
    (panel,) = readings.panels()
    assert sorted(panel.values[1].tolist()) == [4.0, 5.0, 6.0]
    assert readings.total_rows == 3


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "arrow"])
def test_file_names_as_keys(tmp_path: Path, suffix: str) -> None:
    write = {"parquet": "write_parquet", "csv": "write_csv", "ndjson": "write_ndjson", "arrow": "write_ipc"}[suffix]
    for name in ("pump.2", "pump.1"):
        getattr(FRAME, write)(tmp_path / f"{name}.{suffix}")
    panel = only(tmp_path, Columns(key="@file", features=("x", "y")))
    assert panel.keys.to_pylist() == ["pump.1", "pump.2"]
    assert panel.offsets.tolist() == [0, 3, 6]


def test_url(tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "a.parquet")
    FRAME.write_csv(tmp_path / "a.csv")
    for name in ("a.parquet", "a.csv"):
        assert only(f"file://{tmp_path}/{name}").keys.to_pylist() == ["a", "b"]


def test_single_precision_stays_single() -> None:
    single = FRAME.with_columns(pl.col("x").cast(pl.Float32))
    assert open_readings(single, Columns(features=("x",))).dtype == np.float32
    assert only(single, Columns(features=("x",))).values.dtype == np.float32
    assert only(single, Columns(features=("x", "y"))).values.dtype == np.float64


def test_which_columns_are_features() -> None:
    frame = FRAME.with_columns(
        flag=pl.lit(value=True), note=pl.lit("n"), day=pl.lit(dt.date(2020, 1, 1)), nest=pl.lit([1]), none=pl.lit(None)
    )
    readings = open_readings(frame, COLUMNS)
    assert readings.features == ("x", "y")
    assert readings.left_out == {
        "key": "key",
        "at": "time",
        "flag": "boolean",
        "note": "text",
        "day": "dates or times",
        "nest": "nested",
        "none": "empty",
    }
    assert open_readings(frame, Columns(key="key", features=("y", "*", "!at", "!x"))).features == ("y",)
    assert open_readings(frame, Columns(key="key", features=("y", "x"))).features == ("y", "x")
    assert open_readings(frame, Columns(key="key", features=("!x",))).features == ("at", "y")
    assert open_readings(frame, Columns(features="flag")).features == ("flag",)
    assert only(frame, Columns(features="flag")).values.tolist() == [[1.0, 1.0, 1.0]]


def test_names_that_read_like_patterns() -> None:
    frame = pl.DataFrame({"temp [C]": [1.0], "!x": [2.0], "temp C": [3.0]})
    assert open_readings(frame, Columns(features=("temp [C]", "!x"))).features == ("temp [C]", "!x")


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (["1", "20"], [1, 20]),
        (["007", "7"], ["007", "7"]),
        (["1"] * 20_000 + ["A1"], ["1", "A1"]),
        (["-3", "4"], [-3, 4]),
    ],
)
def test_whole_numbers_in_text_are_number_keys(tmp_path: Path, keys: list[str], found: list[object]) -> None:
    path = tmp_path / "a.csv"
    pl.DataFrame({"key": keys, "x": [1.0] * len(keys)}).write_csv(path)
    readings = open_readings(path, Columns(key="key"))
    assert readings.key_type == (pa.int64() if isinstance(found[0], int) else pa.string())
    (panel,) = readings.panels()
    assert panel.keys.to_pylist() == found


@pytest.mark.parametrize(
    "keys",
    [
        pl.Series([2, 1, 2], dtype=pl.UInt16),
        pl.Series([dt.date(2020, 1, 1), None, dt.date(2019, 1, 1)]),
        pl.Series([True, False, True]),
        pl.Series([b"b", b"a", b"b"]),
        pl.Series([1.5, 2.5, 1.5]),
        pl.Series(["b", "a", "b"], dtype=pl.Enum(["a", "b"])),
    ],
)
def test_keys_keep_their_type(keys: pl.Series) -> None:
    readings = open_readings(pl.DataFrame({"key": keys, "x": [1.0, 2.0, 3.0]}), Columns(key="key"))
    (panel,) = readings.panels()
    assert panel.keys.to_pylist() == keys.drop_nulls().unique(maintain_order=True).to_list()
    assert panel.keys.type == readings.key_type


NINE = dt.datetime(2020, 3, 9, 10, 34, 33)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-03-09 10:34:33", NINE),
        ("2020-03-09T10:34:33Z", NINE),
        ("2020-03-09T11:34:33+01:00", NINE),
        ("2020-03-09 10:34:33.250", NINE.replace(microsecond=250_000)),
        ("2020-03-09 10:34", NINE.replace(second=0)),
        ("2020-03-09", dt.datetime(2020, 3, 9)),
        ("09 03 2020 10:34", NINE.replace(second=0)),
        ("09.03.2020 10:34:33", NINE),
        ("09/03/2020 10:34", NINE.replace(second=0)),
        ("2020/03/09 10:34:33", NINE),
        ("2004.02.12.10.32.39", dt.datetime(2004, 2, 12, 10, 32, 39)),
        ("1/22/2020 17:00", dt.datetime(2020, 1, 22, 17)),
        ("1/22/2020 5:00 PM", dt.datetime(2020, 1, 22, 17)),
        ("20200309T103433", NINE),
        (" 12 ", 12),
        ("12.0", 12),
    ],
)
def test_times_in_text(text: str, moment: object) -> None:
    readings = open_readings(pl.DataFrame({"t": [text], "x": [1.0]}), Columns(time="t"))
    (panel,) = readings.panels()
    assert panel.times is not None
    assert restore_times(panel.times, readings.time_type)[0].as_py() == moment


def test_a_later_day_settles_whether_day_or_month_is_first() -> None:
    times = ["01/02/2020"] * 3_000 + ["01/13/2020"]
    readings = open_readings(pl.DataFrame({"t": times, "x": [1.0] * 3_001}), Columns(time="t"))
    (panel,) = readings.panels()
    assert panel.n_rows == 3_001
    assert restore_times(panel.times[:1], readings.time_type)[0].as_py() == dt.datetime(2020, 1, 2)
    doubtful = open_readings(pl.DataFrame({"t": times[:1], "x": [1.0]}), Columns(time="t"))
    assert doubtful.notes.lines() == ["times in 't' fit day or month first; read as day/month/year"]


@pytest.mark.parametrize(
    ("times", "ticks"),
    [
        (pl.Series([dt.datetime(1970, 1, 1, 0, 0, 1)], dtype=pl.Datetime("ms")), 10**9),
        (pl.Series([dt.datetime(1970, 1, 1, 0, 0, 1)], dtype=pl.Datetime("ns")), 10**9),
        (pl.Series([dt.datetime(1970, 1, 1, 0, 0, 1)]).dt.replace_time_zone("Europe/Paris"), 10**9 - 3_600 * 10**9),
        (pl.Series([dt.date(1970, 1, 2)]), 86_400 * 10**9),
        (pl.Series([dt.timedelta(seconds=2)]), 2 * 10**9),
        (pl.Series([7], dtype=pl.UInt8), 7),
        (pl.Series([7.0]), 7),
    ],
)
def test_times_come_back_in_their_type(times: pl.Series, ticks: int) -> None:
    readings = open_readings(pl.DataFrame({"t": times, "x": [1.0]}), Columns(time="t"))
    (panel,) = readings.panels()
    assert panel.times is not None
    assert panel.times.tolist() == [ticks]
    back = restore_times(panel.times, readings.time_type)
    assert back.type == times.to_arrow().type
    assert back.to_pylist() == times.to_list()


def test_times_beyond_what_nanoseconds_can_tell_are_counted() -> None:
    times = pl.Series([dt.datetime(2020, 1, 1), dt.datetime(9999, 12, 31)])
    readings = open_readings(pl.DataFrame({"t": times, "x": [1.0, 2.0]}), Columns(time="t"))
    assert sum(panel.n_rows for panel in readings.panels()) == 1
    assert readings.notes.counts["no time"] == 1


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"key,Wind (\xa1\xe3)\nx,1\n")
    readings = open_readings(path, Columns(key="key"))
    assert readings.features == ("Wind (\ufffd\ufffd)",)
    assert "is not UTF-8 text" in readings.notes.lines()[0]


def test_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("k;x\na;1,5\na;2\n")
    assert only(path, Columns(key="k")).values.tolist() == [[1.5, 2.0]]


def test_a_column_may_be_empty_for_long(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y,z\n" + "1,,\n" * 20_000 + "1,2.5,\n")
    readings = open_readings(path, Columns())
    assert readings.features == ("x", "y")
    assert readings.left_out == {"z": "empty"}


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        (["a,b", "1,2"], ","),
        (["01 01 2018 00:00,1.5", "02 01 2018 00:00,2.5"], ","),
        (["a;b", "1,5;2,5"], ";"),
        (["a,b", '"1;2;3",4', '"5;6;7",8'], ","),
        (["a", "1"], ","),
        (["1  2 3 ", " 4 5   6"], " "),
        ([], ","),
    ],
)
def test_sniffing(lines: list[str], separator: str) -> None:
    assert sniff(lines) == separator


def test_stems() -> None:
    assert [stem(name) for name in ("a.csv", "d/a.b.csv.gz", "a.1", ".csv")] == ["a", "a.b", "a.1", ".csv"]


def test_pandas_missing_values() -> None:
    frame = pd.DataFrame({"key": ["a", None, "b"], "x": [1.0, 2.0, np.nan], "n": pd.array([1, None, 3], dtype="Int64")})
    readings = open_readings(frame, Columns(key="key"))
    (panel,) = readings.panels()
    np.testing.assert_array_equal(panel.values, [[1.0, np.nan], [1.0, 3.0]])
    assert readings.notes.counts["no key"] == 1
