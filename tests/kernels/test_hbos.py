"""Counts are those of NumPy on a grid of powers of two, in whatever parts rows are learned."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference.distances import histogram
from tocsin.kernels import hbos

BINS = 8


def empty():
    return hbos.Histograms(np.full(1, np.nan), np.full(1, np.nan), np.zeros((1, BINS)))


def learned(x, known=None):
    known = known or empty()
    hbos.absorb(x[None, :].copy(), np.array([0, len(x)]), np.ones(len(x)), np.ones(1), known)
    return known


DATA = {
    "normal": np.random.default_rng(0).normal(size=60) * 5 + 3,
    "far": np.random.default_rng(1).uniform(1e6, 1e6 + 1, size=40),
    "gaps": np.where(np.arange(30) % 4 == 0, np.nan, np.linspace(-1, 2, 30)),
    "whole": np.random.default_rng(2).integers(0, 9, size=50).astype(float),
}


@pytest.mark.parametrize("name", DATA)
def test_equals_numpy(name):
    x = DATA[name]
    known = learned(x)
    power = hbos.exponent(np.nanmin(x), np.nanmax(x), BINS)
    expected = histogram(x, power)
    assert len(expected) <= BINS
    assert len(histogram(x, power - 1)) > BINS
    np.testing.assert_array_equal(known.counts[0], np.pad(expected, (0, BINS - len(expected))))


@pytest.mark.parametrize("name", DATA)
def test_parts_are_as_the_whole(name):
    x = DATA[name]
    whole, later, other = learned(x), learned(x[7:], learned(x[:7])), learned(x[:11])
    hbos.combine(other, learned(x[11:]))
    for parts in (later, other):
        for ours, theirs in zip(parts, whole, strict=True):
            np.testing.assert_array_equal(ours, theirs)
