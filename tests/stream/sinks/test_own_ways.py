"""What each sink does beyond the contract."""

from __future__ import annotations

import base64
import json
import os
import sys
from contextlib import ExitStack
from errno import ENOSPC
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stream.sinks.harness import WebServer, alerts, plain
from tocsin.errors import OutputError, ParameterError, UnavailableError
from tocsin.stream.sinks import apprise as messages
from tocsin.stream.sinks.catalog import open_sink, sink_of
from tocsin.urls import Address


@pytest.fixture
def server():
    with WebServer.started() as started:
        yield started


@pytest.mark.parametrize(
    ("text", "sink"),
    [
        ("-", "StandardOutput"),
        ("alerts.ndjson", "NDJSON"),
        ("Alerts.JSONL", "NDJSON"),
        ("file://alerts.ndjson", "NDJSON"),
        ("file:///tmp/alerts.ndjson", "NDJSON"),
        ("alerts", "ParquetFolder"),
        ("file://a/alerts/", "ParquetFolder"),
        ("parquet://alerts", "ParquetFolder"),
        ("http://localhost/x", "Webhook"),
        ("https://localhost/x", "Webhook"),
        ("slack://a/b/c", "Messages"),
        ("apprise+https://hooks.slack.com/x", "Messages"),
        ("mailto://me:password@example.org", "Messages"),
    ],
)
def test_which_sink_an_address_means(text, sink):
    assert sink_of(Address.of(text)).__name__ == sink


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slak://x", "no sink slak://; did you mean 'slack'?"),
        ("qqqqqqqqq://x", "no sink qqqqqqqqq://; there are: apprise, file, http, https, kafka"),
        ("slack://my-secret-token", "not complete"),
        ("json://localhost/?at_most=often", "'often' is no rate"),
        ("json://localhost/?at_most=0/day", "would send nothing"),
        ("alerts.csv", "ends in .ndjson or .jsonl, and a folder"),
        ("http://", "no address of a web server"),
        ("http://localhost:99999/x", "no address of a web server"),
        ("http://[::1/x", "check its brackets"),
        ("/nowhere/at/all/alerts.ndjson", "there is no such folder"),
        ("/dev/null/alerts.ndjson", "not a directory"),
        ("/dev/null/alerts", "not a directory"),
        ("/sys/alerts.ndjson", "permission denied"),
        ("/dev/null", "it is a file"),
        ("alerts.ndjson?fsync=no", "a plain path takes no options; write file://alerts.ndjson?fsync=..."),
    ],
)
def test_bad_addresses_are_one_line(text, said):
    with pytest.raises((ParameterError, OutputError)) as caught:
        open_sink(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


# NDJSON ---------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_each_alert_is_in_the_file_once_wherever_a_crash_cuts_it(tmp_path_factory, sizes, data):
    """The last call may be cut anywhere, and the calls since any earlier one are repeated."""
    path = tmp_path_factory.mktemp("cut") / "alerts.ndjson"
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    parts = [alerts(start, many) for start, many in zip(starts, sizes, strict=True)]
    done = data.draw(st.integers(1, len(parts)))
    sink = open_sink(str(path))
    for sequence in range(done):
        before = path.stat().st_size
        sink.write(parts[sequence], sequence)
    kept = data.draw(st.integers(before, path.stat().st_size))
    os.truncate(path, kept)
    acknowledged = data.draw(st.integers(0, done - 1))
    again = open_sink(str(path))
    for sequence in range(acknowledged, len(parts)):
        again.write(parts[sequence], sequence)
    assert [json.loads(line) for line in path.read_text().splitlines()] == plain(alerts(0, sum(sizes)))


def test_file_with_other_lines_is_added_to_and_one_without_line_end_is_not_harmed(tmp_path):
    path = tmp_path / "alerts.ndjson"
    path.write_text('{"note": "mine"}\nno json\n' + json.dumps(plain(alerts(0, 1))[0]))
    open_sink(str(path)).write(alerts(0, 2), 0)
    lines = path.read_text().splitlines()
    assert lines[:2] == ['{"note": "mine"}', "no json"]
    assert [json.loads(line) for line in lines[2:]] == plain(alerts(0, 2))
    path.write_text("a letter to my mother")
    with pytest.raises(OutputError, match="does not end in a line of JSON"):
        open_sink(str(path))
    assert path.read_text() == "a letter to my mother"


def test_file_that_is_moved_away_is_begun_anew(tmp_path):
    path = tmp_path / "alerts.ndjson"
    sink = open_sink(str(path))
    sink.write(alerts(0, 2), 0)
    path.rename(tmp_path / "old.ndjson")
    sink.write(alerts(2, 1), 1)
    assert [json.loads(line) for line in path.read_text().splitlines()] == plain(alerts(2, 1))


@pytest.mark.parametrize("place", ["alerts.ndjson", "alerts"])
def test_full_disk_leaves_nothing_half(tmp_path, monkeypatch, place):
    def full(_):
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    sink = open_sink(str(tmp_path / place))
    sink.write(alerts(0, 2), 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UnavailableError, match="no space left on device"):
            sink.write(alerts(2, 2), 1)
    assert not list(tmp_path.rglob("*.part"))
    if place == "alerts.ndjson":
        assert len((tmp_path / place).read_text().splitlines()) == 2
    sink.write(alerts(2, 2), 1)
    if place == "alerts.ndjson":
        assert len((tmp_path / place).read_text().splitlines()) == 4
    else:
        assert pl.read_parquet(tmp_path / place).height == 4


def test_device_that_is_full_is_named(tmp_path):
    path = tmp_path / "alerts.ndjson"
    path.symlink_to("/dev/full")
    with pytest.raises(UnavailableError, match=r"alerts.ndjson: no space left on device"):
        open_sink(str(path)).write(alerts(0, 1), 0)


# Parquet --------------------------------------------------------------------------------------------------------------


def test_folder_is_one_table_by_day_and_new_stores_replace_nothing(tmp_path):
    folder = tmp_path / "made" / "alerts.parquet"
    sink = open_sink(str(folder))
    sink.write(alerts(0, 3), 0)
    sink.write(alerts(3, 3), 0)
    stale = folder / "day=2023-11-14" / ".alerts-9-x.parquet.abc.part"
    stale.write_bytes(b"half")
    open_sink(str(folder))
    assert not stale.exists()
    found = pl.read_parquet(folder).sort("id")
    assert found.drop("day").equals(pl.DataFrame(alerts(0, 6)), null_equal=True)
    assert found["day"].cast(pl.String).unique().to_list() == ["2023-11-14"]


# Standard output ------------------------------------------------------------------------------------------------------


def test_a_terminal_gets_sentences(monkeypatch, capfd):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    open_sink("-").write(alerts(1, 1), 0)
    assert capfd.readouterr().out == "pump 1 – «ü», 2023-11-14 22:13:20: heat was 92, above its usual 20 to 60.\n"


def test_whoever_read_standard_output_has_left(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        sink = open_sink("-")
        os.close(reading)
        with pytest.raises(OutputError, match="has left"):
            sink.write(alerts(0, 1), 0)


# Webhook --------------------------------------------------------------------------------------------------------------


def test_post_has_what_a_server_needs(server):
    sink = open_sink(f"http://me:p%40ss@{server.host}/hooks/x?a=1")
    sink.write(alerts(0, 2), 41)
    sink.write(alerts(0, 2), 41)
    path, headers, body = server.posts[0]
    assert path == "/hooks/x?a=1"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"me:p@ss"
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == "41-0000000000000000" == server.posts[1][1]["Idempotency-Key"]
    assert json.loads(body) == plain(alerts(0, 2))


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (401, OutputError, "401 Unauthorized; check name and password"),
        (404, OutputError, "404 Not Found; check the path"),
        (302, OutputError, "it has moved"),
        (413, OutputError, "it takes no alerts"),
        (429, UnavailableError, "429 Too Many Requests"),
        (500, UnavailableError, "500 Internal Server Error"),
    ],
)
def test_answers_of_a_server(server, answer, error, said):
    server.answer = answer
    with pytest.raises(error) as caught:
        open_sink(f"http://me:hunter2@{server.host}/secret-path").write(alerts(0, 1), 0)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert not server.posts


def test_no_server_there():
    with WebServer.started() as server:
        host = server.host
    with pytest.raises(UnavailableError, match=r"http://127.0.0.1:\d+/\*\*\* does not answer: connection refused"):
        open_sink(f"http://{host}/x").write(alerts(0, 1), 0)


# Messages -------------------------------------------------------------------------------------------------------------


def test_many_alerts_are_one_message_with_the_rarest_first(server):
    open_sink(f"json://{server.host}/x").write(alerts(0, 40), 0)
    ((_, _, body),) = server.posts
    message = json.loads(body)
    assert message["title"] == "40 alerts of 3 assets"
    assert message["type"] == "warning"
    lines = message["message"].split("\n")
    assert len(lines) == 11
    assert lines[0] == "pump 0 – «ü», 2023-11-14 22:13:20: score 48, above its threshold of 4.5"
    assert "heat was 128" in lines[1]
    assert lines[-1] == "And 30 more alerts of these."


def test_assets_that_got_no_line_are_named():
    import pyarrow as pa

    parts = [alerts(0, 10), *(alerts(0, 1, key=f"fan {i}") for i in range(7))]
    _, body = messages.message(pa.concat_tables(parts))
    assert body.split("\n")[-1].startswith("And 7 more alerts, also of fan 0 0 – «ü», ")
    assert body.endswith(" and 2 more.")


def test_one_alert_is_told_with_all_its_reasons(server):
    open_sink(f"json://{server.host}/x").write(alerts(1, 1), 0)
    message = json.loads(server.posts[0][2])
    assert message["title"] == "Alert: pump 1 – «ü»"
    assert message["message"].split("\n")[1:] == ["- heat was 92, above its usual 20 to 60."]


def test_not_more_messages_than_asked(server, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(messages.time, "monotonic", lambda: now[0])
    sink = open_sink(f"json://{server.host}/x?at_most=2/minute&method=PUT")
    for _ in range(2):
        assert sink.pause == 0.0
        server.answer = 200
        with pytest.raises(UnavailableError):  # a PUT, which this server does not know: our option was taken out alone
            sink.write(alerts(0, 1), 0)
    assert sink.pause == 0.0, "what did not arrive does not count"
    sink = open_sink(f"json://{server.host}/x?at_most=2/minute")
    sink.write(alerts(0, 1), 0)
    now[0] += 15.0
    sink.write(alerts(1, 1), 1)
    assert sink.pause == 45.0
    now[0] += 45.0
    assert sink.pause == 0.0


def test_our_option_is_taken_out_and_nothing_else():
    for before, after in [
        ("json://h/?at_most=1/s", "json://h/"),
        ("json://h/?a=1&at_most=1/s&b=2#at", "json://h/?a=1&b=2#at"),
        ("json://h/?at_most=1/s&b=%20", "json://h/?b=%20"),
        ("slack://a/b/c/#channel", "slack://a/b/c/#channel"),
    ]:
        assert messages._without_option(before) == after


def test_without_apprise_other_schemes_are_told_of(monkeypatch):
    import tocsin.notify

    tocsin.notify.schemes.cache_clear()
    with ExitStack() as stack:
        stack.callback(tocsin.notify.schemes.cache_clear)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(tocsin.notify, "find_spec", lambda _: None)
        with pytest.raises(ParameterError, match=r'no sink slack://.*pip install "tocsin\[notify\]"'):
            open_sink("slack://a/b/c")
    assert Path(tocsin.notify.__file__).name == "notify.py"
