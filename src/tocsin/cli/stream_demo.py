"""`tocsin stream --demo`: a made-up fleet with known faults, played as a stream; which are found, and how soon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tocsin.cli import stream, view
from tocsin.cli.machine import print_json
from tocsin.cli.progress import progress
from tocsin.cli.text import count, duration
from tocsin.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console

    from tocsin.stream.session import Summary

ASSETS, SENSORS, DAYS = 12, 5, 28
READINGS_A_DAY = 144
LEARNED, FAULTY = 0.7, 0.9
MOST_ALERTS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What the demo has to show: what the stream did, and each fault with its first alert, null where it has none."""

    summary: Summary
    faults: pl.DataFrame
    outside: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything for a machine."""
        return self.summary.to_dict() | {
            "faults": self.faults.to_dicts(),
            "found": int(self.faults["first_alert"].is_not_null().sum()),
            "alerts_outside_faults": self.outside,
        }


def show(seconds: float, *, as_json: bool) -> None:
    """Play the demo, and print what came of it."""
    try:
        with TemporaryDirectory(prefix="tocsin-", ignore_cleanup_errors=True) as folder:
            shown = play(Path(folder), seconds)
    except OSError as error:
        raise OutputError(f"cannot write readings for the demo: {error.strerror or error}; set TMPDIR") from None
    if as_json:
        print_json(shown.to_dict())
    else:
        _print(view.stdout(), shown)


def play(folder: Path, seconds: float, seed: int = 0) -> Shown:
    """Make up a fleet in a folder, let it learn, and stream what comes later in so many seconds."""
    from tocsin import synth
    from tocsin.detectors.ecod import ECOD
    from tocsin.fleet.fleet import Fleet
    from tocsin.insights import ask
    from tocsin.insights.catalog import open_store
    from tocsin.stream.session import Session
    from tocsin.stream.settings import Settings

    readings, truth = synth.fleet(ASSETS, SENSORS, DAYS * READINGS_A_DAY, seed, faulty=FAULTY)
    training, later = synth.split(readings, LEARNED)
    with progress("Learning"):
        fleet = Fleet(ECOD(contamination=0.001, extrapolate=True), key="asset", time="time").fit(training)
        fleet.save(folder / "pumps")
    later.write_parquet(folder / "later.parquet")
    span = (later["time"].max() - later["time"].min()).total_seconds()  # type: ignore[operator, union-attr]
    with progress("Compiling, the first time only"):
        few = later.filter(pl.col("asset").is_in(later["asset"].unique(maintain_order=True).head(2).implode()))
        few.write_parquet(folder / "few.parquet")
        where = {"from": f"replay://{folder}/few.parquet", "store": f"lmdb://{folder}/few?sync=never"}
        with Session(Settings.load(flags={"fleet": str(folder / "pumps"), **where})) as session:
            session.run()
    replay = f"replay://{folder}/later.parquet?speed={span / seconds:g}"
    given = {"fleet": str(folder / "pumps"), "from": replay, "store": f"lmdb://{folder}/store?sync=never"}
    summary = stream.run(Settings.load(flags=given))
    store = open_store(str(folder / "store"))
    try:
        alerts = ask.alerts(store, most=MOST_ALERTS)
    finally:
        store.close()
    return Shown(summary, *_judged(truth, alerts, later["time"].max()))


def _judged(truth: pl.DataFrame, alerts: pl.DataFrame, last: Any) -> tuple[pl.DataFrame, int]:
    """Return the faults with their first alerts and causes, and how many alerts lie in no fault."""
    kind = alerts.schema["time"]
    faults = truth.with_columns(pl.col("onset", "end").dt.replace_time_zone("UTC").cast(kind)).with_row_index("fault")
    cause = pl.col("explanations").list.first().struct.field("sensor").alias("cause")
    inside = (
        alerts.sort("time")
        .select("id", "time", cause, asset="key")
        .join(faults.select("fault", "asset", "onset", "end"), on="asset")
        .filter(pl.col("time").is_between("onset", "end"))
    )
    first = inside.group_by("fault").agg(first_alert=pl.col("time").first(), named=pl.col("cause").first())
    found = faults.join(first, on="fault", how="left").sort("onset")
    told = found.with_columns(after=pl.col("first_alert") - pl.col("onset"))
    columns = ["asset", "feature", "kind", "onset", "end", "first_alert", "after", "named"]
    return told.select(columns), len(alerts) - inside["id"].n_unique()


def _print(console: Console, shown: Shown) -> None:
    faults = shown.faults
    found = faults["first_alert"].is_not_null().sum()
    remark = "the time from a fault's beginning to its first alert"
    console.print(view.heading(f"{found} of {count(len(faults), 'fault')} found", remark))
    console.print(_table(faults))
    console.print(view.indented(f"{count(shown.outside, 'alert')} of {shown.summary.alerts:,} were outside of faults."))
    made = ["tocsin", "fit", "readings.csv", "--key", "asset", "--time", "time", "--out", "fleet"]
    begin = ["tocsin", "stream", "fleet", "--from", "later.ndjson", "--to", "alerts.ndjson"]
    view.commands(console, [made, begin, ["tocsin", "insights", "top", "fleet-store"]])


def _table(faults: pl.DataFrame) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=True, header_style="dim")
    for name in ("Asset", "Fault", "Sensor"):
        table.add_column(name, style="bold" if name == "Asset" else "", no_wrap=True)
    table.add_column("Found after", justify="right", no_wrap=True)
    table.add_column("First named", no_wrap=True)
    for row in faults.iter_rows(named=True):
        missed = row["first_alert"] is None
        after = Text("not found", style="yellow") if missed else Text(_after(row), style="green")
        right = "green" if row["named"] == row["feature"] else "dim"
        table.add_row(row["asset"], row["kind"], row["feature"], after, Text(row["named"] or "", style=right))
    return table


def _after(row: dict[str, Any]) -> str:
    seconds = row["after"].total_seconds()
    return duration(seconds) if seconds else "at once"
