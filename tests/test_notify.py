"""Messages to people: checked at the start, sent for real, and nothing secret in what is said."""

from __future__ import annotations

import json
import logging

import pytest

from tests.stream.sinks.harness import WebServer
from tocsin.errors import ParameterError, UnavailableError
from tocsin.notify import Channels, notify, schemes


@pytest.fixture
def server():
    with WebServer.started() as started:
        yield started


def test_message_arrives_at_all_addresses(server):
    notify([f"json://{server.host}/a", f"json://{server.host}/b"], "Pump 7", "is hot – «ü»\n*now*", kind="failure")
    assert [path for path, _, _ in server.posts] == ["/a", "/b"]
    for _, headers, body in server.posts:
        told = json.loads(body)
        assert (told["title"], told["message"], told["type"]) == ("Pump 7", "is hot – «ü»\n*now*", "failure")
        assert headers["User-Agent"] == "Tocsin"


def test_one_that_fails_keeps_none_from_the_others(server, capfd, caplog):
    channels = Channels(["json://me:hunter2@127.0.0.1:1/secret-hook?+X-Token=secret", f"json://{server.host}/b"])
    with caplog.at_level(logging.DEBUG), pytest.raises(UnavailableError) as caught:
        channels.send("title", "body")
    assert len(server.posts) == 1
    assert str(caught.value).startswith("notification address 1 (JSON) did not take a message: ")
    for secret in ("hunter2", "secret-hook", "X-Token"):
        assert secret not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_refusal_says_why(server):
    server.answer = 403
    with pytest.raises(UnavailableError, match="error=403"):
        notify([f"json://{server.host}/"], "title", "body")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("jsn://secret", "address 2: no service jsn://; did you mean 'json'?"),
        ("slack://secret", "address 2, of slack://, is not complete"),
        ("mailto://secret", "address 2, of mailto://, is not complete"),
        ("secret", "address 2 has no ://"),
        ("", "address 2 has no ://"),
    ],
)
def test_wrong_address_is_refused_at_the_start(url, said):
    with pytest.raises(ParameterError) as caught:
        Channels(["json://localhost", url])
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_services_are_those_of_apprise():
    assert {"json", "jsons", "mailto", "slack", "tgram"} <= schemes()
