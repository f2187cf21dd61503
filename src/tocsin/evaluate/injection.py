"""Known faults put into real readings, so that detectors can be held against a truth where nobody has labelled one."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import DataError, ParameterError, did_you_mean
from tocsin.features.settings import check_whole
from tocsin.kernels import faults as kernels
from tocsin.kernels import injection, mad, philox, signals
from tocsin.panel import Panel
from tocsin.tables.times import restore_times

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class _Kind(NamedTuple):
    """The kernel's number of a kind, and from how many deviations to how many it goes."""

    number: int
    sizes: tuple[float, float] | None = None


_KINDS = {
    "spike": _Kind(int(kernels.SPIKE), (3.0, 12.0)),
    "shift": _Kind(int(kernels.SHIFT), (1.0, 6.0)),
    "drift": _Kind(int(kernels.DRIFT), (2.0, 8.0)),
    "variance": _Kind(int(kernels.VARIANCE), (1.5, 6.0)),
    "correlation": _Kind(int(kernels.CORRELATION)),
    "stuck": _Kind(int(kernels.STUCK)),
    "contact": _Kind(int(kernels.CONTACT)),
    "process": _Kind(int(kernels.SHIFT), (0.5, 3.0)),
}

KINDS = tuple(_KINDS)
"""The kinds of faults.

spike: one to three readings far off. shift: another level. drift: away from normal, ever further. variance: more noise.
correlation: the sensor shows what it showed at another time, so that it no longer goes with the others. stuck: the last
reading again and again. contact: half of the readings are 0. process: what the sensors watch is at fault and not one of
them, so several of them are at another level, each by less.
"""

FAULTS = 3
"""How many faults an asset gets, where there is room: few, since what is wrong may last."""
ROOM = 12
"""Rows that a fault needs around it, its own among them."""
LEAD = 0.1
"""The share of rows before the first fault."""
LONGEST, SHORTEST = 1 / 2, 1 / 50
"""How much of its room a fault takes up, unless it is a spike."""
SPIKES = 3
"""Rows of a spike at the most."""
STEADY, TOGETHER, TELLING = 0.1, 0.5, 4.0
"""Above which share of repeated readings stuck tells nothing; from which correlation on features go together; how many
deviations from 0 a sensor must rest for a reading of 0 to tell."""

_STREAM = int(signals.FAULTS) + (1 << 15)
_DRAWS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Injected:
    """Readings with faults in them.

    Attributes
    ----------
    panel : Panel
        Its labels are 1 in the rows of a fault and 0 in all others.
    truth : polars.DataFrame
        One row a fault, asset by asset, in time order: asset; feature; kind; onset and end, both included, as times, or
        where there are none as numbers of the asset's rows; size in the asset's own robust deviations of the feature,
        null for kinds that have none; first_row and last_row, among those of the whole panel.
    left_out : dict of str to str
        Assets without a fault, and why.
    """

    panel: Panel
    truth: pl.DataFrame
    left_out: dict[str, str]


def inject(
    panel: Panel,
    usual: Panel,
    seed: int = 0,
    *,
    kinds: Sequence[str] = KINDS,
    faults: int = FAULTS,
    time_type: pa.DataType | None = None,
) -> Injected:
    """Put typed faults into real readings.

    Each asset's rows after the first tenth are cut into rooms of equal length, and each room gets one fault: some
    kinds at random, none twice before all have come. How long it lasts, where it begins and how large it is are drawn
    at random, lengths and sizes evenly on a logarithmic scale: lengths from a fiftieth to half of the room; sizes
    from what can hardly be told from the sensor's own spread to what is plain. Its feature is one of those in which
    it would be a fault at all; of several that a fault of the process moves, the truth names the one it moves most.

    What befalls an asset depends on the seed and its key, and on its own readings, not on the others. Missing readings
    stay missing.

    Parameters
    ----------
    panel : Panel
        Readings that are taken to be normal.
    usual : Panel
        Earlier readings of the same assets, in the same order. They say how large a deviation is (the robust one of
        `tocsin.MAD`), which features go together, which rest away from 0, and which change all the time.
    seed : int, default 0
        Other faults for each number.
    kinds : sequence of str, default `KINDS`
        Which faults there may be: spike, shift, drift, variance, correlation, stuck, contact,
        process.
    faults : int, default 3
        How many faults an asset gets at the most; fewer if each would have less than `ROOM` rows.
    time_type : pyarrow.DataType, optional
        In which type the truth shows times.

    Raises
    ------
    ParameterError
        If there is no such kind, or a number makes no sense.
    DataError
        If the panels are of different assets, or no asset can have a fault.

    Notes
    -----
    About 10 ns a value of `usual`, and 1 ns for each pair of features of each row, of at most 2,000 an asset.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(50.0, 1.0, (2, 400))
    >>> whole = Panel(values, np.array([0, 400]), pa.array(["pump"]), ("flow", "heat"))
    >>> first, rest = (whole.take_rows(np.arange(*ends)) for ends in ((0, 200), (200, 400)))
    >>> found = inject(rest, first, faults=3)
    >>> found.truth.select("asset", "feature", "kind", "onset", "end").height, int(found.panel.labels.sum()) > 3
    (3, True)
    """
    _check(kinds, faults, panel, usual)
    drawer = _Drawer(_Usual.of(usual), philox.keys(seed), tuple(kinds), faults)
    names = [str(key) for key in panel.keys.to_pylist()]
    numbers = np.array([zlib.crc32(name.encode()) for name in names], np.int64)
    parts: list[list[_Fault]] = []
    left_out: dict[str, str] = {}
    for asset, rows in enumerate(np.diff(panel.offsets).tolist()):
        own = drawer.of(asset, int(numbers[asset]), rows)
        parts.append([] if isinstance(own, str) else own)
        if isinstance(own, str):
            left_out[names[asset]] = own
    if len(left_out) == len(names):
        key, why = next(iter(left_out.items()))
        more = f"; nor in any of the other {len(names) - 1:,}" if len(names) > 1 else ""
        raise DataError(f"no fault can be put into asset {key!r}: {why}{more}")
    done = _injections(parts)
    values = panel.values.copy()
    injection.inject(drawer.keys, numbers, done, panel.offsets, panel.values, values)
    truth = _truth(panel, parts, time_type).filter(_changes(panel, values, parts))
    changed = set(truth["first_row"].to_list())
    for name, begin, part in zip(names, panel.offsets.tolist(), parts, strict=False):
        if part and not any(begin + fault.onset in changed for fault in part):
            left_out[name] = "faults would change no reading of it, since there they are missing"
    labels = np.zeros(panel.n_rows, np.int8)
    for first, last in truth.select("first_row", "last_row").iter_rows():
        labels[first : last + 1] = 1
    return Injected(replace(panel, values=values, labels=labels), truth, left_out)


class _Fault(NamedTuple):
    kind: str
    feature: int
    onset: int
    end: int
    source: int
    size: float
    deviations: float
    others: tuple[tuple[int, float], ...] = ()
    """Which other features it moves, and by how much."""


class _Usual(NamedTuple):
    """What each asset's features are like, arrays of shape (n_assets, n_features)."""

    centers: Floats
    scales: Floats
    steady: Floats
    together: Floats

    @classmethod
    def of(cls, usual: Panel) -> _Usual:
        made = cls(*(np.empty((usual.n_assets, usual.n_features)) for _ in range(4)))
        mad.locate(usual.values, usual.offsets, made.centers, made.scales)
        injection.steadiness(usual.values, usual.offsets, made.steady)
        injection.companionship(usual.values, usual.offsets, made.together)
        return made

    def able(self, asset: int, kind: str) -> Whole:
        """Return the features of an asset in which a fault of a kind would be one."""
        scale = self.scales[asset]
        varies = np.isfinite(scale) & (scale > 0.0)
        if kind == "stuck":
            varies &= self.steady[asset] <= STEADY
        elif kind == "correlation":
            varies &= self.together[asset] >= TOGETHER
        elif kind == "contact":
            varies &= np.abs(self.centers[asset]) >= TELLING * scale
        found = np.flatnonzero(varies)
        return found[:0] if kind == "process" and len(found) < 2 else found


@dataclass(frozen=True, slots=True)
class _Drawer:
    """Draws what befalls an asset."""

    usual: _Usual
    keys: philox.Keys
    kinds: tuple[str, ...]
    faults: int

    def of(self, asset: int, number: int, rows: int) -> list[_Fault] | str:
        """Return the faults of one asset, or why it has none."""
        lead = max(int(np.ceil(LEAD * rows)), 2)
        many = min(self.faults, (rows - lead) // ROOM)
        if many < 1:
            return f"it has {rows:,} rows to judge; with fewer than {ROOM + 2} there is no room"
        able = {kind: features for kind in self.kinds if len(features := self.usual.able(asset, kind))}
        if not able:
            return "no feature varies enough to have one"
        drawn = np.empty((1, len(self.kinds) + many * _DRAWS))
        philox.uniforms(self.keys, number, _STREAM, drawn)
        turns = dict(zip(self.kinds, drawn[0].tolist(), strict=False))
        order = sorted(able, key=lambda kind: turns[kind])
        draws = drawn[0, len(self.kinds) :].reshape(many, _DRAWS)
        cuts = np.linspace(lead, rows, many + 1).astype(np.int64).tolist()
        faults = [
            _drawn(order[place % len(order)], able, self.usual.scales[asset], cuts[place : place + 2], rows, own)
            for place, own in enumerate(draws.tolist())
        ]
        return [
            self._spread(fault, able["process"], asset, number, place) if fault.kind == "process" else fault
            for place, fault in enumerate(faults)
        ]

    def _spread(self, fault: _Fault, able: Whole, asset: int, number: int, place: int) -> _Fault:
        """Let a fault move other features, too: two in all at least, and each up or down."""
        drawn = np.empty((1, 2 * len(able) + 1))
        philox.uniforms(self.keys, number, _STREAM + 1 + place, drawn)
        many = 1 + int(drawn[0, -1] * (len(able) - 1))
        order, sizes = drawn[0, : len(able)], drawn[0, len(able) : -1]
        others = [i for i in np.argsort(order, kind="stable") if able[i] != fault.feature][:many]
        least, unit = _KINDS["process"].sizes, self.usual.scales[asset]
        assert least is not None
        most = abs(fault.deviations)
        moved = []
        for i in others:
            way = 2.0 * sizes[i] - 1.0  # the sign is the direction
            moved.append((int(able[i]), float(np.sign(way) * least[0] * (most / least[0]) ** abs(way) * unit[able[i]])))
        return fault._replace(others=tuple(moved))


def _drawn(
    kind: str, able: dict[str, Whole], scales: Floats, room: Sequence[int], rows: int, draws: Sequence[float]
) -> _Fault:
    """Return one fault that lies within a room."""
    where, long, when, large, sign, elsewhere = draws
    feature = int(able[kind][int(where * len(able[kind]))])
    width = room[1] - room[0]
    if kind == "spike":
        length = 1 + int(long * SPIKES)
    else:
        length = max(round(width * SHORTEST * (LONGEST / SHORTEST) ** long), 3)
    onset = room[0] + int(when * (width - length))  # a clean row at least comes after it
    sizes = _KINDS[kind].sizes
    deviations = np.nan if sizes is None else sizes[0] * (sizes[1] / sizes[0]) ** large
    if sign < 0.5 and kind != "variance":  # more noise has no direction
        deviations = -deviations
    before = max(onset - length + 1, 0)
    source = int(elsewhere * (before + max(rows - onset - 2 * length + 1, 0)))
    source = source if source < before else source - before + onset + length
    return _Fault(kind, feature, onset, onset + length, source, float(deviations * scales[feature]), float(deviations))


def _injections(parts: Sequence[Sequence[_Fault]]) -> injection.Injections:
    """Return what is to be done, a fault that moves several features as several."""
    whole = [[own for fault in part for own in _each(fault)] for part in parts]
    every = [fault for part in whole for fault in part]
    offsets = np.cumsum([0, *map(len, whole)]).astype(np.int64)
    return injection.Injections(
        offsets=offsets,
        kinds=np.array([_KINDS[fault.kind].number for fault in every], np.int64),
        features=np.array([fault.feature for fault in every], np.int64),
        onsets=np.array([fault.onset for fault in every], np.int64),
        ends=np.array([fault.end for fault in every], np.int64),
        sources=np.array([fault.source for fault in every], np.int64),
        sizes=np.array([fault.size for fault in every]),
    )


def _each(fault: _Fault) -> list[_Fault]:
    return [fault, *(fault._replace(feature=feature, size=size) for feature, size in fault.others)]


def _changes(panel: Panel, values: NDArray[Any], parts: Sequence[Sequence[_Fault]]) -> list[bool]:
    """Return which faults change a reading; where all are missing, or were the same already, there is none."""
    found = []
    for begin, part in zip(panel.offsets.tolist(), parts, strict=False):
        for fault in part:
            rows = slice(begin + fault.onset, begin + fault.end)
            before, after = panel.values[fault.feature, rows], values[fault.feature, rows]
            found.append(bool(((before != after) & ~np.isnan(before)).any()))
    return found


def _truth(panel: Panel, parts: Sequence[Sequence[_Fault]], time_type: pa.DataType | None) -> pl.DataFrame:
    asset = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    onsets = np.array([fault.onset for part in parts for fault in part], np.int64)
    lasts = np.array([fault.end - 1 for part in parts for fault in part], np.int64)
    first, last = panel.offsets[asset] + onsets, panel.offsets[asset] + lasts
    ends: list[Any] = [onsets, lasts]
    if panel.times is not None:
        ends = [panel.times[first], panel.times[last]]
        if time_type is not None:
            ends = [pl.Series(restore_times(times, time_type)) for times in ends]
    every = [fault for part in parts for fault in part]
    return pl.DataFrame(
        {
            "asset": pl.Series(panel.keys).gather(asset),
            "feature": [panel.features[fault.feature] for fault in every],
            "kind": [fault.kind for fault in every],
            "onset": ends[0],
            "end": ends[1],
            "size": pl.Series([fault.deviations for fault in every], dtype=pl.Float64).fill_nan(None),
            "first_row": first,
            "last_row": last,
        }
    )


def _check(kinds: Sequence[str], faults: int, panel: Panel, usual: Panel) -> None:
    if not kinds:
        raise ParameterError("kinds must name at least one kind of fault")
    for kind in kinds:
        if kind not in KINDS:
            raise ParameterError(f"no fault {kind!r}{did_you_mean(kind, KINDS)}")
    check_whole("faults", faults, 1)
    if not panel.keys.equals(usual.keys) or panel.features != usual.features:
        raise DataError("faults need the usual readings of the same assets and features, in the same order")
