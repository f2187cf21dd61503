"""Each way in which input can be bad has one line that says what, where and what to do."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tocsin.errors import ColumnError, DataError, EmptyDataError, ParameterError, TocsinError
from tocsin.tables import Columns, open_readings


def read(source: object, columns: Columns | None = None, **options: Any) -> None:
    for _ in open_readings(source, columns or Columns(), **options).panels():
        pass


def refused(kind: type[TocsinError], parts: str | tuple[str, ...], source: object, *rest: Any, **options: Any) -> None:
    with pytest.raises(kind) as caught:
        read(source, *rest, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.__cause__ is None, "what a library raised does not reach the user"
    for part in (parts,) if isinstance(parts, str) else parts:
        assert part in message


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def to(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to


FRAME = pl.DataFrame({"turbine_id": ["a", "b"], "at": [1, 2], "power": [1.0, 2.0], "site": ["x", "y"]})


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        (Columns(key="turbine"), ("no column 'turbine' for the key", "did you mean 'turbine_id'?")),
        (Columns(time="att"), ("no column 'att' for the time", "did you mean 'at'?")),
        (Columns(features=("powr",)), ("no column 'powr'", "did you mean 'power'?")),
        (Columns(features=("q*",)), ("no column matches 'q*'", "there are")),
        (Columns(features=("!powr",)), ("no column 'powr'", "did you mean 'power'?")),
        (Columns(features=("site",)), ("column 'site' is text", "name numeric columns")),
        (Columns(key="at", features=("at",)), "column 'at' is the key and cannot be a feature too"),
        (Columns(features=("power", "!power")), ("'power', '!power' leave nothing", "power (excluded)")),
        (Columns(key="at", time="power", features=("!turbine_id",)), ("leave nothing", "at (key)")),
    ],
)
def test_columns(columns: Columns, parts: str | tuple[str, ...]) -> None:
    refused(ColumnError, parts, FRAME, columns)


@pytest.mark.parametrize(
    ("roles", "parts"),
    [
        ({"sensor": "s"}, "sensor is given without value"),
        ({"value": "s"}, "value is given without sensor"),
        ({"sensor": "s", "value": "v"}, "needs a time column"),
        ({"key": "a", "time": "a"}, "column 'a' cannot be both key and time"),
    ],
)
def test_roles(roles: dict[str, str], parts: str) -> None:
    with pytest.raises(ParameterError, match=parts):
        Columns(**roles)


def test_no_numeric_feature() -> None:
    refused(ColumnError, ("no numeric column is left", "site (text)"), FRAME.select("site"))


def test_empty_files(write: Callable[..., Path], tmp_path: Path) -> None:
    refused(EmptyDataError, "is empty: no header and no rows", write("a.csv", ""))
    refused(EmptyDataError, "has a header but no rows", write("b.csv", "key,x\n"))
    refused(EmptyDataError, "has no rows", FRAME.clear())
    FRAME.clear().write_parquet(tmp_path / "c.parquet")
    refused(EmptyDataError, "has no rows", tmp_path / "c.parquet", Columns(key="turbine_id"))


def test_no_row_is_left() -> None:
    frame = pl.DataFrame({"k": [None, None], "x": [1.0, 2.0]}, schema={"k": pl.String, "x": pl.Float64})
    refused(EmptyDataError, ("no row of the data frame is left", "2 rows without a key"), frame, Columns(key="k"))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_mixed_types(write: Callable[..., Path], suffix: str, *, late: bool) -> None:
    values = ["1", "2.5", *["3"] * (20_000 if late else 3)]
    if suffix == "csv":
        path = write("a.csv", "\n".join(["x,y", *(f"{v},1" for v in values), "n/a,1"]))
    else:
        path = write("a.ndjson", "\n".join([*(f'{{"x":{v},"y":1}}' for v in values), '{"x":"n/a","y":1}']))
    refused(ColumnError, ("column 'x' holds numbers and text", "'n/a'", "null_values=['n/a']", "'!x'"), path)
    assert open_readings(path, Columns(features=("!x",))).features == ("y",)
    (panel,) = open_readings(path, Columns(), null_values=["n/a"]).panels()
    assert panel.features == ("x", "y")
    assert panel.values[0, 1] == 2.5
    assert str(panel.values[0, -1]) == "nan"


def test_mixed_types_in_pandas() -> None:
    frame = pd.DataFrame({"flow rate": [1, "x"]})
    refused(ColumnError, ("column 'flow rate' holds numbers and text", "'x'", "convert the column"), frame)


@pytest.mark.parametrize("memory", [1, 1 << 30])
@pytest.mark.parametrize("keys", [["a", "a", "b"], ["a", "b", "a"]])
def test_infinite_values(tmp_path: Path, memory: int, keys: list[str]) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"k": keys, "x": [1.0, float("inf"), float("-inf")], "y": [1, 2, 3]})
    frame.write_parquet(path)
    columns = Columns(key="k")
    parts = "column 'x' has 2 infinite values", "infinite='missing'"
    refused(DataError, parts, path, columns, memory_limit=memory)
    readings = open_readings(path, columns, infinite="missing", memory_limit=memory)
    (panel,) = readings.panels()
    assert str(panel.values[0].tolist()) == "[1.0, nan, nan]"
    assert readings.notes.lines() == ["2 infinite values of 'x' treated as missing"]
    with pytest.raises(ParameterError, match="infinite must be"):
        open_readings(path, columns, infinite="zero")  # type: ignore[arg-type]


def test_nested_keys_and_bad_times() -> None:
    frame = pl.DataFrame({"k": [[1]], "b": [True], "f": [0.5], "t": ["noon"], "x": [1.0]})
    refused(ColumnError, "key column 'k' is nested", frame, Columns(key="k"))
    refused(ColumnError, "time column 'b' is boolean", frame, Columns(time="b"))
    refused(DataError, "fractions such as 0.5", frame, Columns(time="f"))
    refused(ColumnError, ("time column 't' holds 'noon'", "write times as"), frame, Columns(time="t"))


def test_twin_columns(write: Callable[..., Path], tmp_path: Path) -> None:
    refused(ColumnError, ("two columns called 'x'", "rename"), write("a.csv", "x,x\n1,2\n"))
    refused(ColumnError, ("two columns called '1'", "header=False"), write("b.csv", "1,1,2\n3,4,5\n"))
    twins = pa.table([[1], [2]], names=["x", "x"])
    refused(ColumnError, "two columns called 'x'", twins)
    refused(ColumnError, "two columns called 'x'", pd.DataFrame([[1, 2]], columns=["x", "x"]))
    pq.write_table(twins, tmp_path / "c.parquet")
    refused(ColumnError, "has two columns of one name", tmp_path / "c.parquet")


def test_not_a_table(write: Callable[..., Path], tmp_path: Path) -> None:
    garbage = bytes(range(256)) * 20
    refused(DataError, "it is binary and not a table", write("a.bin", garbage))
    refused(DataError, "it is binary and not a table", write("a.csv", garbage))
    refused(DataError, "called Parquet but is not", write("a.parquet", garbage))
    refused(DataError, "called Arrow IPC but is not", write("a.arrow", garbage))
    refused(DataError, "UTF-16", write("b.csv", "x\n1\n".encode("utf-16")))
    refused(DataError, "one JSON array", write("a.json", '[{"x": 1}]'))
    refused(DataError, "cannot read", write("b.ndjson", "not json\n"))
    refused(DataError, "more fields than its first line", write("c.csv", "x,y\n1,2\n3,4,5\n"))
    FRAME.write_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    refused(DataError, "ends too early", write("cut.parquet", whole[:-20]))
    refused(DataError, "cannot read", write("holed.parquet", whole[:40] + b"?" * 400 + whole[440:]))
    packed = gzip.compress(b"x,y\n" + b"".join(b"%d,%d\n" % (i, i * 7919 % 1009) for i in range(100_000)))
    refused(DataError, "ends too early", write("cut.csv.gz", packed[: len(packed) // 2]))
    refused(DataError, "cannot read", write("bad.csv.gz", packed[:10] + garbage))


def test_nothing_there(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("readings.csv", "x\n1\n")
    refused(DataError, ("no such file", "did you mean 'readings.csv'?"), tmp_path / "reading.csv")
    refused(DataError, ("no such file", "there is no folder"), tmp_path / "nowhere" / "a.csv")
    refused(EmptyDataError, "no file matches", f"{tmp_path}/*.parquet")
    (tmp_path / "empty").mkdir()
    refused(EmptyDataError, "no CSV, Parquet, Arrow or NDJSON file in", tmp_path / "empty")
    refused(DataError, "no such file", f"file://{path}.gone")


def test_mixed_folders(write: Callable[..., Path], tmp_path: Path) -> None:
    write("d/a.csv", "x\n1\n")
    FRAME.write_parquet(tmp_path / "d" / "b.parquet")
    refused(DataError, ("several formats", "1 CSV and 1 Parquet", "*.csv"), tmp_path / "d")
    write("e/a/p1.csv", "x\n1\n")
    write("e/b/p1.csv.gz", gzip.compress(b"x\n1\n"))
    refused(DataError, ("would both be asset 'p1'", "rename"), tmp_path / "e", Columns(key="@file"))
    refused(ColumnError, "key '@file' needs files", FRAME, Columns(key="@file"))


def test_schemas_differ(write: Callable[..., Path], tmp_path: Path) -> None:
    write("d/a.csv", "x,y\n1,2\n")
    write("d/b.csv", "x,z\n1,2\n")
    refused(ColumnError, ("b.csv has no column 'y', which", "a.csv has"), tmp_path / "d")
    write("e/a.csv", "x,y\n1,2\n")
    write("e/b.csv", "x,y,z\n1,2,3\n")
    refused(ColumnError, "b.csv has a column 'z', which", tmp_path / "e")
    write("f/a.csv", "x,y\n1,2\n")
    write("f/b.csv", "y,x\n1,2\n")
    refused(ColumnError, "in another order", tmp_path / "f")
    for folder, other in (("g", {"x": [1.5]}), ("h", {"y": [1]})):
        (tmp_path / folder).mkdir()
        pl.DataFrame({"x": [1]}).write_parquet(tmp_path / folder / "a.parquet")
        pl.DataFrame(other).write_parquet(tmp_path / folder / "b.parquet")
    refused(ColumnError, ("column 'x' is float64 in", "but int64 in", "b.parquet"), tmp_path / "g")
    refused(ColumnError, "b.parquet has no column 'x', which", tmp_path / "h")


def test_unreadable_permission(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("a.csv", "x\n1\n")
    if os.geteuid():
        path.chmod(0)
    else:  # the superuser may read everything
        opened = Path.open

        def denied(self: Path, *args: Any, **options: Any) -> Any:
            if self == path:
                raise PermissionError(13, "Permission denied")
            return opened(self, *args, **options)

        monkeypatch.setattr(Path, "open", denied)
    refused(DataError, ("permission denied", "a.csv"), path)


def test_not_a_source() -> None:
    refused(ParameterError, "not from int", 3)
    refused(ParameterError, "put it into a data frame", FRAME["power"].to_numpy())


def test_features_missing_at_scoring() -> None:
    parts = "2 of the 2 features of this fleet are no column here", "'powr' (did you mean 'power'?)", "'flow'"
    refused(ColumnError, parts, FRAME, Columns(key="turbine_id"), expect=["powr", "flow"])
    refused(ColumnError, "column 'site' is text", FRAME, expect=["site"])


def test_features_extra_and_reordered_at_scoring() -> None:
    frame = pl.DataFrame({"k": ["a"], "y": [1.0], "extra": [2.0], "x": [3.0]})
    readings = open_readings(frame, Columns(key="k", features=("nothing*",)), expect=["x", "y"])
    (panel,) = readings.panels()
    assert panel.features == ("x", "y")
    assert panel.values.tolist() == [[3.0], [1.0]]
    assert readings.left_out == {"k": "key", "extra": "no feature of this fleet"}
    assert readings.notes.lines() == ["1 column is no feature of this fleet and ignored: extra"]


def test_skipped_rows_are_counted() -> None:
    frame = pl.DataFrame(
        {
            "k": ["a", None, "a", "b", "a", "a"],
            "t": ["2020-01-02", "2020-01-01", "2020-01-01", "soon", "2020-01-02", None],
            "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        }
    )
    readings = open_readings(frame, Columns(key="k", time="t"))
    (panel,) = readings.panels()
    assert panel.values.tolist() == [[3.0, 1.0, 5.0]]
    assert readings.notes.lines() == [
        "1 row without a key skipped",
        "2 rows skipped whose time is missing or cannot be read, such as 'soon'",
        "1 row came before an earlier reading of the same asset; sorted by time",
        "1 row with the time of another row of the same asset kept, in the order of the input",
    ]


def test_blank_lines_are_no_rows(write: Callable[..., Path]) -> None:
    readings = open_readings(write("a.csv", "x,y\n1,2\n\n3,\n\n"), Columns())
    (panel,) = readings.panels()
    assert panel.n_rows == 2
    assert readings.notes.lines() == ["2 blank rows skipped"]


def test_files_left_out_are_named(write: Callable[..., Path], tmp_path: Path) -> None:
    write("d/a.csv", "x\n1\n")
    write("d/b.csv", "")
    write("d/README.md", "about")
    readings = open_readings(tmp_path / "d", Columns())
    assert readings.notes.lines() == [f"2 files in {tmp_path / 'd'} left out: b.csv (empty), README.md"]
