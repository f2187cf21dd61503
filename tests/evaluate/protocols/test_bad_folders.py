"""Whatever is wrong with a benchmark's folder is told in one line that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tocsin import ECOD, TocsinError
from tocsin.errors import ParameterError
from tocsin.evaluate.protocols.catalog import protocol


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_text(content) and None


def arrays(name: str, **content: object) -> Callable[[Path], None]:
    return lambda root: np.savez(root / name, **content)


def cut(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:200]) and None


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        content = (root / name).read_text()
        assert old in content
        (root / name).write_text(content.replace(old, new))

    return change


def windows(name: str, found: object) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / "labels" / "combined_windows.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: found}))

    return change


def rows(name: str, count: int) -> Callable[[Path], None]:
    return lambda root: (
        (root / name).write_text("\n".join((root / name).read_text().split("\n")[:count]) + "\n") and None
    )


ODD = np.array([{"a": 1}], object)
T0, T1, T2 = "2026-01-01 01:00:00", "2026-01-01 01:10:00", "2026-01-01 01:20:00"

BROKEN: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "skab without labels": (
        "skab",
        replaced("valve1/1.csv", ";anomaly", ";anomly"),
        r"1.csv has no column 'anomaly'; did you mean 'anomly'",
    ),
    "skab, label 2": (
        "skab",
        replaced("valve1/1.csv", ";1.0;0.0", ";2.0;0.0"),
        r"1.csv: labels must be 0 \(normal\) or 1 \(anomalous\), not 2",
    ),
    "skab, text among features": (
        "skab",
        replaced("valve1/2.csv", "01T00:02:00.000000;", "01T00:02:00.000000;x"),
        r"column 'flow' of .*2.csv is string, not numbers",
    ),
    "skab too short": ("skab", rows("valve1/0.csv", 300), "0.csv has 299 rows, but the first 400 are for learning"),
    "skab, no time": (
        "skab",
        replaced("valve1/0.csv", "2026-01-01T00:05:00.000000;", ";"),
        "column 'datetime' of .*0.csv has a row without one",
    ),
    "skab, a row too long": (
        "skab",
        replaced("valve1/0.csv", "2026-01-01T00:05:00.000000;", "a;b;c;"),
        "a line of .*0.csv has more fields than its first line",
    ),
    "skab empty": ("skab", text("valve1/0.csv", ""), "0.csv is empty"),
    "nab without windows": (
        "nab",
        remove("labels/combined_windows.json"),
        "no labels/combined_windows.json in .*nab, which holds the windows",
    ),
    "nab, a series without windows": (
        "nab",
        replaced("labels/combined_windows.json", "real/b.csv", "real/x.csv"),
        "b.csv has no entry in combined_windows.json",
    ),
    "nab, no json": (
        "nab",
        text("labels/combined_windows.json", "{"),
        "cannot read .*combined_windows.json: it is no object of JSON",
    ),
    "nab, a list": (
        "nab",
        text("labels/combined_windows.json", "[]"),
        "cannot read .*combined_windows.json: it is no object of JSON",
    ),
    "nab, no list": ("nab", windows("real/a.csv", 3), "combined_windows.json has no list of windows of real/a.csv: 3"),
    "nab, no pair": (
        "nab",
        windows("real/a.csv", [["2026-01-01"]]),
        "a window of real/a.csv that is no pair of rising times",
    ),
    "nab, falling": (
        "nab",
        windows("real/a.csv", [[T1, T0]]),
        "a window of real/a.csv that is no pair of rising times",
    ),
    "nab, overlap": (
        "nab",
        windows("real/a.csv", [[T1, T2], [T0, "2026-01-01 01:15:00"]]),
        "windows of real/a.csv overlap: one starts at",
    ),
    "nab, nowhere": (
        "nab",
        windows("real/a.csv", [["2027-01-01 00:00:00", "2027-01-02 00:00:00"]]),
        "the window of real/a.csv from 2027-01-01 00:00:00 to .* holds none of its rows",
    ),
    "nab, no value": (
        "nab",
        replaced("data/real/a.csv", "timestamp,value", "timestamp,valeu"),
        "a.csv has no column 'value'; did you mean 'valeu'",
    ),
    "nab, no times": (
        "nab",
        replaced("data/real/a.csv", "2026-01-01 00:03:00", "three"),
        "column 'timestamp' of .*a.csv holds no dates and times",
    ),
    "nab, short": ("nab", rows("data/quiet/c.csv", 4), "c.csv has 3 rows; too few to learn from 15 % of them"),
    "ucr without labels": ("ucr", remove("labels.csv"), "no labels.csv in .*ucr, which holds where each anomaly is"),
    "ucr, wrong columns": (
        "ucr",
        replaced("labels.csv", "train_end", "train"),
        "labels.csv has no column 'train_end'; did you mean 'train'",
    ),
    "ucr, a series without label": ("ucr", arrays("013.npz", x=np.zeros(9)), "013.npz has no row in labels.csv"),
    "ucr, an odd name": ("ucr", arrays("x.npz", x=np.zeros(9)), "x.npz has no row in labels.csv"),
    "ucr, empty field": ("ucr", replaced("labels.csv", "700.0", ""), "labels.csv has an empty field in one of index"),
    "ucr, text": (
        "ucr",
        replaced("labels.csv", "700.0", "soon"),
        "column 'anomaly_start' of .*labels.csv is string, not numbers",
    ),
    "ucr, outside": (
        "ucr",
        replaced("labels.csv", "709.0", "1709.0"),
        "anomaly_end 1709 of .*004.npz, which has 1,000 rows; they must rise",
    ),
    "ucr, no array": (
        "ucr",
        arrays("004.npz", y=np.zeros(9)),
        "004.npz has no array 'x'; did you mean 'y'|there are: y",
    ),
    "ucr, cut short": ("ucr", cut("004.npz"), "cannot read .*004.npz: it is no whole .npz file of plain numbers"),
    "ucr, objects": (
        "ucr",
        arrays("004.npz", x=ODD),
        "cannot read .*004.npz: it is no whole .npz file of plain numbers",
    ),
    "ucr, a matrix": (
        "ucr",
        arrays("004.npz", x=np.zeros((9, 2))),
        r"'x' of .*004.npz is float64 of shape \(9, 2\); it must be numbers in 1 dimension$",
    ),
    "adbench, text": (
        "adbench",
        arrays("2_few.npz", X=np.array([["a"]]), y=np.zeros(1)),
        "'X' of .*2_few.npz is <U1 of shape",
    ),
    "adbench, labels 1, 2": (
        "adbench",
        arrays("2_few.npz", X=np.zeros((2, 1)), y=np.array([1, 2])),
        "2_few.npz: labels must be 0",
    ),
    "adbench, one label": (
        "adbench",
        arrays("2_few.npz", X=np.zeros((2, 1)), y=np.ones(1)),
        "2_few.npz: 2 rows need as many labels",
    ),
    "adbench, no positive": (
        "adbench",
        arrays("2_few.npz", X=np.zeros((2, 1)), y=np.zeros(2)),
        "2_few.npz has no row that y calls anomalous, 1",
    ),
    "adbench, no negative": (
        "adbench",
        arrays("2_few.npz", X=np.zeros((2, 1)), y=np.ones(2)),
        "2_few.npz has no row that y calls normal, 0",
    ),
    "adbench, no y": ("adbench", arrays("2_few.npz", X=np.zeros((2, 1))), "2_few.npz has no array 'y'"),
    "tep without training": (
        "tep",
        remove("d00.dat"),
        "no d00.dat in .*tep, which holds the fault-free run to learn from",
    ),
    "tep without test": (
        "tep",
        remove("d00_te.dat"),
        "no d00_te.dat in .*tep, which holds the fault-free run of the test",
    ),
    "tep, words": ("tep", text("d01_te.dat", "a b c\n"), "cannot read .*d01_te.dat: could not convert"),
    "tep, empty": ("tep", text("d01_te.dat", ""), "d01_te.dat has no rows"),
    "tep, too few variables": (
        "tep",
        text("d01_te.dat", "1 2\n3 4\n5 6\n"),
        "d01_te.dat is 2 by 3 numbers; a run has 52 variables|d01_te.dat is 3 by 2 numbers",
    ),
    "tep too short": ("tep", rows("d01_te.dat", 100), "d01_te.dat has 100 rows, but its fault starts after row 160"),
    "msl without labels": (
        "msl",
        remove("labeled_anomalies.csv"),
        "no labeled_anomalies.csv in .*msl, which holds where the anomalies are",
    ),
    "msl, a channel without label": (
        "msl",
        replaced("labeled_anomalies.csv", "M-1", "M-2"),
        "M-1.npz has no row in labeled_anomalies.csv",
    ),
    "msl, no pairs": (
        "msl",
        replaced("labeled_anomalies.csv", "[[100, 150]]", "[100, 150]"),
        "has anomaly_sequences of M-1 that are no pairs",
    ),
    "msl, outside": (
        "msl",
        replaced("labeled_anomalies.csv", "[[100, 150]]", "[[100, 450]]"),
        "an anomaly of M-1 from row 100 to 450, but test has 300 rows",
    ),
    "msl, no test": ("msl", arrays("M-1.npz", train=np.zeros((9, 2))), "M-1.npz has no array 'test'"),
    "msl, other columns": (
        "msl",
        arrays("M-1.npz", train=np.zeros((9, 2)), test=np.zeros((9, 3))),
        r"train of .*M-1.npz has shape \(9, 2\) and test \(9, 3\)",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_it_is_told_in_one_line(what, folder):
    name, damage, message = BROKEN[what]
    root = folder(name)
    damage(root)
    with pytest.raises(TocsinError, match=message) as told:
        list(protocol(name, root).cases())
    assert "\n" not in str(told.value)


def test_one_run_without_a_fault_is_too_few(folder):
    root = folder("tep")
    for path in root.glob("d0[14]_te.dat"):
        path.unlink()
    with pytest.raises(TocsinError, match=r"no run with a fault, such as d01_te.dat, in .*tep"):
        list(protocol("tep", root).cases())


@pytest.mark.parametrize(
    ("name", "gone", "note"),
    [
        ("ucr", "005.npz", "series of labels.csv without a file, not judged: 1"),
        ("nab", "data/real/b.csv", "series of combined_windows.json without a file, not judged: 1"),
        ("msl", "T-12.npz", "channels of labeled_anomalies.csv without a file, not judged: 1"),
    ],
)
def test_labels_without_a_file_are_noted(name, gone, note, folder):
    root = folder(name)
    whole = protocol(name, root).run(ECOD())
    (root / gone).unlink()
    part = protocol(name, root).run(ECOD())
    assert note in part.notes
    assert len(part.cases) == len(whole.cases) - 1


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adbench", {"split": "half"}, "split must be 'none' or 'paper', not 'half'"),
        ("adbench", {"seed": -1}, "seed must be a whole number of at least 0"),
        ("adbench", {"rows": 1}, "rows must be a whole number of at least 2"),
        ("adbench", {"rows": 9, "split": "paper"}, "rows has no meaning with split='paper'"),
        ("msl", {"buffer": -1}, "buffer must be a whole number of at least 0"),
        ("tep", {"false_alarms": 0.0}, "false_alarms must be above 0 and at most 0.5, not 0.0"),
    ],
)
def test_settings_that_make_no_sense_are_told(name, settings, message):
    with pytest.raises(ParameterError, match=message):
        protocol(name, **settings)


def test_a_clock_set_back_keeps_the_order_of_the_rows(folder):
    root = folder("nab")
    path = root / "data" / "real" / "a.csv"
    frame = pl.read_csv(path)
    order = [*range(200), *range(195, 200), *range(200, 395)]
    pl.DataFrame({"timestamp": frame["timestamp"][order], "value": frame["value"]}).write_csv(path)
    case = next(case for case in protocol("nab", root).cases() if case.name == "real/a")
    assert pl.concat([case.training, case.test])["value"].to_list() == frame["value"].to_list()
    assert case.test["timestamp"].is_sorted()
    assert case.labels.sum() == 16 + 5
