"""What the demo does: learn from a first part of the readings, score the rest, gather the alerts into incidents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl

from tocsin import synth
from tocsin.cli.machine import report_of
from tocsin.cli.progress import progress
from tocsin.detectors.ecod import ECOD
from tocsin.errors import EmptyDataError, OutputError
from tocsin.evaluate.holdout import holdout
from tocsin.evaluate.incidents import incidents
from tocsin.evaluate.truth import Findings, label, match
from tocsin.fleet.fleet import Fleet
from tocsin.tables.columns import Columns

ASSETS, SENSORS, ROWS = 24, 6, 28 * 144


@dataclass(frozen=True, slots=True, eq=False)
class Showcase:
    """What there is to show.

    Attributes
    ----------
    fleet : Fleet
        After scoring.
    learned, scored : int
        How many rows.
    seconds, compiling : float
        How long learning and scoring took together, and before that, once on each machine, compiling.
    incidents : polars.DataFrame
        The worst first; with a column fault if the truth is known.
    findings : Findings or None
        How the alerts compare with the truth, if it is known.
    left_out : dict of str to str
        Which columns were not used, and why.
    notes : list of str
        What was skipped or mended.
    """

    fleet: Fleet
    learned: int
    scored: int
    seconds: float
    compiling: float
    incidents: pl.DataFrame
    findings: Findings | None
    left_out: dict[str, str]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything for a machine."""
        return report_of(self.fleet) | {
            "rows_learned": self.learned,
            "seconds": round(self.seconds, 4),
            "seconds_compiling": round(self.compiling, 4),
            "left_out": self.left_out,
            "notes": self.notes,
            "incidents": self.incidents.to_dicts(),
            "findings": None if self.findings is None else self.findings.to_dict(),
        }


def made_up(folder: Path, seed: int) -> Showcase:
    """Make up a fleet with known faults in a folder, and find them.

    The folder then holds training.parquet, later.parquet, truth.parquet and the fleet.
    """
    readings, truth = synth.fleet(ASSETS, SENSORS, ROWS, seed)
    training, later = synth.split(readings)
    paths = {name: folder / f"{name}.parquet" for name in ("training", "later", "truth")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in (("training", training), ("later", later), ("truth", truth)):
            frame.write_parquet(paths[name])
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None
    shown = _learn_and_score(str(paths["training"]), str(paths["later"]), Columns("asset", "time"), truth)
    shown.fleet.save(folder / "fleet")
    return shown


def of_own(source: str, columns: Columns, reading: dict[str, Any]) -> Showcase:
    """Learn from the first part of each asset's readings, and score the rest."""
    parts = holdout(source, columns, **reading)
    if parts.later.is_empty():
        raise EmptyDataError(f"no asset of {source} has a second reading, so none is left to score; is the key right?")
    return _learn_and_score(parts.training, parts.later, parts.columns, None, parts.left_out, parts.notes)


def _learn_and_score(
    training: Any,
    later: Any,
    columns: Columns,
    truth: pl.DataFrame | None,
    left_out: dict[str, str] | None = None,
    notes: list[str] | None = None,
) -> Showcase:
    """Learn, score and compare; `training` and `later` are what a fleet takes as a source."""
    fleet = Fleet(ECOD(contamination=0.001, extrapolate=True), key=columns.key, time=columns.time)
    compiling = _compile(fleet, pl.Float32 if truth is not None else _dtype(training))
    with progress("Learning") as tell:
        fleet.fit(training, progress=tell)
    learned = fleet.report
    with progress("Scoring") as tell:
        scores = fleet.score(later, explain=3, progress=tell)
    assert scores is not None
    found = incidents(scores)
    return Showcase(
        fleet=fleet,
        learned=learned.rows,
        scored=fleet.report.rows,
        seconds=learned.seconds + fleet.report.seconds,
        compiling=compiling,
        incidents=found if truth is None else label(found, truth),
        findings=None if truth is None else match(scores, truth),
        left_out={name: why for name, why in (left_out or {}).items() if name not in (columns.key, columns.time)},
        notes=[*(notes or []), *_remarks(fleet.report.alerts, fleet.report.rows)],
    )


def _compile(fleet: Fleet, dtype: type[pl.DataType]) -> float:
    """Run everything once on next to nothing, so that what is timed later is the work; return the seconds."""
    started = perf_counter()
    with progress("Compiling, the first time only"):
        few = pl.DataFrame({"x": range(40)}).cast(dtype)
        Fleet(fleet.detector).fit(few).score(few, explain=1)
    return perf_counter() - started


def _dtype(frame: pl.DataFrame) -> type[pl.DataType]:
    return pl.Float64 if pl.Float64 in frame.dtypes else pl.Float32


def _remarks(alerts: int, rows: int) -> list[str]:
    """Say so if what was learned does not hold for the rest, which a list of incidents would hide."""
    share = alerts / rows if rows else 0.0
    if share < 0.1 or rows < 100:
        return []
    return [
        f"{share:.0%} of the scored readings are alerts: as a whole they differ from those that were learned. Wear "
        "and seasons look like that; a fleet that learns from a longer, typical time tells better what is wrong."
    ]
