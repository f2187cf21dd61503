"""What is found in one long series is what the detectors and STL say of the whole, however it is cut."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin import MAD, ZScore, detect, mstl, stl
from tocsin.errors import ColumnError, EmptyDataError, OutputError, ParameterError, TocsinError
from tocsin.fleet import decomposing
from tocsin.tables import drafts
from tocsin.tables.results import _Ndjson

N = 30_000


def series(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    steps = np.arange(N)
    x = 50 + rng.normal(size=N) + 4 * np.sin(steps * 2 * np.pi / 12) + 2 * np.sin(steps * 2 * np.pi / 70)
    x[[100, 9_000, 9_001, 29_990]] += [30, -30, -25, 40]
    x[20_000:20_040] = np.nan
    return x.astype(dtype)


def robust_z(resid):
    return MAD().fit(resid.reshape(-1, 1)).decision_function(resid.reshape(-1, 1))


def expected(x, method):
    """Return all scores of a series by the definition."""
    if method in ("zscore", "mad"):
        detector = ZScore() if method == "zscore" else MAD()
        return detector.fit(x[:, None]).decision_function(x[:, None])
    parts = stl(x, 12) if method == "stl" else mstl(x, (12, 70))
    return robust_z(parts.resid)


PERIODS = {"zscore": None, "mad": None, "stl": 12, "mstl": (12, 70)}


@pytest.fixture(scope="module")
def scores():
    return {method: expected(series(), method) for method in PERIODS}


@pytest.mark.parametrize("method", PERIODS)
def test_scores_are_those_of_the_whole(method, scores):
    x = series()
    result = detect(x, method, period=PERIODS[method], threshold=3.0)
    rows = np.flatnonzero(scores[method] > 3.0)
    found = result.found
    assert found["index"].to_list() == rows.tolist()
    assert {100, 9_000, 9_001, 29_990} <= set(rows)
    exact = {"rtol": 1e-15} if method in ("zscore", "mad") else {"rtol": 1e-8}
    np.testing.assert_allclose(found["score"], scores[method][rows], **exact)
    np.testing.assert_array_equal(found["value"], x[rows])
    gap = found["value"] - found["expected"]
    np.testing.assert_allclose(gap.abs() / result.scale, found["score"], rtol=1e-9)
    assert (found["direction"] == pl.Series(gap > 0).replace_strict({True: "above", False: "below"})).all()
    assert (result.length, result.missing, result.count) == (N, 40, len(rows))


@settings(max_examples=15)
@given(st.integers(1, 40_000), st.integers(1, 3), st.sampled_from(list(PERIODS)), st.booleans())
def test_neither_chunks_nor_threads_change_what_is_found(chunk, threads, method, single):
    x = series(np.float32 if single else np.float64)
    one = detect(x, method, period=PERIODS[method], threshold=3.0)
    other = detect(x, method, period=PERIODS[method], threshold=3.0, chunk=chunk, threads=threads)
    assert other.found["index"].equals(one.found["index"])
    if method in ("zscore", "mad"):
        assert other.found.equals(one.found)
    else:
        rtol = 1e-5 if single else 1e-9
        np.testing.assert_allclose(other.found["score"], one.found["score"], rtol=rtol)
        assert other.scale == pytest.approx(one.scale, rel=rtol)


@pytest.mark.parametrize("how", [{"robust": True}, {"parameters": {"outer_iter": 2}}])
def test_chunks_do_not_change_what_a_robust_fit_finds(how):
    rng = np.random.default_rng(3)
    x = 4 * np.sin(np.arange(80_000) * 2 * np.pi / 24) + rng.standard_t(3, 80_000)
    one, other = (detect(x, period=24, threshold=3.0, chunk=chunk, **how) for chunk in (None, 4096))
    assert one.found.equals(other.found)
    assert one.scale == other.scale


@pytest.mark.parametrize("method", ["stl", "mstl"])
def test_the_period_is_found_and_said(method, monkeypatch):
    x = series()
    result = detect(x, method)
    assert result.period_found
    assert result.periods == ((12,) if method == "stl" else (12, 70))
    assert {100, 9_000, 9_001, 29_990} <= set(result.found["index"])
    assert result.notes == []
    monkeypatch.setattr(decomposing, "LOOKED_AT", 5_000)
    assert detect(x, method).notes == ["the period was looked for in the first 5,000 samples"]
    given = detect(x, method, period=result.periods)
    assert not given.period_found


def test_what_is_set_aside_changes_nothing(monkeypatch, tmp_path):
    before = detect(series(), period=12)
    monkeypatch.setattr(drafts, "IN_MEMORY", 1_000)
    after = detect(series(), period=12, tmp=tmp_path)
    assert after.found.equals(before.found)
    assert str(tmp_path) in after.notes[0]
    assert not list(tmp_path.iterdir())


def test_robust_fits_are_not_bent():
    x = series()[:3_000]
    plain, robust = (detect(x, period=12, robust=robust).found for robust in (False, True))
    assert {88, 100, 112} <= set(plain["index"])  # the spike has bent the cycles before and after it
    assert {88, 100, 112} & set(robust["index"]) == {100}
    bent, straight = (found.filter(index=100)["expected"].item() for found in (plain, robust))
    assert straight == pytest.approx(x[100] - 30, abs=3)
    assert bent > straight + 5


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "arrow"])
def test_all_that_is_found_goes_into_a_file(tmp_path, suffix):
    result = detect(series(), "mad", threshold=2.0, out=tmp_path / f"found.{suffix}", most=10, chunk=4096)
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson, "arrow": pl.read_ipc}[suffix]
    found = read(tmp_path / f"found.{suffix}")
    whole = detect(series(), "mad", threshold=2.0)
    assert found["index"].equals(whole.found["index"])
    np.testing.assert_allclose(found["score"], whole.found["score"])
    assert result.count == found.height > 10
    assert result.found.equals(whole.found.sort("score", "index", descending=[True, False]).head(10).sort("index"))
    assert "10 with the highest scores are kept" in result.notes[-1]


@pytest.mark.parametrize("method", ["stl", "mstl"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_decomposition_in_a_file(tmp_path, method, dtype):
    x = series(dtype)
    parts = stl(x, 12) if method == "stl" else mstl(x, (12, 70))
    names = ["trend", "seasonal", "resid"] if method == "stl" else ["trend", "seasonal_12", "seasonal_70", "resid"]
    whole = np.vstack([parts.trend, parts.seasonal, parts.resid])
    for name in ("parts.npy", "parts.parquet"):
        detect(x, method, period=PERIODS[method], decomposition=tmp_path / name, chunk=4096)
    table = pl.read_parquet(tmp_path / "parts.parquet")
    assert table.columns == names
    for got in (np.load(tmp_path / "parts.npy").T, table.to_numpy().T):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, whole, rtol=0, atol=1e-9 if dtype == np.float64 else 1e-5)


def test_a_series_without_noise_has_only_rounding_left():
    x = np.sin(np.arange(5_000) * 2 * np.pi / 24)
    assert detect(x, period=24).count == 0
    assert detect(x.astype(np.float32), period=24).count == 0


@pytest.mark.parametrize("value", [0.0, 7.3, 1e300])
@pytest.mark.parametrize("method", ["zscore", "mad", "stl"])
def test_a_constant_series_holds_nothing_strange(method, value):
    if value == 1e300 and method == "stl":
        value = 1e100
    result = detect(np.full(500, value), method, period=PERIODS[method])
    assert result.count == 0
    assert "the series is constant" in result.notes[-1]


def test_what_differs_from_a_series_that_is_else_constant():
    x = np.zeros(5_000)
    x[7] = 1e-3
    for method in ("zscore", "mad"):
        assert detect(x, method).found["index"].to_list() == [7]


def test_missing_values():
    with pytest.raises(EmptyDataError, match="all 500 samples of the series are missing"):
        detect(np.full(500, np.nan), "mad")
    x = series()
    x[::2] = np.nan
    result = detect(x, "zscore")
    assert result.missing == np.isnan(x).sum()
    assert result.center == pytest.approx(np.nanmean(x), rel=1e-12)


def test_infinite_values():
    x = series()
    x[[5_000, 6_000]] = np.inf, -np.inf
    with pytest.raises(TocsinError, match=r"2 infinite values, the first at index 5,000; infinite='missing'"):
        detect(x, "mad")
    x[:] = np.inf
    with pytest.raises(TocsinError, match=r"30,000 infinite values, the first at index 0"):
        detect(x, "mad")
    x = series()
    x[5_000] = np.inf
    taken = detect(x, "mad", infinite="missing")
    x[5_000] = np.nan
    assert taken.found.equals(detect(x, "mad").found)
    with pytest.raises(TocsinError, match="squares overflow; scale them down"):
        detect(np.array([1e200, -1e200]), "mad")


def test_what_is_common_is_not_strange():
    assert detect(series(), "mad", threshold=0.5).notes == [
        "63% of the samples were found, too many to be strange; raise threshold or take another method"
    ]


def test_incidents_gather_what_lies_together():
    result = detect(series(), "mad", threshold=5.0)
    incidents = result.incidents()
    assert incidents.select("start", "end", "samples", "index").rows() == [
        (29_990, 29_990, 1, 29_990),
        (100, 100, 1, 100),
        (9_000, 9_001, 2, 9_000),
    ]
    assert result.incidents(quiet=N).height == 1
    assert detect(np.zeros(50), "mad").incidents().is_empty()


def test_tables_and_progress(tmp_path):
    told = []
    pl.DataFrame({"at": ["x"] * N, "flow": series(), "heat": series()}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(ColumnError, match="several numeric columns: 'flow', 'heat'"):
        detect(tmp_path / "x.parquet")
    result = detect(
        tmp_path / "x.parquet", period=12, column="flow", chunk=4096, progress=lambda *now: told.append(now)
    )
    assert result.column == "flow"
    assert told == sorted(told)
    assert told[-1] == (N, N)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"method": "stll"}, "no method 'stll'; did you mean 'stl'"),
        ({"threshold": -1}, "threshold must be a number of scales from 0 on, such as 5, not -1"),
        ({"threshold": float("nan")}, "threshold must be"),
        ({"threshold": "5"}, "threshold must be"),
        ({"infinite": "drop"}, "infinite must be 'error' or 'missing'"),
        ({"chunk": 0}, "chunk must be a whole number of samples from 1 on, not 0"),
        ({"most": -3}, "most must be"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"threads": "2"}, "threads must be at least 1, not '2'"),
        ({"parameters": [1]}, r"parameters must be a dict, such as {'seasonal': 13}, not \[1\]"),
        ({"period": "12"}, "period must be a whole number, not '12'"),
        ({"method": "mstl", "period": (12, "a")}, "period must be a whole number, not 'a'"),
        ({"method": "mstl", "period": (12, None)}, "period must be a whole number, not None"),
        ({"method": "mad", "period": 12}, "method 'mad' knows no seasons; take 'stl'"),
        ({"method": "zscore", "decomposition": "x.npy"}, "knows no seasons"),
        ({"period": (12, 70)}, "method 'stl' takes one period, not 2; take method='mstl'"),
        ({"period": 1}, "period must be a whole number of at least 2, not 1"),
        ({"period": -7}, "period must be a whole number of at least 2, not -7"),
        ({"period": 12.5}, "period must be a whole number"),
        ({"period": 15_001}, "period 15001 is longer than half the series of 30000 values"),
        ({"period": 10**30}, "period must be at most 2147483647"),
        ({"method": "mstl", "period": (12, 15_001)}, "period 15001 is not less than half the series"),
        ({"period": 12, "parameters": {"seasonal": 8}}, "seasonal must be odd, not 8"),
        ({"period": 12, "parameters": {"sesonal": 9}}, "stl has no parameter 'sesonal'; did you mean 'seasonal'"),
        ({"chunk": 10**30, "method": "mad", "column": "x"}, "column"),
    ],
)
def test_what_makes_no_sense(how, said):
    source = pl.DataFrame({"x1": series()}) if "column" in how else series()
    with pytest.raises(TocsinError, match=said):
        detect(source, **how)


def test_no_period_in_noise():
    instead = r"say period=N, samples in a season, or take method='mad' or 'zscore', which need none"
    with pytest.raises(ParameterError, match=f"no period was found in 2,000 samples; {instead}"):
        detect(np.random.default_rng(0).normal(size=2_000))
    for few in ([7.5], np.full(900, 7.5)):
        with pytest.raises(ParameterError, match=f"no period was found: the series is constant at 7.5; {instead}"):
            detect(few)


def test_a_period_in_any_type_of_number():
    x = series()[:3_000]
    given = detect(x, period=12)
    for period in (np.int8(12), np.array([12], np.uint8), [12]):
        assert detect(x, period=period).periods == (12,)
        assert detect(x, period=period).found.equals(given.found)


def test_the_period_is_looked_for_where_the_series_begins(monkeypatch):
    monkeypatch.setattr(decomposing, "LOOKED_AT", 5_000)
    result = detect(np.concatenate([np.full(7_001, np.nan), series()]))
    assert result.periods == (12,)
    assert result.notes == ["the period was looked for in the 5,000 samples from index 7,001 on"]


@pytest.mark.parametrize("name", ["out", "decomposition"])
def test_targets_that_cannot_be_written(tmp_path, name):
    for path, said in (
        (tmp_path / "no" / "x.parquet", "there is no folder"),
        (tmp_path / "x.docx", "no format ends in"),
    ):
        with pytest.raises(OutputError, match=said):
            detect(series(), period=12, **{name: path})
    (tmp_path / "x.npy").write_bytes(b"before")
    with pytest.raises(ParameterError, match="longer than half"):
        detect(series(), period=N, **{name: tmp_path / ("x.npy" if name == "decomposition" else "x.csv")})
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_text_does_not_go_into_numbers(tmp_path):
    with pytest.raises(OutputError, match="an array holds fractional numbers only, not column 'index'"):
        detect(series(), "mad", out=tmp_path / "found.npy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("decomposition", [None, "parts.npy"])
def test_what_cannot_hold_the_result_is_told_before_any_work(tmp_path, decomposition):
    parts = None if decomposition is None else tmp_path / decomposition
    told = []
    with pytest.raises(OutputError, match="not column 'index'"):
        detect(
            series(),
            period=12,
            threshold=1000,
            out=tmp_path / "found.npy",
            decomposition=parts,
            progress=lambda *now: told.append(now),
        )
    assert told == []
    assert not list(tmp_path.iterdir())


def test_a_failure_at_the_end_of_one_file_leaves_neither(tmp_path, monkeypatch):
    monkeypatch.setattr(_Ndjson, "close", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OutputError, match=r"cannot write .*found.ndjson: no space left"):
        detect(series(), period=12, out=tmp_path / "found.ndjson", decomposition=tmp_path / "parts.npy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("x.npy", "decomposition"),
        ("x.parquet", "out"),
        ("x.arrow", "decomposition"),
        ("x.csv", "out"),
        ("x*.csv", "decomposition"),
    ],
)
def test_the_series_is_not_replaced(tmp_path, name, target):
    frame, path = pl.DataFrame({"x": series()}), tmp_path / name.replace("*", "")
    {
        ".npy": lambda: np.save(path, series()),
        ".parquet": lambda: frame.write_parquet(path),
        ".arrow": lambda: frame.write_ipc(path),
        ".csv": lambda: frame.write_csv(path),
    }[path.suffix]()
    (tmp_path / "link").symlink_to(tmp_path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="it is the series that is read; name another file"):
        detect(tmp_path / name, period=12, **{target: tmp_path / "link" / path.name})
    assert path.read_bytes() == before


def test_two_results_do_not_go_into_one_file(tmp_path):
    one = tmp_path / "one.parquet"
    with pytest.raises(OutputError, match=r"one\.parquet: what is found goes there; name another file"):
        detect(series(), period=12, out=one, decomposition=one)
    assert not list(tmp_path.iterdir())


FULL = """
import resource, signal, sys
import numpy as np
from tocsin import detect
from tocsin.errors import OutputError
from tocsin.tables import drafts
drafts.IN_MEMORY = int(sys.argv[3])
x = np.random.default_rng(0).normal(size=100_000)
detect(x, period=12)  # compiled kernels are written to disk, too
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    detect(x, period=12, threshold=0.0, **{sys.argv[1]: sys.argv[2]}, chunk=4096)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "file", "memory", "said"),
    [
        ("out", "found.parquet", 1 << 30, "cannot write {path}: file too large; nothing was left behind"),
        ("decomposition", "parts.npy", 1 << 30, "cannot write {path}: file too large; nothing was left behind"),
        ("tmp", "", 1_000, "cannot set readings aside in {path}: File too large; give tmp a folder with room"),
    ],
)
def test_a_disk_that_is_full_half_way(tmp_path, name, file, memory, said):
    path = tmp_path / file
    command = [sys.executable, "-c", FULL, name, str(path), str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (said.format(path=path) + "\n", "")
    assert not list(tmp_path.iterdir())


USED = """
import json, pathlib, sys
from tocsin import detect
detect(sys.argv[1], sys.argv[2], period=json.loads(sys.argv[3]))
status = pathlib.Path("/proc/self/status").read_text()  # getrusage would count what the parent had
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory was used")
@pytest.mark.parametrize(("method", "period"), [("zscore", "null"), ("mad", "null"), ("stl", "50")])
def test_memory_does_not_grow_with_the_series(tmp_path, method, period):
    def used(length: int) -> int:
        x = np.resize(np.random.default_rng(0).standard_normal(1_000_000, dtype=np.float32), length)
        np.save(tmp_path / "x.npy", x)
        command = [sys.executable, "-c", USED, str(tmp_path / "x.npy"), method, period]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    few, many = used(5_000_000), used(25_000_000)
    assert many - few < 50e6  # the longer series takes 80 MB more
    assert many < 1e9


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("realKnownCause/nyc_taxi.csv", 8_834),  # the night of the New Year, against the weeks before
        ("realKnownCause/ambient_temperature_system_failure.csv", 780),
        ("artificialWithAnomaly/art_daily_flatmiddle.csv", 3_147),
    ],
)
def test_real_series(need, name, index):
    worst = detect(need("nab/data") / Path(name)).incidents().row(0, named=True)
    assert worst["index"] == index
