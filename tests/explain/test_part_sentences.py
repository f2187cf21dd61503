"""Sentences of trend, season and residual."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin.explain.part_sentences import DAY, HOUR, WEEK, part_sentences


def said(part="residual", change=4.1, readings=0, span=0, **given):
    line = {"feature": "flow", "value": 12.3, "low": 7.9, "high": 8.5, "direction": "above", "limit": None}
    frame = pl.DataFrame([line | {"part": part} | given], schema_overrides={"limit": pl.Float64})
    return part_sentences(frame, np.array([change]), np.array([readings]), np.array([span]))[0]


@pytest.mark.parametrize(
    ("readings", "span", "where"),
    [
        (0, 0, "of late"),
        (24, DAY, "at this hour"),
        (60, HOUR, "at this minute"),
        (168, WEEK, "at this hour of the week"),
        (60, 0, "at this point of its cycle of 60 readings"),
        (1440, 2 * DAY, "at this point of its cycle of 1,440 readings"),
        (143, int(0.995 * DAY), "at this hour"),
    ],
)
def test_a_residual_says_how_far_it_is_from_what_is_usual_there(readings, span, where):
    assert said(readings=readings, span=span) == f"flow was 12.3, 4.1 above what is usual {where} (7.9 to 8.5)."


def test_a_residual_below_or_inside():
    below = said(value=-1.25, direction="below", change=-9.5)
    assert below == "flow was -1.25, 9.5 below what is usual of late (7.9 to 8.5)."
    inside = said(value=8.4, change=0.2)
    assert inside == "flow was 8.4, near the upper end of what is usual of late (7.9 to 8.5)."


def test_the_way_back_is_rounded_towards_normal():
    assert said(limit=8.93).endswith("(7.9 to 8.5). At 8.93 there would have been no alert.")
    assert said("trend", limit=8.93) == "flow's level has risen by 4.1 against its recent past."


def test_trend_and_season_speak_of_themselves():
    assert said("trend", -3.2, direction="below") == "flow's level has fallen by 3.2 against its recent past."
    assert said("season", 1.43, 24, DAY) == "flow's daily cycle has changed its shape, by about 1.4 a reading."
    assert said("season", 123.4, 60) == "flow's cycle of 60 readings has changed its shape, by about 123 a reading."
    assert said("trend", 0.00123) == "flow's level has risen by 0.0012 against its recent past."
