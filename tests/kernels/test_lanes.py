"""Steps over several values at once: compiled or plain, they do what NumPy does."""

import numpy as np
import pytest

from tocsin.kernels.jit import kernel
from tocsin.kernels.lanes import LANES, WORD, aligned, bits_above, gather, largest, mark_where, pick, smallest


@kernel
def _bits_above(values, at, bound):
    return bits_above(values, at, bound)


@kernel
def _mark_where(codes, bits, mark):
    mark_where(codes, bits, mark)


@kernel
def _gather(x, shift, places, at, left, values, to, low, high):
    gather(x, shift, places, at, left, values, to, low, high)


@kernel
def _extremes(lanes):
    return smallest(lanes), largest(lanes)


@kernel
def _pick(places, at, left, values, first, bound, above, to):
    return pick(places, at, left, values, first, bound, above, to)


def singles(count, seed=0):
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def test_room_begins_with_a_line_of_the_cache():
    room = aligned(100)
    assert room.shape == (100,)
    assert room.dtype == np.float32
    assert room.ctypes.data % 64 == 0


def test_each_comparison_has_its_bit():
    values = singles(WORD + 5)
    values[7] = np.nan
    word = int(_bits_above(values, 3, np.float32(0.25)))
    assert [word >> i & 1 for i in range(WORD)] == (values[3 : WORD + 3] > np.float32(0.25)).tolist()


def test_a_mark_is_set_where_a_bit_is():
    codes = np.arange(WORD, dtype=np.uint16)
    bits = np.uint64(0x8000_0000_00F0_0001)
    expected = [i | 1024 if int(bits) >> i & 1 else i for i in range(WORD)]
    _mark_where(codes, bits, np.uint16(1024))
    assert codes.tolist() == expected


@pytest.mark.parametrize("left", [1, 9, LANES, LANES + 40])
def test_values_are_gathered_and_the_extremes_of_those_that_count_are_kept(left):
    x, places = singles(400), np.random.default_rng(1).integers(0, 300, LANES + 4).astype(np.uint32)
    values = np.zeros(LANES + 2, np.float32)
    low, high = np.full(LANES, np.float32(0.5)), np.full(LANES, np.float32(0.75))
    _gather(x, 100, places, 4, left, values, 2, low, high)
    found = x[100 + places[4:].astype(np.int64)]
    count = min(left, LANES)
    assert values.tolist() == [0.0, 0.0, *found.tolist()]
    assert low.tolist() == [*np.minimum(found[:count], np.float32(0.5)), *[0.5] * (LANES - count)]
    assert high.tolist() == [*np.maximum(found[:count], np.float32(0.75)), *[0.75] * (LANES - count)]


def test_extremes_of_lanes():
    lanes = singles(LANES)
    assert tuple(float(each) for each in _extremes(lanes)) == (float(lanes.min()), float(lanes.max()))


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("left", [0, 5, LANES, 100])
def test_places_on_one_side_of_a_bound_are_picked_in_order(left, above):
    places, values = np.arange(100, 100 + 3 * LANES, dtype=np.uint32), singles(2 * LANES, 3)
    values[4] = np.nan  # above nothing
    count = min(left, LANES)
    own = places[2 : 2 + count][(values[1 : 1 + count] > np.float32(0.1)) == above].tolist()
    before = places[: 2 * LANES].tolist()
    assert _pick(places, 2, left, values, 1, np.float32(0.1), above, 2 * LANES) == len(own)
    assert places[2 * LANES : 2 * LANES + len(own)].tolist() == own
    assert places[: 2 * LANES].tolist() == before
