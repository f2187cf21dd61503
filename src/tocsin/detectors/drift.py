"""How far recent readings are from those that models learned; it is in this room, since models hold the sketches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.ranges import HIGH, LOW, Ranges
from tocsin.detectors.sketches import Sketches
from tocsin.errors import DataError
from tocsin.kernels import drift as kernels
from tocsin.panel import Panel

Floats = NDArray[np.float64]

LAGS = 500
"""Over how many rows readings may be alike, at the most."""
TELLING = 0.1
"""Which share of the normal range the median must move for a sentence to say so."""
WIDER, NARROWER, STILL = 1.5, 1 / 1.5, 0.05
"""How many times as wide as usual a sensor's range is before a sentence says so; below `STILL` it hardly varies."""


def sketched(panel: Panel) -> Sketches:
    """Return sketches of the sensors of a panel, cells asset by feature; costs 3 to 8 ns a value."""
    return Ranges.learn(panel).sketches


def dependence(panel: Panel) -> Floats:
    """Return how many rows tell as much as one independent row would, shape (n_assets, n_features); at least 1.

    Readings of one sensor are alike from row to row, so that a thousand of them say less than a thousand draws. Costs
    1 ns a value for each row over which they are alike, of at most `LAGS`.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(4000, 1))
    >>> steps = np.repeat(noise[:400], 10, axis=0)
    >>> [round(dependence(Panel.of_matrix(x)).item()) for x in (noise, steps)]
    [1, 10]
    """
    found = np.empty((panel.n_assets, panel.n_features))
    kernels.memories(panel.values, panel.offsets, LAGS, found)
    return found


def distances(reference: Sketches, recent: Sketches) -> Floats:
    """Return the Kolmogorov-Smirnov distance of each cell and its bounds, shape (n_cells, 3).

    The first is the best guess, positive where recent values are the higher ones. The true distance, that of the rows
    themselves, is between the second and the third. NaN where a sketch has seen nothing.

    Raises
    ------
    DataError
        If they have not as many cells.
    """
    if len(reference.cells.totals) != len(recent.cells.totals):
        cells = f"{len(recent.cells.totals)} sketches cannot be held against {len(reference.cells.totals)}"
        raise DataError(f"{cells}; give those of the same assets and features")
    found = np.empty((len(reference.cells.totals), 3))
    kernels.distances(reference.cells, recent.cells, found)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """How far recent readings are from a reference; every array has the shape (n_assets, n_features).

    Attributes
    ----------
    keys : pyarrow.Array
        The assets.
    features : tuple of str
        The sensors.
    distance : ndarray
        The largest difference between the two distribution functions (Kolmogorov-Smirnov), from 0, the same, to 1,
        no overlap; positive where recent values are the higher ones. NaN where one side has no readings.
    least, most : ndarray
        Between which its absolute value is, whatever the sketches leave open.
    p_value : ndarray
        How likely it is by chance that the distance is `least` or more, of readings that depend on each other as much
        as was said.
    median, usual, low, high : ndarray
        The recent median; that of the reference, its 5th and its 95th percentile.
    spread : ndarray
        How many times as wide as the reference's the range from the 5th to the 95th percentile is now.
    """

    keys: pa.Array
    features: tuple[str, ...]
    distance: Floats
    least: Floats
    most: Floats
    p_value: Floats
    median: Floats
    usual: Floats
    low: Floats
    high: Floats
    spread: Floats

    @property
    def shift(self) -> Floats:
        """How far the median has moved, in widths of the normal range; infinite where that has none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.median == self.usual, 0.0, (self.median - self.usual) / (self.high - self.low))

    def table(self) -> pl.DataFrame:
        """Return one row an asset and sensor, in their order: all figures, and a sentence."""
        n_assets, width = self.distance.shape
        names = ("distance", "least", "most", "p_value", "median", "usual", "low", "high", "spread")
        columns = {name: getattr(self, name).reshape(-1) for name in names}
        columns["shift"] = self.shift.reshape(-1)
        frame = pl.DataFrame(columns).fill_nan(None)
        keys = pl.Series("asset", self.keys.take(pa.array(np.repeat(np.arange(n_assets), width))))
        features = pl.Series("feature", list(self.features) * n_assets, dtype=pl.String)
        sentences = [_sentence(feature, row) for feature, row in zip(features, frame.to_dicts(), strict=True)]
        return (
            frame.with_columns(pl.Series("sentence", sentences, dtype=pl.String))
            .insert_column(0, keys)
            .insert_column(1, features)
        )

    def worst(self, top: int = 10, level: float = 0.001) -> pl.DataFrame:
        """Return the rows of `table` that chance does not explain, the largest distance first, at most `top`."""
        found = self.table().filter(pl.col("p_value") <= level)
        return found.sort(pl.col("distance").abs(), descending=True, maintain_order=True).head(top)


def drift(
    reference: Sketches,
    recent: Sketches,
    keys: pa.Array,
    features: tuple[str, ...],
    alike: Floats | float = 1.0,
) -> Drift:
    """Measure how far recent readings are from a reference.

    Parameters
    ----------
    reference, recent : Sketches
        Of the same assets and features: what models hold (`Detector.sketches`), or `sketched` of any panel; such of
        several panels merge. What was forgotten counts as much as it still weighs.
    keys : pyarrow.Array
        The assets.
    features : tuple of str
        The sensors.
    alike : float or ndarray of shape (n_assets, n_features), default 1
        How many rows tell as much as one independent row, as `dependence` measures it; p-values rest on it.

    Notes
    -----
    About 80 ns a kept value, so 15 µs a sensor of an asset. Where a sketch keeps all values, up to 256, the distance is
    exact. Otherwise it is a guess between its bounds, which are about the tail error of a sketch apart in the middle of
    a distribution, and closer towards its ends.

    Raises
    ------
    DataError
        If the sketches are not of so many assets and features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before, after = (Panel.of_matrix(rng.normal(level, 1.0, (2000, 1)), ["speed"]) for level in (20.0, 22.0))
    >>> found = drift(sketched(before), sketched(after), before.keys, before.features)
    >>> found.worst()["sentence"].item()
    'speed runs 10 % higher: its median is 21.96, and was 19.97'
    """
    shape = (len(keys), len(features))
    if len(reference.cells.totals) != shape[0] * shape[1]:
        cells = f"{len(reference.cells.totals)} sketches"
        raise DataError(f"{cells} are not those of {shape[0]} assets with {shape[1]} features each")
    found = distances(reference, recent)
    weights = np.broadcast_to(np.asarray(alike, np.float64), shape).reshape(-1)
    p_value = np.empty(len(found))
    kernels.chances(found[:, 1], reference.cells.totals / weights, recent.cells.totals / weights, p_value)
    low, usual, high = (reference.quantiles(share) for share in (LOW, 0.5, HIGH))
    now_low, median, now_high = (recent.quantiles(share) for share in (LOW, 0.5, HIGH))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(now_high - now_low == high - low, 1.0, (now_high - now_low) / (high - low))
    spread = np.where(np.isnan(median) | np.isnan(usual), np.nan, spread)
    arrays = (*found.T, p_value, median, usual, low, high, spread)
    return Drift(keys, features, *(np.ascontiguousarray(each).reshape(shape) for each in arrays))


def _sentence(feature: str, row: dict[str, float | None]) -> str | None:
    """Say what has changed most in words; None where it cannot be known, or nothing has."""
    median, usual, shift, spread = row["median"], row["usual"], row["shift"], row["spread"]
    if median is None or usual is None or shift is None or spread is None:
        return None
    width = (row["high"] or 0.0) - (row["low"] or 0.0)
    if abs(shift) < TELLING:
        if spread <= STILL:
            return f"{feature} hardly varies: it stays near {median:.4g}"
        if spread >= WIDER or spread <= NARROWER:
            return f"{feature} varies {spread:.2g} times as much as usual"
        return f"{feature} is distributed otherwise than usual, about the same median" if row["distance"] else None
    way = "higher" if shift > 0 else "lower"
    if abs(usual) > width:  # a level far from 0 has a meaning of its own
        much = (
            f"{abs(median - usual) / abs(usual):.2%}"
            if abs(median - usual) < 0.01 * abs(usual)
            else (f"{abs(median - usual) / abs(usual):.0%}")
        )
        return f"{feature} runs {much.replace('%', ' %')} {way}: its median is {median:.4g}, and was {usual:.4g}"
    size = f"by {abs(shift):.2g} of its normal range" if np.isfinite(shift) else "than the one value it had"
    return f"{feature} runs {way} {size}: its median is {median:.4g}, and was {usual:.4g}"
