"""Events and incidents are gathered as their definition says, row by row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernels.runs import events, first_alerts, incidents, touching

marks = st.lists(st.sampled_from([0, 1, 1, -1]), max_size=40).map(lambda rows: np.array(rows, np.int8))


def slow_events(labels, judged):
    """Walk over the rows of known label, and keep the runs of ones with a judged row."""
    found, before = [], 0
    for row, label in enumerate(labels):
        if label == 1 and before != 1:
            found.append([])
        if label == 1:
            found[-1].append(row)
        before = before if label == -1 else label
    return [(rows[0], rows[-1] + 1) for rows in found if any(judged[row] for row in rows)]


@given(marks, st.integers(0, 2**32 - 1))
def test_events_bridge_what_is_not_known_and_need_a_judged_row(labels, seed):
    judged = (labels >= 0) & (np.random.default_rng(seed).random(len(labels)) < 0.6)
    assert list(zip(*events(labels, judged), strict=True)) == slow_events(labels, judged)


@given(marks, st.integers(0, 4))
def test_incidents_end_after_enough_quiet_rows(labels, quiet):
    alerts = labels == 1
    rows = np.flatnonzero(alerts)
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > quiet + 1) + 1) if len(rows) else []
    assert list(zip(*incidents(alerts, quiet), strict=True)) == [(part[0], part[-1] + 1) for part in parts]


@given(marks, marks, st.integers(0, 3))
def test_what_touches_and_what_comes_first(labels, other, quiet):
    rows = min(len(labels), len(other))
    mine, alerts = labels[:rows] == 1, other[:rows] == 1
    starts, stops = incidents(mine, 0)
    low, high = incidents(alerts, quiet)
    runs = list(zip(low, high, strict=True))
    expected = sum(any(a < stop and start < b for a, b in runs) for start, stop in zip(starts, stops, strict=True))
    assert touching(starts, stops, low, high) == expected
    within = [np.flatnonzero(alerts[start:stop]) for start, stop in zip(starts, stops, strict=True)]
    first = [start + hits[0] if len(hits) else -1 for start, hits in zip(starts, within, strict=True)]
    assert first_alerts(alerts, starts, stops).tolist() == first
