"""What is kept depends on the rows alone: not on batches, restarts or commits that failed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.insights import streams
from tests.insights.streams import SENSORS, START
from tocsin.errors import DataError, StoreError, StoreFullError
from tocsin.insights import ask, records
from tocsin.insights.base import Span, Store
from tocsin.insights.recorder import Keep, Recorder

Open = Callable[..., Store]
ALL = Span(b"i/", b"i0")
DAY = 86_400 * 10**9


def content(store: Store) -> dict[bytes, bytes]:
    return dict(store.scan(ALL))


def unplaced(store: Store) -> dict[bytes, bytes]:
    """Return what a store holds but for the order in which assets came, which batches that hold several may change."""
    return {
        key: value for key, value in store.scan(ALL) if key[:4] not in (records.BOARD, records.VALUES, records.NAMES)
    }


@pytest.fixture
def folder(tmp_path: Path, opened: Open) -> Callable[[str], Store]:
    return lambda name: opened(f"lmdb://{tmp_path / name}?size=64MB&sync=never")


cuttings = st.lists(st.integers(1, 599), max_size=8, unique=True).map(lambda cuts: [0, *sorted(cuts), 600])


@given(cuts=cuttings, seconds=st.sampled_from([1.0, 60.0, 3000.0]), restarts=st.booleans())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cutting_and_restarts_give_the_same_bytes(folder, cuts, seconds, restarts):
    rows = streams.rows(600, seconds=seconds)
    one, other = folder("one"), folder("other")
    for store in (one, other):
        store.commit([], [], [ALL])
    first = [0, 50, 600]  # by then all assets have come, in the order of their names
    streams.recorded(one, rows, first)
    recorder = None
    for a, b in pairwise(cuts):
        if recorder is None or restarts:
            recorder = Recorder(other, SENSORS)
            recorder.resume()
        streams.recorded(other, rows, [a, b], recorder)
    found, expected = unplaced(other), unplaced(one)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if key.startswith(records.ASSET[0]):
            slotless = [np.frombuffer(raw, records.HEAD, 1).copy() for raw in (value, found[key])]
            assert value[64:] == found[key][64:]
            for head in slotless:
                head["slot"] = 0
            assert slotless[0] == slotless[1]
        else:
            assert value == found[key], key


def test_windows_follow_in_any_turn(store: Store, folder: Callable[[str], Store]):
    """Each asset's windows are put down now and then, some together; in the end all is as if it was at once."""
    rows, rng = streams.rows(3000, assets=6, seconds=20.0), np.random.default_rng(3)
    rows.assets[:300] %= 2  # the other assets come later
    cuts = [*range(0, 3001, 60)]
    expected, recorder = folder("expected"), Recorder(store, SENSORS)
    streams.recorded(expected, rows, cuts)
    most = 0
    for batch in streams.batches(rows, cuts):
        changes = recorder.record(*batch)
        most = max(most, recorder.waiting)
        turn = [streams.name(asset) for asset in rng.permutation(7)[: rng.integers(3)]]
        changes.add(recorder.put_down(turn))
        assert recorder.put_down(turn) == []
        store.commit(*changes)
    assert most > 3
    store.commit(recorder.put_down())
    assert recorder.waiting == 0
    assert content(store) == content(expected)


def test_latest_states_wait_for_no_windows(store: Store):
    rows = streams.rows(200, assets=100)
    recorder = Recorder(store, SENSORS)
    for batch in streams.batches(rows, [0, 150, 200]):
        store.commit(*recorder.record(*batch))
    for asset in set(rows.assets):
        (last,) = np.flatnonzero(rows.assets == asset)[-1:]
        found = ask.latest(store, streams.name(asset))
        assert (found.time, found.score) == (rows.times[last], rows.scores[last])
        assert found.rows == (rows.assets == asset).sum()
        np.testing.assert_array_equal(list(found.values.values()), rows.values[:, last])
    assert ask.top(store)["rows"].sum() > 0
    assert ask.windows(store, streams.name(rows.assets[0])).is_empty()
    assert ask.series(store, streams.name(rows.assets[0])).is_empty()


def test_rows_that_waited_are_recorded_again_after_a_restart(store: Store, folder: Callable[[str], Store]):
    rows = streams.rows(900, assets=4, seconds=60.0)
    cuts, expected = [0, 300, 600, 900], folder("expected")
    streams.recorded(expected, rows, cuts)
    batches = list(streams.batches(rows, cuts))
    recorder = Recorder(store, SENSORS)
    for number, batch in enumerate(batches[:2]):
        changes = recorder.record(*batch)
        if number == 0:
            changes.add(recorder.put_down())
        store.commit(*changes)
    again = Recorder(store, SENSORS)
    again.resume()
    again.record(*batches[1])
    streams.commit(store, again, again.record(*batches[2]))
    assert content(store) == content(expected)


def test_a_full_store_stays_as_it_was_and_goes_on(tmp_path: Path, opened: Open, folder: Callable[[str], Store]):
    store = opened(f"lmdb://{tmp_path / 'small'}?size=400KB&sync=never")
    rows = streams.rows(4000, assets=40, seconds=90.0)
    recorder, expected, cuts = Recorder(store, SENSORS), folder("expected"), list(range(0, 4001, 100))
    full = 0
    for batch in streams.batches(rows, cuts):
        changes = recorder.record(*batch)
        changes.add(recorder.put_down())
        for _ in range(30):
            with suppress(StoreFullError):
                store.commit(*changes)
                break
            full += 1
            before = len(content(store))
            store.commit(*recorder.retain(int(batch.panel.times.max()), full=True))
            assert len(content(store)) < before
    assert full > 0
    streams.recorded(expected, rows, cuts)
    states = Span(b"i/a/", b"i/o/")
    assert list(store.scan(states)) == list(expected.scan(states))


def test_assets_without_rows_are_not_touched(store: Store):
    rows = streams.rows(40, assets=2)
    keys, panel, scores, thresholds, versions, alerts = streams.batch(rows, 0, 40)
    changed = panel.take_assets(np.array([0, 1]))
    wide = type(panel)(
        panel.values, np.array([0, 0, *panel.offsets[1:]]), changed.keys.take([0, 0, 1]), SENSORS, panel.times
    )
    recorder = Recorder(store, SENSORS)
    changes = recorder.record(["none", *keys], wide, scores, np.ones(3), np.ones(3, np.int64), alerts)
    changes.puts[:] = recorder.put_down(["none", *keys])
    assert recorder.assets == 2
    assert sum(key.startswith(b"i/a/") for key, _ in changes.puts) == 2
    assert (thresholds == 3.0).all()
    assert len(versions) == 2


def test_one_asset_in_a_batch_writes_little(store: Store):
    rows = streams.rows(2000, assets=200)
    recorder = streams.recorded(store, rows, [0, 1900])
    rows.assets[1900:] = 7
    rows.times[1900:] = rows.times[1899]
    changes = recorder.record(*streams.batch(rows, 1900, 2000))
    changes.add(recorder.put_down())
    assert sum(key.startswith((b"i/a/", b"i/b/", b"i/c/", b"i/h/", b"i/v/")) for key, _ in changes.puts) <= 5
    assert sum(len(value) for _, value in changes.puts) < 20_000


def test_retention_by_age(store: Store):
    rows = streams.rows(4000, assets=3, seconds=400.0)  # six days
    recorder = streams.recorded(store, rows, [0, 2000, 4000])
    store.commit(
        [records.ops_put(START // 10**9, {"rows": 1.0}), records.ops_put(START // 10**9 + 10**6, {"rows": 2.0})]
    )
    recorder.keep = Keep(minutes=1.0, hours=2.0, days=3.0, alerts=1.5, ops=2.0)
    now = int(rows.times.max())
    whole, alerts = ask.series(store, "pump-000", START, level="hour"), ask.alerts(store, most=10_000)
    store.commit(*recorder.retain(now))
    for level, days, spare in (("minute", 1.0, 0.1), ("hour", 2.0, 1.0)):
        oldest = ask.series(store, "pump-000", START, level=level)["time"].cast(int).min()
        assert now - (days + spare) * DAY < oldest < now - (days - 0.1) * DAY
    assert len(ask.series(store, "pump-000", START, level="day")) == len(set(whole["time"].dt.date()))
    left = ask.alerts(store, most=10_000)
    assert left.equals(alerts.filter(alerts["time"].cast(int) >= now - 1.5 * DAY))
    assert 0 < len(left) < len(alerts)
    assert len(ask.alerts(store, key="pump-000", most=10_000)) == (left["key"] == "pump-000").sum()
    pointers = sum(1 for _ in store.scan(Span.of_prefix(records.ALERT_OF)))
    assert pointers == len(left)
    assert ask.ops(store)["rows"].to_list() == [2.0]


def test_retention_by_size_takes_the_oldest_of_the_shortest(store: Store):
    rows = streams.rows(3000, assets=3, seconds=400.0)
    recorder = streams.recorded(store, rows, [0, 3000])
    recorder.keep = Keep(None, None, None, None, None, size=1)
    now = int(rows.times.max())
    counts = []
    for _ in range(200):
        counts.append([sum(1 for _ in store.scan(Span.of_prefix(b"i/s/" + level))) for level in (b"m", b"h", b"d")])
        store.commit(*recorder.retain(now))
    for before, after in pairwise(counts):
        assert all(a <= b for a, b in zip(after, before, strict=True))
        assert after[1] == before[1] or before[0] == counts[-1][0]
    assert counts[-1][0] < counts[0][0] / 20
    assert counts[-1][1] < counts[0][1]
    recorder.keep = Keep(None, None, None, None, None, size=10**9)
    assert recorder.retain(now) == ([], [], [])


def test_other_sensors_are_refused(store: Store):
    streams.recorded(store, streams.rows(20), [0, 20])
    with pytest.raises(StoreError, match=r"insights are of other sensors \(heat, flow, not heat, flow, speed\)"):
        Recorder(store, (*SENSORS, "speed")).resume()
    Recorder(store, SENSORS).resume()
    with pytest.raises(DataError, match="insights need times and 1 sensors, not 2"):
        Recorder(store, ("heat",)).record(*streams.batch(streams.rows(20), 0, 20))


def test_an_empty_store_is_a_start(store: Store):
    recorder = Recorder(store, SENSORS)
    recorder.resume()
    assert recorder.put_down() == []
    assert recorder.assets == 0
