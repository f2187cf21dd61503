"""Asking for one reading: of which asset, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest

from tests.fleet.conftest import make_readings
from tocsin import Fleet
from tocsin.errors import ParameterError, UnknownAssetError

BERLIN = "Europe/Berlin"


def hours(zone):
    """Return a reading an hour from 2024-07-01 on, by the clocks of a zone."""
    start = datetime(2024, 7, 1)
    times = pl.datetime_range(start, start + timedelta(hours=99), "1h", eager=True).dt.replace_time_zone(zone)
    return pl.DataFrame({"at": times, "x": np.random.default_rng(0).normal(size=100)})


def found(frame, at):
    return Fleet(time="at").fit(frame).explain_at(frame, at=at)["time"][0]


@pytest.mark.parametrize("zone", [None, "UTC", BERLIN])
@pytest.mark.parametrize("at", ["2024-07-02 10:20", "2024-07-02T09:40:00", datetime(2024, 7, 2, 10, 10)])
def test_a_time_without_a_zone_is_in_that_of_the_source(zone, at):
    assert found(hours(zone), at).replace(tzinfo=None) == datetime(2024, 7, 2, 10)


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/New_York"])
@pytest.mark.parametrize(
    "at",
    [
        "2024-07-02T10:00:00Z",
        "2024-07-02 12:00:00+02:00",
        datetime(2024, 7, 2, 10, tzinfo=UTC),
        datetime(2024, 7, 2, 12, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_time_with_a_zone_is_that_moment(zone, at):
    assert found(hours(zone), at) == datetime(2024, 7, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize("at", ["2024-07-03", date(2024, 7, 3)])
def test_a_date_is_its_first_moment(at):
    assert found(hours(BERLIN), at).replace(tzinfo=None) == datetime(2024, 7, 3)
    days = hours(None)[::24].with_columns(pl.col("at").dt.date())
    assert found(days, at) == date(2024, 7, 3)


def test_what_is_printed_finds_its_reading():
    frame = hours(BERLIN)
    for time in frame["at"][::7]:
        assert found(frame, str(time.replace(tzinfo=None))) == found(frame, str(time)) == time


@pytest.mark.parametrize(
    ("at", "time"), [(40, 40), ("40", 40), ("41.0", 40), (4.2e1, 40), (-(10**30), 0), ("1e40", 990), (45.5, 50)]
)
def test_whole_numbers(at, time):
    assert found(hours(None).with_columns(at=pl.int_range(100) * 10), at) == time


def test_whole_numbers_that_no_float_holds():
    first = 2**60 + 1
    assert found(hours(None).with_columns(at=pl.int_range(100) + first), str(first + 3)) == first + 3


@pytest.mark.parametrize("at", ["yesterday", "", 5, "nan", "2024-13-01", timedelta(1)])
def test_what_is_no_time(at):
    with pytest.raises(ParameterError, match="is not a time such as"):
        found(hours(BERLIN), at)


@pytest.mark.parametrize("at", ["yesterday", "nan", "inf", "-inf", datetime(2024, 7, 1)])
def test_what_is_no_whole_number(at):
    with pytest.raises(ParameterError, match="is not a time such as 0"):
        found(hours(None).with_columns(at=pl.int_range(100)), at)


@pytest.fixture
def one_a_panel(monkeypatch):
    """Let each panel hold one asset only."""
    whole = Fleet._open

    def opened(*args):
        readings = whole(*args)
        panels = readings.panels
        readings.panels = lambda: panels(1)
        return readings

    monkeypatch.setattr(Fleet, "_open", opened)


@pytest.mark.parametrize("panels", ["all in one", "one each"])
def test_which_asset(panels, fleet, readings, request):
    if panels == "one each":
        request.getfixturevalue("one_a_panel")
    with pytest.raises(ParameterError, match=r"which asset\? say one of pump 0, "):
        fleet.explain_at(readings)
    with pytest.raises(UnknownAssetError, match="no readings of asset 'Pump 22' in the source; did you mean 'pump 2'"):
        fleet.explain_at(readings, "Pump 22")
    assert set(fleet.explain_at(readings, "pump 3")["key"]) == {"pump 3"}
    assert set(fleet.explain_at(readings.filter(pl.col("pump") == "pump 2"))["key"]) == {"pump 2"}


def test_the_only_asset_of_a_fleet_need_not_be_said(readings):
    fleet = Fleet(key="pump", time="at").fit(readings.filter(pl.col("pump") == "pump 3"))
    assert set(fleet.explain_at(readings)["key"]) == {"pump 3"}
    with pytest.raises(UnknownAssetError, match="no model of asset 'pump 1'; did you mean 'pump 3'"):
        fleet.explain_at(readings, "pump 1")
    with pytest.raises(UnknownAssetError, match="no readings of asset 'pump 3' in the source"):
        fleet.explain_at(make_readings(assets=2))
