"""Made-up signals: a list of parts for each signal is added up, and any rows of any asset can be had without the rest.

Parts that remember earlier rows begin anew at the start of each block of rows, far enough before it that what lies
still further back does not matter. A value therefore depends on the seed, the asset, the feature and the row alone,
whatever part of a fleet is asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.fma import fma
from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.noise import Values, add_noise, add_wave, normal_at
from tocsin.kernels.philox import WORDS, Keys, Words, uniform_at

LEVEL, TREND, SEASON, NOISE, SHARED, REGIMES, DUTY, GAPS = range(8)
"""Kinds of parts; `Parts` says what each takes."""
TAKES = 6
"""How many numbers a part takes at the most."""
MARGIN = 1 << 20
"""How many rows there are before the first one, for what came before it."""

OWN, DRAWS, FAULTS, DECOY = (np.int64(first) for first in (0, 1 << 16, 1 << 17, 1 << 18))
"""Where the streams begin that a feature draws from: noise, what differs between assets, faults, and a false factor."""
FACTORS = 1 << 31
"""The number of the first shared factor, among the features'."""

_ONLY = np.int64(0)


class Parts(NamedTuple):
    """What signals are made of: the factors that sensors share, then the sensors.

    Parameters
    ----------
    offsets : ndarray of shape (n_factors + n_sensors + 1,), int64
        Signal i has the parts ``offsets[i]:offsets[i + 1]``.
    kinds : ndarray of shape (n_parts,), int64
    numbers : ndarray of shape (n_parts, TAKES), float64
        By kind:

        LEVEL value, spread among assets; TREND growth a row, spread among assets;
        SEASON amplitude, phase in turns, spread of it among assets, period; NOISE its kind, deviation, what is kept
        from row to row, degrees of freedom, rows that are remembered; SHARED factor, weight, delay in rows;
        REGIMES size, rows, how many; DUTY size, start, share, jitter, period; GAPS probability, rows, longest.
    digits : ndarray of shape (n_sensors,), float64
        What a sensor's readings are multiples of 1 over; 0 where they are not rounded.
    n_factors, block, delay : int
        How many factors there are, the rows of a block, and the longest delay.
    """

    offsets: NDArray[np.int64]
    kinds: NDArray[np.int64]
    numbers: NDArray[np.float64]
    digits: NDArray[np.float64]
    n_factors: int
    block: int
    delay: int


class Scratch(NamedTuple):
    """Room for one thread to work in."""

    words: Words
    noise: Values
    cycle: Values
    factors: NDArray[np.float32]


@kernel
def scratch(parts: Parts) -> Any:
    """Make room for `fill`."""
    remembered = 0
    for part in range(parts.kinds.size):
        if parts.kinds[part] == NOISE:
            remembered = max(remembered, int(parts.numbers[part, 4]))
    longest = parts.block + parts.delay
    return Scratch(
        np.empty(2 * WORDS, np.uint32),
        np.empty(longest + remembered, np.float32),
        np.empty(longest, np.float32),
        np.empty((parts.n_factors, longest), np.float32),
    )


@inlined
def factors(keys: Keys, parts: Parts, asset: int, origin: int, stop: int, decoy: int, room: Scratch) -> None:
    """Fill the room's factors for a block's rows up to `stop`, and as many rows before the block as the longest delay.

    `decoy` is OWN for the factors that sensors share, else the start of streams of which nobody else knows.
    """
    first = origin - parts.delay
    for factor in range(parts.n_factors):
        out = room.factors[factor, : stop - first]
        add_up(keys, parts, factor, asset, FACTORS + factor, decoy, first, first, room, out)


@kernel
def add_up(
    keys: Keys, parts: Parts, signal: int, asset: int, feature: int, base: int, origin: int, start: int,
    room: Scratch, out: Values,
) -> None:  # fmt: skip
    """Set `out` to the rows from `start` on of a signal; they lie in the block that begins at `origin`.

    The room holds the block's factors, if the signal has a share in them.
    """
    level = np.float32(_level(keys, parts, signal, asset, feature, base))
    begun = _repeating(parts, signal, room.cycle.size)
    if begun < 0:
        out[:] = level
    else:
        numbers, stream = parts.numbers[begun], base + begun - parts.offsets[signal]
        _repeat(numbers, _phase(keys, numbers, asset, feature, stream, base), start, level, True, room.cycle, out)
    for part in range(parts.offsets[signal], parts.offsets[signal + 1]):
        kind, numbers = parts.kinds[part], parts.numbers[part]
        stream = base + part - parts.offsets[signal]
        if part == begun:
            continue
        if kind == TREND:
            slope = float(numbers[0]) + _own(keys, asset, feature, stream, numbers[1])
            for i in range(out.size):
                out[i] = np.float32(out[i] + slope * float(start + i))
        elif kind == SEASON:
            phase = _phase(keys, numbers, asset, feature, stream, base)
            if _repeats(numbers[3], room.cycle.size):
                _repeat(numbers, phase, start, np.float32(0.0), False, room.cycle, out)
            else:
                add_wave(numbers[0], phase, _step(numbers[3]), start, out)
        elif kind == NOISE:
            _add_noise(keys, numbers, asset, feature, stream, origin, start, room, out)
        elif kind == SHARED:
            begin = start - int(numbers[2]) - origin + parts.delay
            _add(room.factors[int(numbers[0])][begin:], np.float32(numbers[1]), out)
        elif kind == REGIMES:
            _add_regimes(keys, numbers, asset, feature, stream, start, out)
        elif kind == DUTY:
            _add_duty(keys, numbers, asset, feature, stream, start, out)
        elif kind == GAPS:
            _cut_gaps(keys, numbers, asset, feature, stream, start, out)


@inlined
def _level(keys: Keys, parts: Parts, signal: int, asset: int, feature: int, base: int) -> float:
    """Return where a signal rests, all its levels together."""
    level = 0.0
    for part in range(parts.offsets[signal], parts.offsets[signal + 1]):
        if parts.kinds[part] == LEVEL:
            numbers, stream = parts.numbers[part], base + part - parts.offsets[signal]
            level += numbers[0] + _own(keys, asset, feature, stream, numbers[1])
    return level


@inlined
def to_digits(digits: float, out: Values) -> None:
    """Round readings as a sensor does that has no more digits to tell."""
    if digits > 0.0:
        for i in range(out.size):
            out[i] = np.float32(np.rint(out[i] * digits) / digits)


@inlined
def _own(keys: Keys, asset: int, feature: int, stream: int, spread: float) -> float:
    """Return by how much an asset differs from the others."""
    return 0.0 if spread == 0.0 else spread * normal_at(keys, asset, feature, DRAWS + stream, _ONLY)


@kernel
def turns(share: float) -> int:
    """Return a share of a turn, positive or not, in units of which a turn has 2^64."""
    share -= np.floor(share)
    return np.uint64(share * 2.0**63) << np.uint64(1)


@inlined
def _phase(keys: Keys, numbers: NDArray[np.float64], asset: int, feature: int, stream: int, base: int) -> int:
    """Return where a season is at row 0; a factor that is nobody else's may be anywhere in it."""
    spread = float(numbers[2]) if base == OWN else 1.0
    return turns(float(numbers[1]) + spread * (uniform_at(keys, asset, feature, DRAWS + stream, _ONLY) - 0.5))


@kernel
def _step(period: float) -> int:
    """Return how far a season turns in a row, of 2^64."""
    return np.uint64(np.rint(2.0**63 / period)) << np.uint64(1)


@inlined
def _repeats(period: float, room: int) -> bool:
    """Return whether a cycle is a whole number of rows, and there is room for it."""
    return period == np.floor(period) and period <= room


@inlined
def _repeating(parts: Parts, signal: int, room: int) -> int:
    """Return a signal's first season whose cycle can be repeated, -1 if it has none."""
    found = -1
    for part in range(parts.offsets[signal], parts.offsets[signal + 1]):
        if found < 0 and parts.kinds[part] == SEASON and _repeats(parts.numbers[part, 3], room):
            found = part
    return found


@kernel
def _repeat(
    numbers: NDArray[np.float64], phase: int, start: int, level: float, fresh: bool, cycle: Values, out: Values
) -> None:
    """Set `out` to a level and a season, or if it is not `fresh` add them: one cycle is computed and repeated."""
    step, whole = _step(numbers[3]), int(numbers[3])
    place, done = start % whole, 0
    cycle[:whole] = level
    if out.size >= whole:
        add_wave(numbers[0], phase, step, _ONLY, cycle[:whole])
    while done < out.size:
        run = min(whole - place, out.size - done)
        if out.size < whole:
            add_wave(numbers[0], phase, step, place, cycle[place : place + run])
        if fresh:
            _set(cycle[place : place + run], out[done : done + run])
        else:
            _add(cycle[place : place + run], np.float32(1.0), out[done : done + run])
        done += run
        place = 0


@inlined
def _add_noise(
    keys: Keys, numbers: NDArray[np.float64], asset: int, feature: int, stream: int, origin: int, start: int,
    room: Scratch, out: Values,
) -> None:  # fmt: skip
    kind, scale, keep, freedom, remembered = int(numbers[0]), numbers[1], numbers[2], numbers[3], int(numbers[4])
    first, noise = start, out
    if keep > 0.0:
        first = origin - remembered
        noise = room.noise[: start + out.size - first]
        noise[:] = np.float32(0.0)
    new = scale * np.sqrt(1.0 - keep * keep)
    add_noise(kind, new, freedom, keys, asset, feature, stream, first + MARGIN, room.words, noise)
    if keep == 0.0:
        return
    kept, last = np.float32(keep), np.float32(0.0)
    for i in range(noise.size):
        last = fma(kept, last, noise[i])
        noise[i] = last
    _add(noise[start - first :], np.float32(1.0), out)


@kernel
def _set(signal: Values, out: Values) -> None:
    """Copy; a loop is faster than a slice that is assigned to."""
    for i in range(out.size):
        out[i] = signal[i]


@kernel
def _add(signal: Values, weight: Any, out: Values) -> None:
    """Add the first rows of another signal, times a weight."""
    for i in range(out.size):
        out[i] = fma(weight, signal[i], out[i])


@inlined
def _add_regimes(
    keys: Keys, numbers: NDArray[np.float64], asset: int, feature: int, stream: int, start: int, out: Values
) -> None:
    """Add one of several levels; in each stretch of so many rows there is one change, at a row that is drawn."""
    size, rows, many = numbers[0], int(numbers[1]), numbers[2]
    row, stop = start + MARGIN, start + MARGIN + out.size
    while row < stop:
        stretch = row // rows
        change = stretch * rows + int(uniform_at(keys, asset, feature, DRAWS + stream, stretch) * rows)
        number = stretch if row >= change else stretch - 1
        end = min(change if row < change else (stretch + 1) * rows, stop)
        regime = np.floor(uniform_at(keys, asset, feature, OWN + stream, number + 1) * many)
        level = np.float32(size * regime / (many - 1.0))
        for i in range(row, end):
            out[i - start - MARGIN] += level
        row = end


@inlined
def _add_duty(
    keys: Keys, numbers: NDArray[np.float64], asset: int, feature: int, stream: int, start: int, out: Values
) -> None:
    """Add a level while the asset is at work: a share of each cycle, beginning about when it always does."""
    size, begin, share, jitter, period = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    level, stop = np.float32(size), start + out.size
    cycle = int(np.floor(start / period)) - 1
    while (cycle - jitter + begin) * period < stop:
        early = 2.0 * uniform_at(keys, asset, feature, DRAWS + stream, cycle + MARGIN) - 1.0
        on = cycle + begin + jitter * early
        for row in range(max(int(np.ceil(on * period)), start), min(int(np.ceil((on + share) * period)), stop)):
            out[row - start] += level
        cycle += 1


@inlined
def _cut_gaps(
    keys: Keys, numbers: NDArray[np.float64], asset: int, feature: int, stream: int, start: int, out: Values
) -> None:
    """Lose a run of rows in some of the stretches of so many rows."""
    probability, rows, longest = numbers[0], int(numbers[1]), numbers[2]
    stop = start + out.size
    for stretch in range((start + MARGIN) // rows, (stop + MARGIN - 1) // rows + 1):
        place = 3 * stretch
        if uniform_at(keys, asset, feature, DRAWS + stream, place) < probability:
            run = 1 + int(uniform_at(keys, asset, feature, DRAWS + stream, place + 1) * longest)
            room = rows - run + 1
            begin = stretch * rows - MARGIN + int(uniform_at(keys, asset, feature, DRAWS + stream, place + 2) * room)
            for row in range(max(begin, start), min(begin + run, stop)):
                out[row - start] = np.float32(np.nan)
