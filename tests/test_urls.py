"""Addresses: taken apart as they are written, and shown without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.errors import ParameterError
from tocsin.urls import Address, expanded, masked


def test_dash_is_standard_input_or_output() -> None:
    assert Address.of("-") == Address("-")
    assert str(Address.of("-")) == "-"


def test_plain_path_has_no_scheme() -> None:
    assert Address.of("data/readings?.csv") == Address("", path="data/readings?.csv")


def test_several_hosts_and_options() -> None:
    address = Address.of("kafka://one:9092,two:9092/readings?group=night&format=avro")
    assert (address.scheme, address.host, address.path) == ("kafka", "one:9092,two:9092", "readings")
    assert address.options == {"group": "night", "format": "avro"}


def test_path_without_host_stays_absolute() -> None:
    assert Address.of("lmdb:///var/lib/store").path == "/var/lib/store"


def test_secrets_do_not_show() -> None:
    address = Address.of("mqtt://me:p%40ss@localhost/t?ssl_key_password=word")
    assert (address.user, address.password) == ("me", "p@ss")
    shown = f"{address} {address!r}"
    assert "p@ss" not in shown
    assert "word" not in str(address).replace("password", "")


@pytest.mark.parametrize("text", ["", "  ", "kafka://h/t?a=1&a=2"])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="address"):
        Address.of(text)


def test_unknown_option_is_named() -> None:
    with pytest.raises(ParameterError, match="no option 'gruop'; did you mean 'group'"):
        Address.of("kafka://h/t?gruop=x").check_options(["group", "format"])


def test_an_option_may_be_one_of_a_few_words() -> None:
    assert Address.of("file://a").choice("follow", "yes", "no") == "yes"
    assert Address.of("file://a?follow=No").choice("follow", "yes", "no") == "no"
    with pytest.raises(ParameterError, match="follow=maybe makes no sense; follow is yes or no"):
        Address.of("file://a?follow=maybe").choice("follow", "yes", "no")


ENVIRONMENT = {"USER": "me", "PASSWORD": "p@ss/w?rd", "HOSTS": "one:1,two:2", "WHOLE": "slack://a/b"}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("kafka://$USER:${PASSWORD}@$HOSTS/topic", "kafka://me:p%40ss%2Fw%3Frd@one:1,two:2/topic"),
        ("redis://host/0?password=$PASSWORD", "redis://host/0?password=p%40ss%2Fw%3Frd"),
        ("$WHOLE", "slack://a/b"),
        ("folder/$USER.csv", "folder/me.csv"),
        ("json://host/a$$b/$", "json://host/a$b/$"),
        ("-", "-"),
    ],
)
def test_variables_of_the_environment(text, whole):
    assert expanded(text, ENVIRONMENT) == whole
    address = Address.of(whole)
    assert "p@ss/w?rd" in (address.password, address.options.get("password")) or "PASSWORD" not in text


def test_variable_that_is_not_there_is_named():
    with pytest.raises(ParameterError, match=r"no environment variable PASWORD.*write \$\$"):
        expanded("kafka://me:$PASWORD@host/t", ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "path"),
    [("file://a/b.csv", "a/b.csv"), ("file:///a/b.csv", "/a/b.csv"), ("file://b.csv", "b.csv"), ("a/b.csv", "a/b.csv")],
)
def test_place_of_a_file(text, path):
    assert Address.of(text).place == Path(path)
    assert Address.of("~/x").place == Path.home() / "x"


def test_texts_are_masked():
    assert masked("a://b:c:d@e, f://g@h/?password=i&x=1") == "a://b:***@e, f://g@h/?password=***&x=1"
    assert Address.of("a://b:c@d").text == "a://b:c@d"
    assert Address("a", "d", "", "b", "c") == Address.of("a://b:c@d"), "the text is not compared"
