"""Affiliation is that of the slow twin and of the paper's example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import affiliation as slow
from tocsin.kernels.affiliation import affiliations
from tocsin.kernels.runs import incidents


def marked(rows, runs):
    """Return rows of which some half-open runs are true."""
    found = np.zeros(rows, np.bool_)
    for start, stop in runs:
        found[start:stop] = True
    return found


def fast(labels, alerts):
    return affiliations(*incidents(labels, 0), *incidents(alerts, 0), len(labels))


@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.sampled_from([0.05, 0.3]), st.sampled_from([0.0, 0.05, 0.4]))
def test_affiliation_is_that_of_the_twin(seed, rows, share, alert_share):
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.random(rows) < share, rng.integers(1, 6, rows))[:rows]
    labels[rng.integers(rows)] = True
    alerts = np.repeat(rng.random(rows) < alert_share, rng.integers(1, 4, rows))[:rows]
    precision, recall = fast(labels, alerts)
    expected = slow.affiliation(labels, alerts)
    present = precision[~np.isnan(precision)]
    found = (present.mean() if len(present) else np.nan, recall.mean())
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_example_of_the_paper():
    minutes = 180
    labels = marked(minutes, [(0, 10), (50, 70), (170, 175)])
    alerts = marked(minutes, [(5, 6), (7, 10), (11, 12), (40, 60), (115, 130), (135, 140), (165, 170)])
    precision, recall = fast(labels, alerts)
    assert precision[1] == pytest.approx(0.672222222)
    assert recall[1] == pytest.approx(0.944444444)


def test_an_event_without_an_alert_in_its_zone_has_no_precision_and_no_recall():
    precision, recall = fast(marked(40, [(2, 5), (30, 35)]), marked(40, [(2, 5)]))
    assert precision[0] == recall[0] == 1.0
    assert np.isnan(precision[1])
    assert recall[1] == 0.0
