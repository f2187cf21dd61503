"""Addresses: taken apart as they are written, and shown without secrets."""

from __future__ import annotations

import pytest

from tocsin.errors import ParameterError
from tocsin.urls import Address


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
