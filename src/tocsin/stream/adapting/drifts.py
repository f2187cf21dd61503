"""How far assets have drifted, on its way from models that learn, and from nights, into the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.drift import Drift
from tocsin.insights import records
from tocsin.stream.adapting.policy import DRIFT, LEARNED
from tocsin.stream.roster import Roster

SURE, FAR = 1e-3, 0.2
"""A sensor has drifted if chance explains its distance with a smaller probability, and it is at least so far."""


class Found(NamedTuple):
    """What was found of some assets, by slot or by key.

    `times` are nanoseconds; `why` is that of a `Lesson`; `distances` and `bounds` have the shape (n_assets, n_sensors).
    """

    assets: NDArray[np.int64] | pa.Array
    times: NDArray[np.int64]
    why: NDArray[np.int8]
    distances: NDArray[np.float64]
    bounds: NDArray[np.float64]

    @property
    def share(self) -> float:
        """How many of the assets have drifted, as a share."""
        return float(np.mean(self.why == DRIFT)) if len(self.why) else 0.0


def measured(found: Iterable[Drift], mark: int) -> Found:
    """Return what a night has measured at a mark."""
    parts = list(found)
    if not parts:
        none = np.empty((0, 0))
        return Found(pa.array([], pa.string()), np.zeros(0, np.int64), np.zeros(0, np.int8), none, none)
    keys = pa.concat_arrays([part.keys.cast(pa.string()) for part in parts])
    distances = np.abs(np.concatenate([part.distance for part in parts]))
    far = np.concatenate([drifted(part).any(axis=1) for part in parts])
    why = np.where(far, DRIFT, LEARNED).astype(np.int8)
    return Found(keys, np.full(len(keys), mark), why, distances, np.full(distances.shape, FAR))


def puts(found: Sequence[Found], roster: Roster, sensors: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Return the records of what was found, the last of each asset."""
    made: dict[str, bytes] = {}
    for part in found:
        if not part.distances.shape[1]:
            continue
        keys = part.assets if isinstance(part.assets, pa.Array) else roster.keys(part.assets)
        values = records.drift_values(part.times, part.why, part.distances, part.bounds)
        made |= dict(zip(keys.to_pylist(), values, strict=True))
    if not made:
        return []
    return [records.drift_names(sensors), *(records.drift_put(key, value) for key, value in made.items())]


def drifted(found: Drift) -> NDArray[np.bool_]:
    """Return which sensors have drifted, shape (n_assets, n_features)."""
    marks: NDArray[np.bool_] = (found.p_value <= SURE) & (found.least >= FAR)
    return marks
