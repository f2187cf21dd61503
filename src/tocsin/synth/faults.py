"""The faults that made-up sensors can have, and which asset has which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import ParameterError, did_you_mean
from tocsin.kernels import faults as kernels
from tocsin.kernels.faults import Faults
from tocsin.kernels.philox import Keys, uniforms
from tocsin.kernels.signals import FAULTS
from tocsin.synth.sensors import Sensor


class _Kind(NamedTuple):
    """The kernel's number of a kind, how many rows it lasts, how large it is, and after which others it is done."""

    number: int
    rows: tuple[int, int]
    sizes: tuple[float, float] = (float("nan"), float("nan"))
    turn: int = 0


_KINDS = {
    "spike": _Kind(int(kernels.SPIKE), (1, 3), (10.0, 20.0)),
    "shift": _Kind(int(kernels.SHIFT), (36, 144), (6.0, 10.0)),
    "drift": _Kind(int(kernels.DRIFT), (72, 216), (8.0, 14.0)),
    "variance": _Kind(int(kernels.VARIANCE), (72, 216), (4.0, 8.0)),
    "season": _Kind(int(kernels.SEASON), (144, 288), (3.0, 6.0)),
    "correlation": _Kind(int(kernels.CORRELATION), (144, 288)),
    "stuck": _Kind(int(kernels.STUCK), (48, 144), turn=1),
    "contact": _Kind(int(kernels.CONTACT), (24, 96), turn=2),
}

KINDS = tuple(_KINDS)
"""The kinds of faults.

spike: a few readings far off. shift: another level. drift: away from normal, ever further. variance: more noise.
season: the cycle gets a second hump. correlation: the sensor follows something else than those that it used to go
with. stuck: the last reading again and again. contact: half of the readings are 0.
"""

MOST = 200
"""How many faults an asset may have at the most."""
_DRAWS = 8
_STREAM = int(FAULTS) + (1 << 15)
_GROUP = 1 << 16
_TELLING = 4.0
"""How many deviations from 0 a sensor must rest for a reading of 0 to tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Misfortunes:
    """Which faults there may be.

    Parameters
    ----------
    clean_rows, rows : int
        Before which row there is no fault, and how many rows there are.
    chances : int
        How many faults an asset may have.
    probability : float
        How likely each of them is.
    kinds : mapping of str to ndarray
        Which kinds there are, each as likely, and the features that can have one.
    deviations : ndarray of shape (n_features,)
        The unit of a fault's size, by feature.
    steps : ndarray of shape (n_features,), uint64
        How far a changed season turns in a row, of 2^64.
    """

    clean_rows: int
    rows: int
    chances: int
    probability: float
    kinds: Mapping[str, NDArray[np.int64]]
    deviations: NDArray[np.float64]
    steps: NDArray[np.uint64]

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not 0 <= self.probability <= 1:
            raise ParameterError(f"faulty must be a probability, not {self.probability}")
        if not 0 <= self.chances <= MOST:
            raise ParameterError(f"faults must be from 0 to {MOST} an asset, not {self.chances}")
        if not (self.chances and self.probability):
            return
        if self.rows < 4:
            raise ParameterError(f"rows must be at least 4 for a fault to have clean ones before it, not {self.rows}")
        if not 2 <= self.clean_rows <= self.rows - 2:
            raise ParameterError(
                f"clean_rows must leave 2 rows on either side of it, so at most {self.rows - 2}, not {self.clean_rows}"
            )

    def of(self, keys: Keys, first: int, stop: int) -> Faults:
        """Return the faults of the assets `first` up to `stop`, in the order in which they are done.

        Those of an asset depend on the seed and its number alone.
        """
        if not self.probability:
            return self._none(stop - first)
        drawn = np.empty((stop - first, self.chances * _DRAWS))
        uniforms(keys, first, _STREAM, drawn)
        draws = drawn.reshape(stop - first, self.chances, _DRAWS)
        asset, number = np.nonzero(draws[..., 0] < self.probability)
        which, long, when, where, large, sign = draws[asset, number, 1:7].T
        kinds = [_KINDS[name] for name in self.kinds]
        able = list(self.kinds.values())
        starts = np.cumsum([0, *map(len, able)])
        code, shortest, longest, least, most, turn, begin, many = np.array(
            [
                (kind.number, *kind.rows, *kind.sizes, kind.turn, start, len(features))
                for kind, start, features in zip(kinds, starts, able, strict=False)
            ]
        )[np.floor(which * len(kinds)).astype(np.int64)].T
        length = np.minimum(
            shortest + np.floor(long * (longest - shortest + 1)), (self.rows - self.clean_rows + 1) // 2
        )
        onset = self.clean_rows + np.floor(when * (self.rows - length - self.clean_rows + 1))
        feature = np.concatenate(able)[(begin + np.floor(where * many)).astype(np.int64)]
        # More noise has no direction.
        direction = np.where((sign < 0.5) & (code != kernels.VARIANCE), -1.0, 1.0)
        size = direction * (least + large * (most - least)) * self.deviations[feature]
        order = np.lexsort((number, onset, turn, asset))
        counts = np.bincount(asset, minlength=stop - first)
        return Faults(
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            kinds=code[order].astype(np.int64),
            features=feature[order],
            onsets=onset[order].astype(np.int64),
            ends=(onset + length)[order].astype(np.int64),
            numbers=number[order],
            sizes=size[order],
            steps=self.steps[feature][order],
        )

    def _none(self, n_assets: int) -> Faults:
        whole = np.zeros(0, np.int64)
        offsets = np.zeros(n_assets + 1, np.int64)
        return Faults(offsets, whole, whole, whole, whole, whole, np.zeros(0), np.zeros(0, np.uint64))

    def table(self, keys: Keys, first: int, stop: int) -> pl.DataFrame:
        """Return asset, feature, kind, onset and end (both included) as numbers, and the size in deviations."""
        if not self.probability:
            first = stop
        cuts = range(first, stop, _GROUP) or [stop]
        return pl.concat([self._part(keys, start, min(start + _GROUP, stop)) for start in cuts])

    def _part(self, keys: Keys, first: int, stop: int) -> pl.DataFrame:
        made = self.of(keys, first, stop)
        asset = np.repeat(np.arange(first, stop), np.diff(made.offsets))
        names = {_KINDS[name].number: name for name in KINDS}
        frame = pl.DataFrame(
            {
                "asset": asset,
                "feature": made.features,
                "kind": pl.Series([names[code] for code in made.kinds.tolist()], dtype=pl.String),
                "onset": made.onsets,
                "end": made.ends - 1,
                "size": pl.Series(made.sizes / self.deviations[made.features]).fill_nan(None),
            }
        )
        return frame.sort("asset", "onset", maintain_order=True)


def possible(kinds: Sequence[str], sensors: Sequence[Sensor]) -> dict[str, NDArray[np.int64]]:
    """Return which kinds of faults there can be, and the features that can have each.

    Only what follows a shared factor can lose it, and only of a sensor that is never near 0 can a 0 be told.

    Raises
    ------
    ParameterError
        If there is no such kind, or none of them is possible.
    """
    if not kinds:
        raise ParameterError("kinds must name at least one kind of fault; faulty=0 makes a fleet without faults")
    for kind in kinds:
        if kind not in KINDS:
            raise ParameterError(f"no fault {kind!r}{did_you_mean(kind, KINDS)}")
    every = np.arange(len(sensors))
    able = {
        "correlation": np.flatnonzero([sensor.shares for sensor in sensors]),
        "contact": np.flatnonzero([abs(sensor.level) >= _TELLING * sensor.deviation > 0 for sensor in sensors]),
    }
    found = {kind: features for kind in kinds if len(features := able.get(kind, every))}
    if not found:
        raise ParameterError(f"no sensor can have a fault of the kind {kinds[0]}: correlation needs a shared factor, "
                             "contact a level far from 0")  # fmt: skip
    return found
