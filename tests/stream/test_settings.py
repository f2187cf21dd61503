"""Settings: from a file and from flags, checked before anything starts, in words that help and tell no secret."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tocsin.errors import ParameterError
from tocsin.quantities import Rate
from tocsin.stream.settings import Settings

LEAST = {"fleet": "fleet", "from": "-"}


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "stream.toml"
        path.write_text(text)
        return path

    return written


def test_least_that_is_needed():
    found = Settings.load(None, LEAST)
    assert found.fleet == Path("fleet")
    assert found.source == "-"
    assert found.sinks == ()
    assert found.store == "fleet-store"
    assert found.policy == "online"
    assert found.linger == 0.02
    assert found.nightly_at == datetime.time(2)


def test_all_from_a_file_and_flags_win(write, monkeypatch):
    monkeypatch.setenv("KAFKA_PASSWORD", "p@ss/word")
    path = write(
        """
        fleet = "~/fleet"
        from = "kafka://me:$KAFKA_PASSWORD@localhost:9092/readings?group=night"
        to = ["-", "json://localhost/secret-hook"]
        store = "redis://:$KAFKA_PASSWORD@localhost/0"
        late = "10s"
        linger = "200ms"
        rows = 1000
        learn-after = 500
        policy = "nightly"
        nightly-at = "3:30"
        budget = "20/day"
        retain = "60 days"
        dead_letters = "dead.ndjson"
        dead_letters_size = "1MB"
        metrics = 9100
        log = "warning"
        """
    )
    found = Settings.load(path, {"late": "1m", "rows": None, "to": []})
    assert found.fleet == Path("~/fleet").expanduser()
    assert found.source == "kafka://me:p%40ss%2Fword@localhost:9092/readings?group=night"
    assert found.sinks == ("-", "json://localhost/secret-hook")
    assert (found.late, found.linger, found.rows, found.learn_after) == (60.0, 0.2, 1000, 500)
    assert (found.policy, found.nightly_at) == ("nightly", datetime.time(3, 30))
    assert (found.budget, found.retain, found.dead_letters_size) == (Rate(20.0, 86_400.0), 5_184_000.0, 1_000_000)
    assert (found.metrics, found.log, found.waiting) == ("9100", "warning", 100_000)
    shown = found.shown()
    assert shown["from"] == "kafka://me:***@localhost:9092/readings?group=night"
    assert shown["to"] == "-, json://***"
    assert (shown["budget"], shown["late"], shown["linger"]) == ("20/day", "60s", "0.2s")
    assert (shown["retain"], shown["dead_letters_size"], shown["rows"]) == ("5184000s", "1000000B", "1000")
    for text in (str(shown), repr(found), str(found)):
        assert "p@ss" not in text
        assert "p%40ss" not in text
        assert "secret-hook" not in text


def test_one_sink_needs_no_list_and_a_time_of_day_no_quotes(write):
    found = Settings.load(write('fleet = "a"\nfrom = "-"\nto = "-"\nnightly-at = 04:00:00'))
    assert found.sinks == ("-",)
    assert found.nightly_at == datetime.time(4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('from = "-"', "a stream needs a fleet: tocsin stream FLEET, or fleet = ... in {path}"),
        ('fleet = "a"', "a stream needs --from, or from = ... in {path}"),
        ('polcy = "online"', "{path} has an unknown setting 'polcy'; did you mean 'policy'?"),
        ('learn-after = 5\nlearn_after = 6', "{path} has 'learn_after' twice, once with a dash"),
        ('late = "10"', "late in {path}: '10' is no duration; write a number and its unit"),
        ("late = 10", "late in {path}: '10' is no duration"),
        ('linger = "2h"', "linger in {path}: it must be 60s or less"),
        ('rows = "many"', "rows in {path}: write a whole number without quotes, such as 1000"),
        ("rows = true", "rows in {path}: write a whole number without quotes, such as 1000"),
        ("rows = 0", "rows in {path}: it must be 1 or more"),
        ('budget = "20"', "budget in {path}: '20' is no rate"),
        ('dead_letters_size = "0"', "dead_letters_size in {path}: it must be 1B or more"),
        ('policy = "daily"', "policy in {path}: it must be 'frozen', 'online' or 'nightly'"),
        ('nightly-at = "25:00"', "nightly_at in {path}: a time of day is written as 02:30"),
        ("nightly-at = 3", "nightly_at in {path}: a time of day is written as 02:30"),
        ('metrics = "here"', "metrics in {path}: 'here' is no place"),
        ('store = "redis://:$NO_SUCH_NAME@h"', "store in {path}: there is no environment variable NO_SUCH_NAME"),
        ('to = ["-", ""]', "to in {path}: an address is empty"),
        ('to = "a.ndjson?x=hunter2"', "to in {path}: a plain path takes no options; write file://a.ndjson?x=..."),
        ('from = 3', "from in {path}: write a text in quotes"),
        ('from = "kafka://me:hunter2@[::1/x"', "from in {path}: an address of kafka:// has a host that makes no sense"),
        ('key = ""', "key in {path}: write a text that is not empty"),
        ("explain = -1", "explain in {path}: it must be 0 or more"),
        ("rows = 1000000000", "rows in {path}: it must be 100,000,000 or less"),
        ("rows = [1]", "rows in {path}: write a whole number without quotes, such as 1000"),
        ('threads = "2"', "threads in {path}: write a whole number without quotes"),
        ("nightly_drift = 2", "nightly_drift in {path}: it must be below 1"),
        ("nightly_drift = 0", "nightly_drift in {path}: it must be above 0"),
        ("nightly_drift = nan", "nightly_drift in {path}: it must be "),
        ('nightly_drift = "a"', "nightly_drift in {path}: write a number, such as 0.2"),
        ("nightly_drift = [0.2]", "nightly_drift in {path}: write a number, such as 0.2"),
        ('nightly_how = "both"', "nightly_how in {path}: it must be 'update' or 'refit'"),
        ('nightly_window = "0s"', "nightly_window in {path}: it must be above 0s"),
        ('nightly_window = "100000000000d"', "nightly_window in {path}: it must be 100 years or less"),
        ('late = "101000 weeks"', "late in {path}: it must be 100 years or less"),
        ("late = -1", "late in {path}: '-1' is no duration"),
        ("late = 1979-05-27", "late in {path}: '1979-05-27' is no duration"),
        ('log = "loud"', "log in {path}: it must be 'debug', 'info', 'warning', 'error' or 'none'"),
        ("log = 3", "log in {path}: it must be 'debug'"),
        ('budget = "0/day"', "budget in {path}: it must be above 0, such as 20/day"),
        ("budget = 20", "budget in {path}: '20' is no rate; write how many in which time, such as 20/day"),
        ("metrics = 99999", "metrics in {path}: '99999' is no place"),
        ("metrics = true", "metrics in {path}: 'True' is no place"),
        ("dead_letters = 3", "dead_letters in {path}: write a path, as a text that is not empty"),
        ('dead_letters = ""', "dead_letters in {path}: write a path, as a text that is not empty"),
        ('beside = ["a"]', "beside in {path}: write a path, as a text that is not empty"),
        ('fleet = ""', "fleet in {path}: write a path, as a text that is not empty"),
        ("to = 3", "to in {path}: write an address in quotes, or several in brackets"),
        ("to = [3]", "to in {path}: write a text in quotes"),
        ('to = [["hunter2"]]', "to in {path}: write a text in quotes"),
        ('to = "kafkaa://me:hunter2@h/x"', "to in {path}: no sink kafkaa://; did you mean 'kafka'?"),
        ('from = ["a", "b"]', "from in {path}: write a text in quotes"),
        ('from = "kafkaa://me:hunter2@h/x"', "from in {path}: no source kafkaa://; did you mean 'kafka'?"),
        ('store = "redisx://me:hunter2@h"', "store in {path}: no store redisx://; did you mean 'redis'?"),
        ("store = false", "store in {path}: write a text in quotes"),
        ('time = 12:00:00', "time in {path}: write a text in quotes"),
        ('[stream]\nlate = "1s"', "{path} has a table 'stream'; write each setting as name = value, outside of tables"),
        ('[budget]\nrate = "20/day"', "{path} has a table 'budget'; write each setting as name = value"),
        ('from = {secret = "hunter2"}', "{path} has a table 'from'; write each setting as name = value"),
        ('[[to]]\nsecret = "hunter2"', "to in {path}: write a text in quotes"),
        ("fleet = ", "{path} is no TOML: Invalid value (at "),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_are_one_line(write, text, said):
    path = write(text)
    rest = {} if said.startswith("a stream needs") else LEAST
    with pytest.raises(ParameterError) as caught:
        Settings.load(path, {name: value for name, value in rest.items() if f"{name} =" not in text})
    assert str(caught.value).startswith(said.format(path=path))
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "input" not in str(caught.value).replace(str(path), "")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"learn_after": -1}, "--learn-after: it must be 1 or more"),
        ({"budget": "0/day"}, "--budget: it must be above 0, such as 20/day"),
        ({"policy": "daily"}, "--policy: it must be 'frozen', 'online' or 'nightly'"),
        ({"nightly_drift": "a"}, "--nightly-drift: write a number, such as 0.2"),
        ({"dead_letters": ""}, "--dead-letters: write a path, as a text that is not empty"),
        ({"from": "kafkaa://h/x"}, "--from: no source kafkaa://; did you mean 'kafka'?"),
        ({"late": "x"}, "--late: 'x' is no duration"),
        ({"lat": "1s"}, "a stream has no setting 'lat'; did you mean 'late'?"),
        ({"from": None}, "a stream needs --from"),
        ({"from": "a.csv?follow=no"}, "--from: a plain path takes no options; write file://a.csv?follow=..."),
        ({"store": "a?size=9GB&b=c"}, "--store: a plain path takes no options; write lmdb://a?size=...&b=..."),
    ],
)
def test_mistakes_in_flags_name_the_flag(flags, said):
    with pytest.raises(ParameterError) as caught:
        Settings.load(None, LEAST | flags)
    assert str(caught.value).startswith(said)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ParameterError, match="there is no settings file"):
        Settings.load(tmp_path / "nowhere.toml")
    with pytest.raises(ParameterError, match="is a directory"):
        Settings.load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ParameterError, match="is no TOML"):
        Settings.load(tmp_path / "binary.toml")


def test_every_setting_is_described():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith(".")
