"""Philox is Random123's, and each word is a function of its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.philox import COUNTERS, WORDS, keys, uniform_at, uniforms, words, words_at

# From Random123's kat_vectors: counter, key, words of philox4x32 with 10 rounds.
KNOWN = [
    ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, 0xFFFFFFFF_FFFFFFFF, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0_A4093822,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter, key, expected):
    index = counter[0] | counter[1] >> 24 << 32
    found = words_at(keys(key), counter[3], counter[2], counter[1] & 0xFFFFFF, index)
    assert tuple(int(word) for word in found) == expected


@settings(max_examples=5)
@given(
    seed=st.integers(0, 2**64 - 1),
    asset=st.integers(0, 2**32 - 1),
    feature=st.integers(0, 2**32 - 1),
    stream=st.integers(0, 2**24 - 1),
    group=st.integers(0, 2**31),
)
def test_many_words_at_once_are_those_of_their_counters(seed, asset, feature, stream, group):
    out = np.empty(WORDS, np.uint32)
    words(keys(seed), asset, feature, stream, group, out)
    for counter in (0, 1, 63, 64, 200, 255):
        one = words_at(keys(seed), asset, feature, stream, group * COUNTERS + counter)
        assert out[counter::COUNTERS].tolist() == [int(word) for word in one]


def test_uniforms_are_uniform():
    drawn = np.empty((50, 40))
    uniforms(keys(3), 7, 5, drawn)
    assert drawn[4, 9] == uniform_at(keys(3), 11, 0, 5, 9)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert len(np.unique(drawn)) == drawn.size
    assert drawn.mean() == pytest.approx(0.5, abs=5 * 12**-0.5 * drawn.size**-0.5)
