"""Faults put into made-up signals, and whole fleets filled with both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import inlined, kernel
from tocsin.kernels.noise import NORMAL, Values, add_noise, add_wave
from tocsin.kernels.philox import Keys, uniform_at
from tocsin.kernels.signals import (
    DECOY,
    FAULTS,
    MARGIN,
    OWN,
    SHARED,
    Parts,
    Scratch,
    add_up,
    factors,
    scratch,
    to_digits,
)

SPIKE, SHIFT, DRIFT, VARIANCE, STUCK, SEASON, CORRELATION, CONTACT = range(8)
"""Kinds of faults. Spikes and shifts are one thing of different lengths."""


class Faults(NamedTuple):
    """What is wrong with a run of assets; what befalls one feature is done in the order of the arrays.

    Parameters
    ----------
    offsets : ndarray of shape (n_assets + 1,), int64
        Asset i has the faults ``offsets[i]:offsets[i + 1]``.
    kinds, features, onsets, ends, numbers : ndarray of shape (n_faults,), int64
        `ends` are the first rows after the faults; `numbers` count the faults of an asset, over all that it has.
    sizes : ndarray of shape (n_faults,), float64
        In the unit of the readings.
    steps : ndarray of shape (n_faults,), uint64
        How far a changed season turns in a row, of 2^64.
    """

    offsets: NDArray[np.int64]
    kinds: NDArray[np.int64]
    features: NDArray[np.int64]
    onsets: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    sizes: NDArray[np.float64]
    steps: NDArray[np.uint64]


@kernel
def fill(
    keys: Keys, parts: Parts, faults: Faults, first_asset: int, first_feature: int, start: int, rows: int,
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Fill `out` of shape (n_features, n_assets * rows) with rows `start` onwards of some assets and features.

    Cost: a normal value takes about 0.7 ns on one core, a sine 0.1 to 0.3 ns, noise that remembers 2 ns and more.
    """
    room, other = scratch(parts), scratch(parts)
    for place in range(out.shape[1] // max(rows, 1)):
        asset, stop = first_asset + place, start + rows
        origin = start // parts.block * parts.block
        while origin < stop:
            low, high = max(start, origin), min(stop, origin + parts.block)
            factors(keys, parts, asset, origin, high, OWN, room)
            for feature in range(out.shape[0]):
                begin = place * rows + low - start
                target = out[feature, begin : begin + high - low]
                number = first_feature + feature
                add_up(keys, parts, parts.n_factors + number, asset, number, OWN, origin, low, room, target)
                for fault in range(faults.offsets[place], faults.offsets[place + 1]):
                    if faults.features[fault] == number:
                        _add(keys, parts, faults, place, fault, asset, origin, low, room, other, target)
                to_digits(parts.digits[number], target)
            origin += parts.block


@inlined
def _add(
    keys: Keys, parts: Parts, faults: Faults, place: int, fault: int, asset: int, origin: int, start: int,
    room: Scratch, other: Scratch, out: Values,
) -> None:  # fmt: skip
    """Do to the rows from `start` on what a fault does; they lie in the block that begins at `origin`."""
    onset, end = faults.onsets[fault], faults.ends[fault]
    low, high = max(onset, start), min(end, start + out.size)
    if low >= high:
        return
    hit = out[low - start : high - start]
    if faults.kinds[fault] == STUCK:
        hit[:] = _value_at(keys, parts, faults, place, fault, asset, onset, other)
    elif faults.kinds[fault] == CORRELATION:
        _part_from_factors(keys, parts, faults, fault, asset, origin, low, room, other, hit)
    else:
        _change(keys, faults, fault, asset, low, hit)


@inlined
def _change(keys: Keys, faults: Faults, fault: int, asset: int, start: int, hit: Values) -> None:
    """Do what a fault does to readings that it needs to know nothing else of."""
    kind, size, onset, end = faults.kinds[fault], faults.sizes[fault], faults.onsets[fault], faults.ends[fault]
    feature, stream = faults.features[fault], FAULTS + faults.numbers[fault]
    if kind in (SPIKE, SHIFT):
        for i in range(hit.size):
            hit[i] = np.float32(hit[i] + size)
    elif kind == DRIFT:
        for i in range(hit.size):
            hit[i] = np.float32(hit[i] + size * (start + i + 1 - onset) / (end - onset))
    elif kind == VARIANCE:
        words = np.empty(2048, np.uint32)
        add_noise(NORMAL, size, 0.0, keys, asset, feature, stream, start + MARGIN, words, hit)
    elif kind == SEASON:
        add_wave(size, np.uint64(0), faults.steps[fault], start, hit)
    elif kind == CONTACT:
        for i in range(hit.size):
            if uniform_at(keys, asset, feature, stream, start + i) < 0.5:
                hit[i] = np.float32(0.0)


@inlined
def _value_at(
    keys: Keys, parts: Parts, faults: Faults, place: int, stuck: int, asset: int, row: int, room: Scratch
) -> float:
    """Return the reading at one row with all faults that come before a stuck one."""
    feature, origin = faults.features[stuck], row // parts.block * parts.block
    factors(keys, parts, asset, origin, row + 1, OWN, room)
    value = np.empty(1, np.float32)
    add_up(keys, parts, parts.n_factors + feature, asset, feature, OWN, origin, row, room, value)
    for fault in range(faults.offsets[place], stuck):
        covers = faults.onsets[fault] <= row < faults.ends[fault]
        if covers and faults.features[fault] == feature and faults.kinds[fault] not in (STUCK, CORRELATION):
            _change(keys, faults, fault, asset, row, value)
    return value[0]


@inlined
def _part_from_factors(
    keys: Keys, parts: Parts, faults: Faults, fault: int, asset: int, origin: int, start: int, room: Scratch,
    other: Scratch, hit: Values,
) -> None:  # fmt: skip
    """Let a sensor follow factors that look like its own but are nobody else's."""
    feature = faults.features[fault]
    factors(keys, parts, asset, origin, start + hit.size, DECOY + 256 * faults.numbers[fault], other)
    signal = parts.n_factors + feature
    for part in range(parts.offsets[signal], parts.offsets[signal + 1]):
        if parts.kinds[part] == SHARED:
            factor, weight = int(parts.numbers[part, 0]), np.float32(parts.numbers[part, 1])
            begin = start - int(parts.numbers[part, 2]) - origin + parts.delay
            for i in range(hit.size):
                hit[i] += weight * (other.factors[factor, begin + i] - room.factors[factor, begin + i])
