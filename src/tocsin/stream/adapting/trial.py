"""New models on trial before they take over: which alarms they would change, and which faults they would find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.errors import DataError
from tocsin.evaluate.incidents import cause_field, explained, incidents
from tocsin.evaluate.injection import FAULTS, KINDS, inject
from tocsin.features.recipe import Recipe
from tocsin.fleet.engines import local
from tocsin.fleet.models import ModelTable, is_clock
from tocsin.fleet.pipeline import Asked, Pipeline
from tocsin.kernels import runs
from tocsin.panel import Panel
from tocsin.stream.adapting.verdict import Alarm, Bounds, Change, Drill, Trial, reasons
from tocsin.tables.times import restore_times

FADED = 1 / 3
"""An alarm of which a smaller share of alerts is left has vanished."""
LISTED = 100
"""How many alarms that differ are listed, and how many assets."""
EACH = 40
"""How many faults of each kind are wanted in the fire drill."""
DRILLED, ROUNDS = 500, 20
"""How many assets take part in it at the most, and how often at the most."""
DAY = 86_400_000_000_000


def trial(
    detector: Detector,
    recipe: Recipe | None,
    champion: ModelTable,
    challenger: ModelTable,
    readings: Sequence[Panel],
    time_type: pa.DataType | None,
    *,
    held: Sequence[Panel] | None = None,
    bounds: Bounds | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Trial:
    """Hold new models against those at work.

    Parameters
    ----------
    detector, recipe : Detector, Recipe or None
        Those of both.
    champion, challenger : ModelTable
        The models at work, and those that might take over. Assets that either does not know are left aside.
    readings : sequence of Panel
        What came in the last days, each asset whole in one of them: both judge it, and the alarms are compared.
    time_type : pyarrow.DataType or None
        The type of their times.
    held : sequence of Panel, optional
        Readings that neither has learned, for the fire drill; by default the same. The first half of each asset's rows
        says how large a deviation is, and faults are put into the second.
    bounds : Bounds, optional
        Inside which the challenger takes over.
    seed : int, default 0
        Other faults for each number.
    threads : int, optional
        How many cores to use; default all.

    Returns
    -------
    Trial

    Notes
    -----
    Both score all readings once, and some held-back ones up to `ROUNDS` times. A fault is found by an alert in its rows
    that was not there without it. Where readings have no dates, 144 rows count as a day.

    Raises
    ------
    DataError
        If no asset of the readings is known to both.
    """
    bounds = bounds or Bounds()
    court = _Court(Pipeline(detector, recipe), champion, challenger, time_type, bounds.quiet)
    parts = list(local.run(readings, court.compare, threads))
    if not any(part.assets for part in parts):
        raise DataError("no asset of these readings has a model in both; give readings of the fleet")
    differ = pl.concat([part.differ for part in parts])
    totals = {
        name: sum(getattr(part, name) for part in parts)
        for name in ("assets", "watched", "champion_alarms", "challenger_alarms", "alerts")
    }
    counts = {what: differ.filter(pl.col("what") == what).height for what in ("appeared", "vanished", "changed")}
    differ = differ.sort("alerts", "asset", "start", "what", descending=[True, False, False, False])
    gone = differ.filter(pl.col("what") == "vanished")
    alarms = tuple(Alarm(**row) for row in differ.head(LISTED).to_dicts())
    lost = [Alarm(**row) for row in gone.head(1).to_dicts()]
    alerts, watched = totals.pop("alerts"), totals.pop("watched")
    found: dict[str, Any] = {
        **totals,
        **counts,
        "asset_days": watched / DAY,
        "vanished_alerts": float(gone["alerts"].sum()) / alerts if alerts else 0.0,
        "alarms": alarms,
        "by_asset": _by_asset(differ),
        "drills": _drills(court, readings if held is None else held, seed, threads),
    }
    why = reasons({**found, "lasting": lost[0] if lost else None}, bounds)
    return Trial(promoted=not why, reasons=why, bounds=bounds, **found)


@dataclass(frozen=True, slots=True, eq=False)
class _Compared:
    """What the alarms of a panel are like: how many in what time (nanoseconds), and those that differ, as a table."""

    assets: int
    watched: int
    champion_alarms: int
    challenger_alarms: int
    alerts: int
    differ: pl.DataFrame


DIFFER = {
    "what": pl.String, "asset": pl.String, "start": pl.String, "end": pl.String, "alerts": pl.Int64,
    "cause": pl.String, "before": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class _Court:
    pipeline: Pipeline
    champion: ModelTable
    challenger: ModelTable
    time_type: pa.DataType | None
    quiet: int

    def known(self, panel: Panel) -> tuple[Panel, ModelTable, ModelTable]:
        """Return the assets that both know, and their models."""
        panel, _ = self.champion.like_own(panel, self.time_type)
        there = np.diff(panel.offsets) > 0
        there &= (self.champion.index_of(panel.keys) >= 0) & (self.challenger.index_of(panel.keys) >= 0)
        panel = panel.take_assets(np.flatnonzero(there))
        own, other = (table.index_of(panel.keys) for table in (self.champion, self.challenger))
        return panel, self.champion.take(own), self.challenger.take(other)

    def compare(self, panel: Panel) -> _Compared:
        """Compare the alarms of both."""
        panel, champion, challenger = self.known(panel)
        if not panel.n_assets:
            return _Compared(0, 0, 0, 0, 0, pl.DataFrame(schema=DIFFER))
        before, after = (self.alarms(models, panel) for models in (champion, challenger))
        pairs = before.join(after, on="key", suffix="_after", maintain_order="left_right").filter(
            (pl.col("start") <= pl.col("end_after") + self.quiet)
            & (pl.col("start_after") <= pl.col("end") + self.quiet)
        )
        pairs = pairs.join(pairs.group_by("number").agg(left=pl.col("alerts_after").sum()), on="number")
        kept = pairs.filter(pl.col("left") >= FADED * pl.col("alerts"))
        first = kept.unique("number", keep="first", maintain_order=True)
        changed = first.filter(pl.col("cause").ne_missing(pl.col("cause_after")))
        differ: list[tuple[Change, pl.DataFrame, str | None]] = [
            ("appeared", after.join(pairs, left_on="number", right_on="number_after", how="anti"), None),
            ("vanished", before.join(kept, on="number", how="anti"), None),
            ("changed", changed.with_columns(cause=pl.col("cause_after"), before=pl.col("cause")), "before"),
        ]
        tables = [self._told(what, table, panel, column) for what, table, column in differ]
        alerts = int(before["alerts"].sum())
        return _Compared(panel.n_assets, self._watched(panel), before.height, after.height, alerts, pl.concat(tables))

    def alarms(self, models: ModelTable, panel: Panel) -> pl.DataFrame:
        """Return key, the asset's place; number; start and end as rows of the asset; alerts; and the main cause."""
        judged = self.pipeline.judge(models, panel, self.time_type, Asked(explain=1)).table
        scores = pl.DataFrame(judged)
        if "time" in scores.columns:
            scores = scores.drop("time")
        scores = scores.with_columns(key=pl.Series(panel.asset_of_row))
        if explained(scores) and cause_field(scores) == "sensor":
            named = pl.element().struct.with_fields(feature=pl.element().struct.field("sensor"))
            scores = scores.with_columns(pl.col("explanations").list.eval(named))
        found = incidents(scores, self.quiet, signed=self.pipeline.detector.signed)
        chosen = found.select("key", "start", "end", "alerts", cause=pl.col("feature").cast(pl.String))
        return chosen.sort("key", "start").with_row_index("number")

    def _told(self, what: Change, table: pl.DataFrame, panel: Panel, before: str | None) -> pl.DataFrame:
        """Return alarms in words: names and times in place of numbers."""
        asset = table["key"].to_numpy()
        names = pl.Series(panel.keys).cast(pl.String).gather(asset)
        moments = []
        for end in ("start", "end"):
            rows = table[end].to_numpy()
            if panel.times is not None and self.time_type is not None:
                stamps = panel.times[panel.offsets[:-1][asset] + rows]
                times = pl.Series(restore_times(stamps, self.time_type))
                clock = isinstance(times.dtype, pl.Datetime)
                moments.append(times.dt.strftime("%Y-%m-%d %H:%M:%S") if clock else times.cast(pl.String))
            else:
                moments.append(pl.Series([f"row {row}" for row in rows.tolist()], dtype=pl.String))
        return pl.DataFrame(
            {
                "what": pl.Series([what] * table.height, dtype=pl.String),
                "asset": names,
                "start": moments[0],
                "end": moments[1],
                "alerts": table["alerts"],
                "cause": table["cause"],
                "before": pl.Series([None] * table.height, dtype=pl.String) if before is None else table[before],
            },
            schema=DIFFER,
        )

    def _watched(self, panel: Panel) -> int:
        """Return how long assets were watched, all together."""
        if panel.times is None or self.time_type is None or not is_clock(self.time_type):
            return panel.n_rows * DAY // 144
        return int((panel.times[panel.offsets[1:] - 1] - panel.times[panel.offsets[:-1]]).sum())

    def drill(self, panel: Panel, seed: int) -> pl.DataFrame:
        """Put faults into the second half of each asset's rows; say of each when it was found."""
        panel, champion, challenger = self.known(panel)
        middle = np.repeat((panel.offsets[:-1] + panel.offsets[1:]) // 2, np.diff(panel.offsets))
        late = np.arange(panel.n_rows) >= middle
        usual, later = (panel.take_rows(np.flatnonzero(rows)) for rows in (~late, late))
        try:
            injected = inject(later, usual, seed, faults=FAULTS)
        except DataError:
            return pl.DataFrame(schema=DRILLED_ROWS)
        truth = injected.truth
        starts, stops = truth["first_row"].to_numpy(), truth["last_row"].to_numpy() + 1
        columns = {"kind": truth["kind"]}
        for name, models in (("champion", champion), ("challenger", challenger)):
            new = self._alerts(models, injected.panel) & ~self._alerts(models, later)
            first = runs.first_alerts(new, starts, stops)
            columns[name] = pl.Series(np.where(first >= 0, first - starts, -1))
        return pl.DataFrame(columns, schema=DRILLED_ROWS)

    def _alerts(self, models: ModelTable, panel: Panel) -> NDArray[np.bool_]:
        table = self.pipeline.judge(models, panel, self.time_type, Asked()).table
        alerts: NDArray[np.bool_] = table.column("alert").to_numpy()
        return alerts


DRILLED_ROWS = {"kind": pl.String, "champion": pl.Int64, "challenger": pl.Int64}


def _drills(court: _Court, panels: Sequence[Panel], seed: int, threads: int | None) -> tuple[Drill, ...]:
    """Return how both did in the fire drill: all faults, then each kind."""
    everyone = sum(panel.n_assets for panel in panels)
    stride = max(-(-everyone // DRILLED), 1)
    chosen = [panel.take_assets(np.arange(0, panel.n_assets, stride)) for panel in panels]
    many = sum(panel.n_assets for panel in chosen)
    rounds = min(max(-(-EACH * len(KINDS) // max(FAULTS * many, 1)), 1), ROUNDS)
    work = [(panel, seed + turn) for turn in range(rounds) for panel in chosen if panel.n_assets]
    found = pl.concat([pl.DataFrame(schema=DRILLED_ROWS), *local.run(work, lambda part: court.drill(*part), threads)])
    if not found.height:
        return ()
    kinds = [kind for kind in KINDS if kind in found["kind"]]
    return (_drill("all", found), *(_drill(kind, found.filter(pl.col("kind") == kind)) for kind in kinds))


def _drill(kind: str, found: pl.DataFrame) -> Drill:
    both = found.filter((pl.col("champion") >= 0) & (pl.col("challenger") >= 0))
    names = ("champion", "challenger")
    hits = [int((found[name] >= 0).sum()) for name in names]
    delays = [both.select(pl.col(name).mean()).item() for name in names]
    return Drill(kind, found.height, hits[0], hits[1], delays[0], delays[1])


def _by_asset(differ: pl.DataFrame) -> dict[str, tuple[int, int, int]]:
    """Return how many alarms appear, vanish and change, of the assets with most."""
    kinds = ("appeared", "vanished", "changed")
    counted = (
        differ.group_by("asset", maintain_order=True)
        .agg(pl.len().alias("many"), *((pl.col("what") == kind).sum().alias(kind) for kind in kinds))
        .sort("many", "asset", descending=[True, False])
        .head(LISTED)
    )
    return {
        asset: (appeared, vanished, changed)
        for asset, *(appeared, vanished, changed) in counted.select("asset", *kinds).rows()
    }
