"""Volumes under range-based curves are those of the slow twin, in both published forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import volumes as slow
from tocsin.kernels.runs import events
from tocsin.kernels.volumes import first_passed, volume


def fast(labels, scores, narrowest, widest, thresholds, *, current):
    places = np.linspace(0, np.count_nonzero(~np.isnan(scores)) - 1, thresholds).astype(np.int64)
    found = events(labels, ~np.isnan(scores))
    return volume(labels, first_passed(scores, places), *found, thresholds, narrowest, widest, current)


def series(seed, rows, share):
    """Return labels with both kinds of rows, in runs, and scores with ties."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.random(rows) < share, rng.integers(1, 6, rows))[:rows].astype(np.int8)
    labels[rng.integers(rows // 2)], labels[rows // 2 + rng.integers(rows // 2)] = 1, 0
    return labels, np.round(rng.random(rows) + labels * rng.random(rows) * rng.random(), rng.integers(1, 4))


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1), st.integers(4, 60), st.sampled_from([0.03, 0.2, 0.6]), st.integers(0, 12), st.booleans()
)
def test_volumes_are_those_of_the_twin(seed, rows, share, widest, current):
    labels, scores = series(seed, rows, share)
    expected = slow.volumes(labels, scores, widest, 20, current=current)
    assert fast(labels, scores, 0, widest, 20, current=current) == pytest.approx(expected, abs=1e-12)
    expected = slow.areas(labels, scores, widest, 20, current=current)
    assert fast(labels, scores, widest, widest, 20, current=current) == pytest.approx(expected, abs=1e-12)


def test_buffers_that_share_no_row_but_touch_are_two_events():
    labels = np.array([0, 1, 0, 0, 1, 0], np.int8)
    scores = np.array([0.0, 0.9, 0.1, 0.0, 0.2, 0.3])
    assert fast(labels, scores, 2, 2, 6, current=True) == pytest.approx(slow.areas(labels, scores, 2, 6), abs=1e-12)


def test_a_row_without_a_score_counts_neither_way_but_keeps_its_place():
    labels, scores = series(1, 60, 0.1)
    quiet = np.flatnonzero(labels == 0)[-1]
    gone = scores.copy()
    gone[quiet] = np.nan
    found = fast(labels, gone, 0, 8, 20, current=True)
    assert found != fast(labels, scores, 0, 8, 20, current=True)
    relabelled = labels.copy()
    relabelled[quiet] = -1
    assert fast(relabelled, gone, 0, 8, 20, current=True) == found
