"""A result file is whole or not there, in every format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tocsin.errors import OutputError
from tocsin.tables import ResultWriter

EXPLANATION = pa.list_(pa.struct({"feature": pa.string(), "value": pa.float64()}))
SCHEMA = pa.schema({"key": pa.string(), "score": pa.float64(), "why": EXPLANATION})
TABLE = pa.table(
    {"key": ["a", "b"], "score": [1.5, 2.0], "why": [[{"feature": "x", "value": 1.0}], None]}, schema=SCHEMA
)
SUFFIXES = ["parquet", "arrow", "feather", "ipc", "ndjson", "jsonl", "csv"]


def read(path: Path) -> pl.DataFrame:
    readers = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson, "jsonl": pl.read_ndjson}
    reader = readers.get(path.suffix[1:])
    return reader(path) if reader else pl.read_ipc(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_can_be_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores.{suffix}"
    with ResultWriter(str(path)) as out:
        out.write(TABLE)
        out.write(TABLE.to_batches()[0])
    frame = read(path)
    assert frame["key"].to_list() == ["a", "b", "a", "b"]
    assert frame["score"].to_list() == [1.5, 2.0, 1.5, 2.0]
    why = ['[{"feature":"x","value":1.0}]', None] if suffix == "csv" else TABLE["why"].to_pylist()
    assert frame["why"].to_list() == why * 2
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_still_make_a_table(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores.{suffix}"
    with ResultWriter(path, SCHEMA):
        pass
    if suffix in ("ndjson", "jsonl"):
        assert path.read_bytes() == b""
    else:
        frame = read(path)
        assert frame.columns == SCHEMA.names
        assert frame.is_empty()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, b"kept"])
def test_a_failure_leaves_what_was_there(
    tmp_path: Path, suffix: str, failure: type[BaseException], before: bytes | None
) -> None:
    path = tmp_path / f"scores.{suffix}"
    if before is not None:
        path.write_bytes(before)

    def fail() -> None:
        with ResultWriter(path) as out:
            out.write(TABLE)
            raise failure

    with pytest.raises(failure):
        fail()
    assert [found.read_bytes() for found in tmp_path.iterdir()] == ([] if before is None else [before])


def test_bad_targets(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "a.xlsx", "no format ends in '.xlsx'"),
        (tmp_path / "a.parqet", "did you mean '.parquet'"),
        (tmp_path / "scores", "no format ends in ''"),
        (tmp_path / "no" / "a.csv", "there is no folder"),
    ):
        with pytest.raises(OutputError, match=message):
            ResultWriter(path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        ResultWriter(tmp_path / "folder.csv")


def test_unwritable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(OutputError, match="permission denied"), ResultWriter(tmp_path / "a.csv"):
        pass


def test_tables_must_agree(tmp_path: Path) -> None:
    def write(*tables: pa.Table) -> None:
        with ResultWriter(tmp_path / "a.parquet") as out:
            for table in tables:
                out.write(table)

    with pytest.raises(OutputError, match="came after"):
        write(TABLE, TABLE.drop(["why"]))
    with pytest.raises(OutputError, match="nothing to write"), ResultWriter(tmp_path / "a.parquet"):
        pass
    with pytest.raises(OutputError, match="not open"):
        ResultWriter(tmp_path / "a.parquet").write(TABLE)
    assert not list(tmp_path.iterdir())


FULL = """
import resource, signal, sys
import numpy as np, pyarrow as pa
from tocsin.errors import OutputError
from tocsin.tables import ResultWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with ResultWriter(sys.argv[1]) as out:
        for i in range(20):
            out.write(pa.table({"x": np.random.default_rng(i).random(10_000)}))
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores.{suffix}"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"cannot write {path}: file too large; nothing was left behind\n"
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("npy", "f4"), ("raw", "f4"), ("bin", "f4"), ("f32", "f4"), ("f64", "f8")]
)
def test_arrays_hold_numbers_row_by_row(tmp_path, suffix, dtype):
    x = np.arange(6, dtype=np.float32)
    for columns in ({"x": x}, {"x": x, "y": -x}):
        path = tmp_path / f"x.{suffix}"
        with ResultWriter(path) as out:
            for part in (slice(0, 4), slice(4, 6)):
                out.write(pa.table({name: values[part] for name, values in columns.items()}))
        expected = np.column_stack(list(columns.values())).squeeze()
        found = np.load(path) if suffix == "npy" else np.fromfile(path, dtype).reshape(expected.shape)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)


def test_arrays_take_no_text(tmp_path):
    with (
        pytest.raises(OutputError, match="fractional numbers only, not column 'key'"),
        ResultWriter(tmp_path / "x.npy") as out,
    ):
        out.write(pa.table({"key": ["a"], "x": [1.0]}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("types", [(pa.float32(), pa.float32()), (pa.float32(), pa.float64())])
def test_numbers_go_into_a_matrix(tmp_path: Path, types: tuple[pa.DataType, ...]) -> None:
    schema = pa.schema(list(zip(("trend", "resid"), types, strict=True)))
    table = pa.table({"trend": [1.0, 2.0, 3.0], "resid": [0.5, float("nan"), -0.5]}, schema=schema)
    with ResultWriter(tmp_path / "parts.npy") as out:
        for _ in range(400):  # the header grows from one digit to four
            out.write(table)
    matrix = np.load(tmp_path / "parts.npy", mmap_mode="r")
    assert matrix.shape == (1200, 2)
    assert matrix.dtype == np.result_type(*(each.to_pandas_dtype() for each in types))
    np.testing.assert_array_equal(matrix[-3:], [[1, 0.5], [2, np.nan], [3, -0.5]])
    with ResultWriter(tmp_path / "none.npy", schema):
        pass
    assert np.load(tmp_path / "none.npy").shape == (0, 2)
