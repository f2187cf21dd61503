"""Events and incidents are counted as in the findings of a fleet, and delays from an event's first row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.incidents import incidents
from tocsin.evaluate.metrics.events import EventF1, EventRecall, IncidentPrecision, MeanDelay, MedianDelay, delays
from tocsin.evaluate.truth import match


def fleet(seed: int, assets: int = 4, rows: int = 300):
    """Return labels, alerts and offsets, and the same as a scores table and the truth."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((assets, rows), np.int8)
    spans = []
    for asset in range(assets):
        for start in (40, 130, 220):
            onset, length = start + int(rng.integers(30)), int(rng.integers(1, 40))
            labels[asset, onset : onset + length] = 1
            spans.append((str(asset), "x0", onset, onset + length - 1))
    alerts = rng.random((assets, rows)) < 0.02 + 0.05 * labels
    scores = pl.DataFrame(
        {
            "key": np.repeat([str(asset) for asset in range(assets)], rows),
            "time": np.tile(np.arange(rows), assets),
            "score": alerts.ravel().astype(float),
            "threshold": np.full(assets * rows, 0.5),
            "alert": alerts.ravel(),
        }
    )
    truth = pl.DataFrame(spans, schema=["asset", "feature", "onset", "end"], orient="row")
    return labels.ravel(), alerts.ravel(), np.arange(assets + 1) * rows, scores, truth


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("quiet", [0, 5, 12])
def test_events_and_incidents_are_those_of_the_findings(seed, quiet):
    labels, alerts, offsets, scores, truth = fleet(seed)
    findings = match(scores, truth, quiet)
    recall = EventRecall()(labels, alerts, offsets)
    assert recall == findings.found / len(truth)
    gathered = len(incidents(scores, quiet))
    precision = IncidentPrecision(quiet)(labels, alerts, offsets)
    assert precision == (gathered - findings.false_incidents) / gathered
    assert EventF1(quiet)(labels, alerts, offsets) == pytest.approx(2 * precision * recall / (precision + recall))


def test_delays_are_those_of_the_findings():
    labels, alerts, offsets, scores, truth = fleet(7)
    judged = match(scores, truth).faults.with_columns(delay=pl.col("first_alert") - pl.col("onset"))
    found = delays(labels, alerts, offsets)
    assert found["delay"].to_list() == judged["delay"].to_list()
    assert (found["start"] - 300 * found["series"]).to_list() == judged["onset"].to_list()
    assert (found["end"] - 300 * found["series"]).to_list() == judged["end"].to_list()
    late = judged["delay"].drop_nulls()
    value, note = MeanDelay().grade(labels, alerts, offsets)
    assert value == late.mean()
    assert note == f"{len(judged) - len(late)} of {len(judged)} events were missed and have no delay"
    assert MedianDelay()(labels, alerts, offsets) == late.median()


def test_delays_in_seconds_follow_the_times():
    times = np.array([0, 1, 5, 6], np.int64) * 10**9
    found = delays([0, 1, 1, 1], [0, 0, 1, 0], times=times)
    assert found.select("delay", "seconds").row(0) == (1, 4.0)
    with pytest.raises(DataError, match="times must be whole nanoseconds, one a row"):
        delays([0, 1], [0, 1], times=[0])


def test_an_event_goes_on_over_rows_that_are_not_known_and_ends_where_an_asset_does():
    labels = [0, 1, -1, 1, 0, 1]
    assert len(delays(labels, [0] * 6)) == 2
    assert len(delays([1, 1, 1, 1], [0] * 4, [0, 2, 4])) == 2
    assert delays([0, 1, np.nan, 1], [0, 0, 1, 1])["first_alert"].to_list() == [3]


def test_an_event_without_a_judged_row_is_left_out():
    assert EventRecall()([1, 0, 1], [1, 0, np.nan]) == 1.0


@pytest.mark.parametrize("kind", [IncidentPrecision, EventF1])
def test_quiet_must_not_be_negative(kind):
    with pytest.raises(ParameterError, match="quiet must be a whole number of at least 0, not -1"):
        kind(-1)
