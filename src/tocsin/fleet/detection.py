"""What is found in a series: which samples, how far from what is expected, and what was learned on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from tocsin.fleet.passes import scores
from tocsin.tables.series import Series

SCHEMA = pa.schema(
    {
        "index": pa.int64(),
        "value": pa.float64(),
        "expected": pa.float64(),
        "score": pa.float64(),
        "direction": pa.string(),
    }
)
"""What is said of each sample that is found."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found in a series, and what was learned of it.

    Attributes
    ----------
    found : polars.DataFrame
        index (from 0), value, expected, score and direction ("above" or "below") of each sample over the threshold,
        in order; of more than `most` only those with the highest scores.
    count : int
        How many there are.
    method, threshold
        As they were asked for.
    length, missing : int
        How many samples there are, and how many of them are NaN.
    column : str or None
        The column of a table that was taken.
    center, scale : float
        What scores are measured by: ``score = abs(value - expected) / scale``. `center` is what is expected by
        "zscore" and "mad", and the median residual of the others.
    periods : tuple of int
        The lengths of the seasons, in samples.
    period_found : bool
        Whether they were found rather than given.
    notes : list of str
        What was noticed, as sentences.
    seconds : float
        How long it took.
    """

    found: pl.DataFrame
    count: int
    method: str
    threshold: float
    length: int
    missing: int
    column: str | None
    center: float
    scale: float
    periods: tuple[int, ...] = ()
    period_found: bool = False
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def incidents(self, quiet: int = 12) -> pl.DataFrame:
        """Gather what was found into incidents: samples with at most `quiet` others between them.

        Returns
        -------
        polars.DataFrame
            One row an incident: start, end, samples (found from start to end), and index, value, expected, score and
            direction of the worst one; the worst incident first.
        """
        begins = (pl.col("index").diff() > quiet + 1).fill_null(value=False).cast(pl.Int64)
        worst = pl.col("score").arg_max()
        return (
            self.found.with_columns(_incident=begins.cum_sum())
            .group_by("_incident", maintain_order=True)
            .agg(
                pl.col("index").first().alias("start"),
                pl.col("index").last().alias("end"),
                pl.len().alias("samples"),
                *(pl.col(name).get(worst).alias(name) for name in self.found.columns),
            )
            .drop("_incident")
            .sort("score", "start", descending=[True, False])
        )


class Worst:
    """Gathers what is found, in bounded memory: of too many samples the highest scores, of equals the first."""

    def __init__(self, most: int) -> None:
        self.most, self.count = most, 0
        self._parts: list[pl.DataFrame] = [pl.DataFrame(SCHEMA.empty_table())]
        self._held = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take the samples of one more chunk."""
        self.count += frame.height
        self._held += frame.height
        self._parts.append(frame)
        if self._held > 2 * self.most:
            self._parts = [self.frame()]
            self._held = self._parts[0].height

    def frame(self) -> pl.DataFrame:
        """Return what is kept, in order."""
        frame = pl.concat(self._parts)
        if frame.height > self.most:
            frame = frame.sort("score", "index", descending=[True, False]).head(self.most).sort("index")
        return frame


def judged(
    series: Series, watched: Series, place: tuple[int, int], usual: tuple[float, float], threshold: float
) -> pl.DataFrame | None:
    """Return the samples of one chunk that are over the threshold; None if there are none.

    `watched` is what is scored: the series itself, or its residuals.
    """
    center, scale = usual
    start, stop = place
    values = watched.read(start, stop)
    found = scores(values, center, scale)
    rows = np.flatnonzero(found > threshold)
    if not len(rows):
        return None
    distances = values[rows].astype(np.float64) - center
    if watched is not series:
        values = series.read(start, stop)
    own = values[rows].astype(np.float64)
    above = pl.Series(distances > 0)
    return pl.DataFrame(
        {
            "index": start + rows,
            "value": own,
            "expected": own - distances,
            "score": found[rows],
            "direction": pl.select(pl.when(above).then(pl.lit("above")).otherwise(pl.lit("below"))).to_series(),
        },
        schema=pl.DataFrame(SCHEMA.empty_table()).schema,
    )
