"""Faults that are put into clean readings, each with the truth about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]


class Fault(NamedTuple):
    """What was done to one sensor: rows `onset` to `end`, both included, by `size` of its standard deviations.

    `size` is NaN where the fault adds nothing: a stuck sensor repeats its last value.
    """

    feature: int
    kind: str
    onset: int
    end: int
    size: float


class _Kind(NamedTuple):
    rows: tuple[int, int]
    size: tuple[float, float]
    shape: Callable[[int], Signal]


_KINDS = {
    "spike": _Kind((1, 3), (10.0, 20.0), np.ones),
    "shift": _Kind((36, 144), (6.0, 10.0), np.ones),
    "drift": _Kind((72, 216), (8.0, 14.0), lambda rows: np.arange(1, rows + 1) / rows),
    "stuck": _Kind((48, 144), (0.0, 0.0), np.zeros),
}

KINDS = tuple(_KINDS)


def inject(values: Signal, clean_rows: int, kinds: tuple[str, ...], rng: np.random.Generator) -> Fault:
    """Put one fault into the rows after the clean ones, in place.

    Parameters
    ----------
    values : ndarray of shape (n_features, n_rows)
        An asset's readings; at least two rows come after the clean ones.
    """
    n_features, n_rows = values.shape
    name = kinds[int(rng.integers(len(kinds)))]
    kind = _KINDS[name]
    length = min(int(rng.integers(kind.rows[0], kind.rows[1] + 1)), (n_rows - clean_rows + 1) // 2)
    onset = int(rng.integers(clean_rows, n_rows - length + 1))
    end = onset + length - 1
    feature = int(rng.integers(n_features))
    size = float(rng.uniform(*kind.size) * rng.choice([-1.0, 1.0]))
    signal = values[feature]
    if name == "stuck":
        signal[onset : end + 1] = signal[onset]
        return Fault(feature, name, onset, end, np.nan)
    signal[onset : end + 1] += size * signal[:clean_rows].std() * kind.shape(length)
    return Fault(feature, name, onset, end, size)
