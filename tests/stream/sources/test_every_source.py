"""What every source must do, whoever sends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from tests.stream.sources.harness import (
    BROKEN,
    SHAPE,
    Publisher,
    by_asset,
    drain,
    expected,
    made_up,
    opened,
    publishers,
)
from tocsin.errors import ParameterError, TocsinError
from tocsin.stream.sources.catalog import open_source

ALL = publishers()
LIVE = [kind for kind in ALL if kind.live]


def names(kind: type[Publisher]) -> str:
    return kind.__name__


@pytest.fixture
def publisher(request: pytest.FixtureRequest) -> Iterator[Publisher]:
    made = request.param.start(request)
    yield made
    made.close()


def of(kinds: list[type[Publisher]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("publisher", kinds, indirect=True, ids=names)


@of(ALL)
def test_all_rows_come_once_and_those_of_an_asset_in_order(publisher: Publisher) -> None:
    rows = made_up(500)
    for start in range(0, 500, 100):
        publisher.publish(rows[start : start + 100])
    publisher.finish()
    source = opened(publisher)
    got = drain(source, 500)
    assert got.frame.schema == expected([]).schema
    assert_frame_equal(by_asset(got.frame), by_asset(expected(rows)))
    assert sum(part.size for part in got.parts) > 0
    assert not got.dead
    assert source.ended == publisher.ends
    source.close()


@of(LIVE)
def test_rows_come_while_they_are_sent(publisher: Publisher) -> None:
    rows = made_up(60)
    publisher.publish(rows[:20])
    source = opened(publisher)
    drain(source, 20)
    publisher.publish(rows[20:50])
    drain(source, 30)
    publisher.publish(rows[50:])
    publisher.finish()
    got = drain(source, 10)
    assert_frame_equal(by_asset(got.frame), by_asset(expected(rows[50:])))
    source.close()


@of([kind for kind in ALL if kind.resumes == "anywhere"])
def test_it_goes_on_at_any_positions_that_it_gave(publisher: Publisher) -> None:
    rows, draw = made_up(300, seed=3), np.random.default_rng(1)
    publisher.publish(rows)
    publisher.finish()
    source = opened(publisher)
    before, marks = expected([]), []
    while before.height < len(rows):
        fetched = source.poll(int(draw.integers(1, 80)), 5)
        assert fetched is not None
        before = before.vstack(fetched.frame)
        marks.append((before, fetched.positions))
    source.close()
    for head, positions in [*marks[:3], *marks[len(marks) // 2 :][:3], marks[-1]]:
        again = opened(publisher, positions)
        rest = drain(again, len(rows) - head.height, most=50)
        assert_frame_equal(by_asset(head.vstack(rest.frame)), by_asset(expected(rows)))
        again.close()


@of([kind for kind in ALL if kind.resumes != "never"])
def test_what_was_not_committed_comes_again(publisher: Publisher) -> None:
    rows = made_up(100)
    publisher.publish(rows)
    publisher.finish()
    source = opened(publisher)
    first = source.poll(30, 10)
    assert first is not None
    source.committed(first.positions)
    assert source.poll(30, 10) is not None
    source.close()
    again = opened(publisher, first.positions)
    rest = drain(again, len(rows) - first.frame.height)
    assert_frame_equal(by_asset(first.frame.vstack(rest.frame)), by_asset(expected(rows)))
    again.close()


@of(ALL)
def test_positions_are_plain(publisher: Publisher) -> None:
    publisher.publish(made_up(10))
    publisher.finish()
    source = opened(publisher)
    positions = drain(source, 10).positions
    assert json.loads(json.dumps(positions)) == positions
    source.close()


@of(ALL)
def test_no_more_are_fetched_than_about_what_was_asked_for(publisher: Publisher) -> None:
    publisher.publish(made_up(400))
    publisher.finish()
    source = opened(publisher)
    got = drain(source, 400, most=40)
    assert max(part.frame.height for part in got.parts) <= 80
    source.close()


@of(ALL)
def test_what_is_there_is_returned_at_once(publisher: Publisher) -> None:
    publisher.publish(made_up(10))
    source = opened(publisher)
    fetched = source.poll(1_000_000, 3600)  # hangs where it waits for more
    assert fetched is not None
    assert fetched.frame.height > 0
    source.close()


@of(LIVE)
def test_where_nothing_comes_none_is_returned(publisher: Publisher) -> None:
    source = opened(publisher)
    assert source.poll(10, 0.05) is None
    assert source.poll(10, 0) is None
    assert not source.ended
    source.close()


@of([kind for kind in ALL if kind.dead_letters])
def test_what_cannot_be_decoded_is_set_aside(publisher: Publisher) -> None:
    rows = made_up(40)
    publisher.publish(rows[:20])
    publisher.publish_bytes(BROKEN)
    publisher.publish(rows[20:])
    publisher.finish()
    source = opened(publisher)
    got = drain(source, 40, dead=1)
    assert_frame_equal(by_asset(got.frame), by_asset(expected(rows)))
    reason, payload = got.dead[0]
    assert payload.strip() == BROKEN
    assert reason
    assert "\n" not in reason
    source.close()


@of(ALL)
def test_sensors_of_nobody_are_counted(publisher: Publisher) -> None:
    rows = [{**row, "z": 1.0} for row in made_up(30)]
    publisher.publish(rows)
    publisher.finish()
    source = opened(publisher)
    got = drain(source, 30)
    assert_frame_equal(by_asset(got.frame), by_asset(expected(rows)))
    assert got.strange["z"] > 0
    assert set(got.strange) == {"z"}
    source.close()


@of(ALL)
def test_what_is_no_finite_number_is_missing_and_counted(publisher: Publisher) -> None:
    rows = made_up(30)
    publisher.publish([*rows[:7], {**rows[7], "x": float("inf")}, *rows[8:]])
    publisher.finish()
    source = opened(publisher)
    got = drain(source, 30)
    assert_frame_equal(by_asset(got.frame), by_asset(expected([*rows[:7], {**rows[7], "x": None}, *rows[8:]])))
    assert sum(part.mended for part in got.parts) == 1
    source.close()


@of(ALL)
def test_the_lag_is_told_or_unknown(publisher: Publisher) -> None:
    publisher.publish(made_up(20))
    publisher.finish()
    source = opened(publisher)
    assert source.lag is None or source.lag >= 0
    drain(source, 20)
    assert source.lag in (None, 0)
    source.close()


@of(ALL)
def test_it_may_be_closed_twice(publisher: Publisher) -> None:
    publisher.publish(made_up(10))
    source = opened(publisher)
    source.close()
    source.close()


@of([kind for kind in ALL if kind.has_options])
def test_an_unknown_option_is_refused(publisher: Publisher) -> None:
    sign = "&" if "?" in publisher.address else "?"
    with pytest.raises(ParameterError, match="colour") as caught:
        open_source(f"{publisher.address}{sign}colour=red", SHAPE)
    assert "\n" not in str(caught.value)


@of(ALL)
def test_where_there_is_nothing_one_line_says_so(publisher: Publisher) -> None:
    with pytest.raises(TocsinError) as caught:  # noqa: PT012 - some see it when they are first asked
        source = open_source(publisher.nowhere(), SHAPE)
        try:
            source.seek({})
            source.poll(10, 1)
        finally:
            source.close()
    assert "\n" not in str(caught.value)
