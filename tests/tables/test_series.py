"""A series reads the same from any format, and what cannot be one says what to do."""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import ColumnError, DataError, EmptyDataError, OutputError, ParameterError, TocsinError
from tocsin.tables import drafts
from tocsin.tables import series as module
from tocsin.tables.series import open_series

X = np.random.default_rng(0).normal(size=5000).astype(np.float32)


def whole(source, **how):
    with open_series(source, **how) as series:
        return series.read(0, len(series))


@pytest.fixture
def path(tmp_path):
    """Return a file of each format that holds `X`."""
    frame = pl.DataFrame({"at": [f"t{i}" for i in range(len(X))], "flow": X})
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "column.npy", X[:, None])
    np.save(tmp_path / "fortran.npy", np.asfortranarray(X[:, None]))
    np.save(tmp_path / "swapped.npy", X.astype(">f4"))
    X.tofile(tmp_path / "x.f32")
    X.astype(np.float64).tofile(tmp_path / "x.f64")
    X.tofile(tmp_path / "x.bin")
    frame.write_parquet(tmp_path / "x.parquet", row_group_size=700)
    frame.write_csv(tmp_path / "x.csv")
    frame.write_ndjson(tmp_path / "x.ndjson")
    frame.write_ipc(tmp_path / "x.arrow", compression="uncompressed", record_batch_size=600)
    frame.write_ipc(tmp_path / "packed.arrow", compression="zstd")
    return lambda name: tmp_path / name


FILES = [
    "x.npy", "column.npy", "fortran.npy", "swapped.npy", "x.f32", "x.f64", "x.bin", "x.parquet", "x.csv", "x.ndjson",
    "x.arrow", "packed.arrow",
]  # fmt: skip


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_every_format_reads_alike_in_any_slice(path, name, staged, monkeypatch):
    if staged:
        monkeypatch.setattr(drafts, "IN_MEMORY", 1000)
        monkeypatch.setattr(module, "_BATCH_ROWS", 450)
    with open_series(path(name), dtype="float32" if name.endswith(".bin") else None) as series:
        assert len(series) == len(X)
        assert series.dtype == (np.float64 if name.endswith((".f64", ".csv", ".ndjson")) else np.float32)
        for start, stop in ((0, len(X)), (599, 601), (600, 1200), (1, 4999), (4999, 5000), (7, 7)):
            values = series.read(start, stop)
            assert values.dtype == series.dtype
            np.testing.assert_array_equal(values.astype(np.float32), X[start:stop])
            values[:] = 0.0
        np.testing.assert_array_equal(series.read(0, 3).astype(np.float32), X[:3])
        decoded = name in ("x.parquet", "x.csv", "x.ndjson", "packed.arrow")
        assert bool(series.remarks) == (staged and decoded)
    assert not list(path(".").glob("tocsin-*"))


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=2), st.integers(1, 5000))
def test_arrow_runs_lie_where_they_are_said_to(tmp_path_factory, ends, rows):
    file = tmp_path_factory.mktemp("runs") / "x.arrow"
    pl.DataFrame({"a": X}).write_ipc(file, record_batch_size=rows)
    with open_series(file) as series:
        np.testing.assert_array_equal(series.read(min(ends), max(ends)), X[min(ends) : max(ends)])


@pytest.mark.parametrize(
    "make", [list, np.asarray, pl.Series, lambda x: pl.Series(x).to_pandas(), lambda x: x[None, :]]
)
def test_arrays_and_series(make):
    np.testing.assert_array_equal(whole(make(X)), X)


def test_data_frames_and_missing_values():
    frame = pl.DataFrame({"a": [1.0, None, 3.0], "b": [1, 2, None], "c": ["x", "y", "z"]})
    np.testing.assert_array_equal(whole(frame, column="a"), [1, np.nan, 3])
    np.testing.assert_array_equal(whole(frame.to_pandas(), column="b"), [1, 2, np.nan])
    np.testing.assert_array_equal(whole(frame.select("c", "b")), [1, 2, np.nan])
    np.testing.assert_array_equal(whole([1, None, 3]), [1, np.nan, 3])
    np.testing.assert_array_equal(whole([True, False]), [1, 0])


def test_missing_values_in_arrow_files_are_decoded(tmp_path):
    pl.DataFrame({"a": [1.0, None, 3.0]}).write_ipc(tmp_path / "x.arrow")
    np.testing.assert_array_equal(whole(tmp_path / "x.arrow"), [1, np.nan, 3])


def test_infinite_values_can_be_taken_as_missing():
    with open_series([1.0, np.inf, -np.inf]) as series:
        assert np.isinf(series.read(0, 3)).sum() == 2
        np.testing.assert_array_equal(series.without_infinite().read(0, 3), [1, np.nan, np.nan])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros(5, complex), "holds complex128, not real numbers; save its real part"),
        (np.array(["a", "b"]), "not real numbers"),
        (np.zeros(3, "M8[s]"), "not real numbers; give numbers"),
        (np.zeros(3, [("a", "f4"), ("b", "f4")]), "save one of its fields"),
        (np.zeros((5, 2)), r"shape \(5, 2\), which is not one series; take one of its columns"),
        (np.zeros((5, 1, 1)), "give one dimension"),
        (np.zeros(()), "give one dimension"),
        (np.zeros(3, np.longdouble), "save it as float64"),
    ],
)
def test_arrays_that_are_no_series(tmp_path, values, said):
    np.save(tmp_path / "x.npy", values)
    for source in (tmp_path / "x.npy", values):
        with pytest.raises(DataError, match=said):
            whole(source)


def test_no_samples(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(0))
    (tmp_path / "x.f32").write_bytes(b"")
    pl.DataFrame({"a": []}, schema={"a": pl.Float64}).write_parquet(tmp_path / "x.parquet")
    for name in ("x.npy", "x.f32", "x.parquet"):
        with pytest.raises(EmptyDataError, match="no samples"):
            whole(tmp_path / name)
    with pytest.raises(EmptyDataError, match="no samples"):
        whole([])


def test_pickled_objects_are_never_opened(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1, None], object), allow_pickle=True)
    with pytest.raises(DataError, match="pickled Python objects, which are never opened"):
        whole(tmp_path / "x.npy")


def test_damaged_and_wrong_files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "short.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    (tmp_path / "text.npy").write_text("1,2,3")
    np.savez(tmp_path / "x.npz", x=X)
    (tmp_path / "x.f32").write_bytes(b"123456")
    (tmp_path / "folder.npy").mkdir()
    for name, said in (
        ("short.npy", "ends too early"),
        ("text.npy", "is called .npy but is not"),
        ("x.npz", "bundles several arrays; save one with np.save"),
        ("x.f32", "6 bytes, which is no whole number of 4-byte float32 values"),
        ("folder.npy", "it is a folder"),
        ("y.npy", r"no such file: .*y.npy; did you mean 'x.npy'"),
        ("y.f32", r"no such file: .*y.f32; did you mean 'x.f32'"),
        ("z.csv", "no such file"),
    ):
        with pytest.raises(TocsinError, match=said):
            whole(tmp_path / name)


def test_a_file_that_shrinks_or_may_not_be_read(tmp_path, monkeypatch):
    X.tofile(tmp_path / "x.f32")
    with open_series(tmp_path / "x.f32") as series:
        os.truncate(tmp_path / "x.f32", 100)
        with pytest.raises(DataError, match="cut short while it was read"):
            series.read(0, 5000)

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(DataError, match="permission denied"):
        whole(tmp_path / "x.f32")


def test_what_raw_files_hold_must_be_said_and_make_sense(tmp_path):
    X.tofile(tmp_path / "x.raw")
    np.save(tmp_path / "x.npy", X)
    np.arange(100, dtype=">i2").tofile(tmp_path / "x.dump")
    np.testing.assert_array_equal(whole(tmp_path / "x.dump", dtype=">i2"), np.arange(100))
    for name, dtype, said in (
        ("x.raw", None, "does not say what it holds; give dtype='float32'"),
        ("x.raw", "flaot32", "no dtype 'flaot32'; did you mean 'float32'"),
        ("x.raw", "complex64", "not real numbers"),
        ("x.raw", "object", "not real numbers"),
        ("x.npy", "float32", "says itself what it holds; leave dtype out"),
    ):
        with pytest.raises(TocsinError, match=said):
            whole(tmp_path / name, dtype=dtype)
    with pytest.raises(ParameterError, match="leave it out"):
        whole(X, dtype="float32")


def test_which_column(tmp_path):
    (tmp_path / "x.csv").write_text("time,flow,heat\na,1,2\nb,3,4\n")
    (tmp_path / "bare.csv").write_text("1.5\n2.5\n")
    (tmp_path / "text.csv").write_text("a,b\nx,y\n")
    (tmp_path / "mixed.csv").write_text("a\n1\n2\n3\nlost\n")
    np.save(tmp_path / "x.npy", X)
    for name, how, said in (
        ("x.csv", {}, "several numeric columns: 'flow', 'heat'; name one with column="),
        ("x.csv", {"column": "flwo"}, "no column 'flwo' for the series; did you mean 'flow'"),
        ("x.csv", {"column": "time"}, "column 'time' is text; name a numeric one"),
        ("bare.csv", {}, "the first line of .* is the number 1.5: say header=False"),
        ("text.csv", {}, "has no numeric column; there are: a, b"),
        ("mixed.csv", {}, "holds numbers and text, such as 'lost'"),
    ):
        with pytest.raises(ColumnError, match=said):
            whole(tmp_path / name, **how)
    assert whole(tmp_path / "bare.csv", header=False).tolist() == [1.5, 2.5]
    assert whole(tmp_path / "bare.csv", column="1.5").tolist() == [2.5]
    with pytest.raises(ParameterError, match="is no table; leave column out"):
        whole(tmp_path / "x.npy", column="a")


def test_no_room_to_set_numbers_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(drafts, "IN_MEMORY", 100)
    pl.DataFrame({"a": X}).write_csv(tmp_path / "x.csv")
    with pytest.raises(OutputError, match="cannot set readings aside"):
        whole(tmp_path / "x.csv", tmp=tmp_path / "nowhere")


def test_masked_samples_are_missing():
    with open_series(np.ma.array([1, 2, 3], mask=[False, True, False])) as series:
        np.testing.assert_array_equal(series.read(0, 3), [1, np.nan, 3])
