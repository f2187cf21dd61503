"""Small folders that look like the benchmarks'."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

START = pl.datetime(2026, 1, 1)


def times(rows: int) -> pl.Series:
    return pl.select(pl.datetime_range(START, START + pl.duration(minutes=rows - 1), "1m")).to_series()


def skab(root: Path, files: int = 3) -> None:
    rng = np.random.default_rng(0)
    for folder, names in (("valve1", range(files)), ("anomaly-free", [0])):
        (root / folder).mkdir(parents=True)
        for name in names:
            labels = (np.arange(600) >= 500).astype(float)
            frame = pl.DataFrame(
                {"datetime": times(600), "flow": rng.normal(size=600) + 6 * labels, "heat": rng.random(600)}
            )
            if folder != "anomaly-free":
                frame = frame.with_columns(anomaly=labels, changepoint=0.0)
            frame.write_csv(root / folder / f"{name}.csv", separator=";")


def nab(root: Path) -> None:
    rng = np.random.default_rng(1)
    windows = {}
    for folder, name, rows in (("real", "a", 400), ("real", "b", 300), ("quiet", "c", 200)):
        path = root / "data" / folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        value, at = rng.normal(size=rows), times(rows)
        value[rows // 2 : rows // 2 + 5] += 20 * (folder == "real")
        pl.DataFrame({"timestamp": at.dt.strftime("%Y-%m-%d %H:%M:%S"), "value": value}).write_csv(path)
        ends = at[rows // 2 - 5], at[rows // 2 + 10]
        windows[f"{folder}/{name}.csv"] = [[f"{end}.000000" for end in ends]] if folder == "real" else []
    (root / "labels").mkdir()
    (root / "labels" / "combined_windows.json").write_text(json.dumps(windows))


def ucr(root: Path) -> None:
    rng = np.random.default_rng(2)
    rows = ["index,file,train_end,length,name,anomaly_start,anomaly_end"]
    for index, start in ((4, 700), (5, 900), (12, 650)):
        x = rng.normal(size=1000).astype(np.float32)
        x[start - 1 : start + 9] += 30
        np.savez(root / f"{index:03d}.npz", x=x)
        rows.append(f"{index},{index:03d}_UCR_Anomaly_500.txt,500,1000,made up,{start}.0,{start + 9}.0")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")


def adbench(root: Path) -> None:
    rng = np.random.default_rng(3)
    for name, rows, width in (("2_few", 150, 3), ("10_many", 1200, 4)):
        y = (np.arange(rows) % 10 == 0).astype(int)
        np.savez(root / f"{name}.npz", X=rng.normal(size=(rows, width)) + 4 * y[:, None], y=y)


def tep(root: Path) -> None:
    rng = np.random.default_rng(4)
    np.savetxt(root / "d00.dat", rng.normal(size=(52, 300)))
    for fault in (0, 1, 4):
        values = rng.normal(size=(240, 52))
        values[160:, 3] += 8 * (fault > 0)
        np.savetxt(root / f"d{fault:02d}_te.dat", values)


def msl(root: Path) -> None:
    rng = np.random.default_rng(5)
    rows = []
    for channel, spans in (("M-1", [[100, 150]]), ("T-12", [[50, 60], [200, 230]])):
        train, test = rng.normal(size=(2, 300, 3)).astype(np.float32)
        for first, last in spans:
            test[first : last + 1, 0] += 9
        np.savez(root / f"{channel}.npz", train=train, test=test)
        rows.append((channel, "MSL", json.dumps(spans), "[point]", 300))
    names = ["chan_id", "spacecraft", "anomaly_sequences", "class", "num_values"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(root / "labeled_anomalies.csv")


WRITERS: dict[str, Callable[[Path], None]] = {
    "adbench": adbench, "msl": msl, "nab": nab, "skab": skab, "tep": tep, "ucr": ucr,
}  # fmt: skip
