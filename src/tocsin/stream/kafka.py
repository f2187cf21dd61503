"""What Kafka's source and sink share: from an address to a client's settings, from its errors to one clear line."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from threading import Thread
from time import monotonic
from typing import Protocol

from tocsin.errors import DataError, ParameterError, TocsinError, UnavailableError, did_you_mean
from tocsin.urls import Address

OPTIONS = ("ca", "certificate", "private_key", "sasl", "tls")
"""The options that both sides know; those with a dot in their name go to librdkafka as they are."""

LOG = logging.getLogger("tocsin.kafka")
"""Where the client speaks, rather than on standard error."""
LOG.addHandler(logging.NullHandler())

PATIENCE = 10.0
"""So many seconds a server may take to answer when a stream begins."""

_DENIED = {"_AUTHENTICATION", "_SSL", "SASL_AUTHENTICATION_FAILED", "ILLEGAL_SASL_STATE", "UNSUPPORTED_SASL_MECHANISM"}
_UNKNOWN = {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"}
_FENCED = {"_FENCED", "FENCED_INSTANCE_ID", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"}
_AWAY = {
    "_ALL_BROKERS_DOWN", "_MSG_TIMED_OUT", "_PURGE_INFLIGHT", "_PURGE_QUEUE", "_RESOLVE", "_TIMED_OUT",
    "_TIMED_OUT_QUEUE", "_TRANSPORT", "_WAIT_COORD", "BROKER_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE", "LEADER_NOT_AVAILABLE", "NETWORK_EXCEPTION", "NOT_COORDINATOR",
    "NOT_ENOUGH_REPLICAS", "REQUEST_TIMED_OUT",
}  # fmt: skip


class KafkaTrouble(Protocol):
    """The part of ``confluent_kafka.KafkaError`` that is asked."""

    def name(self) -> str:
        """Return what it is called in Kafka's lists of errors."""

    def str(self) -> str:
        """Return what went wrong."""

    def retriable(self) -> bool:
        """Return whether trying again may help."""


class _Topic(Protocol):
    error: KafkaTrouble | None
    partitions: Mapping[int, object]


class _Cluster(Protocol):
    topics: Mapping[str, _Topic]


class Client(Protocol):
    """The part of a consumer or producer that is asked what a server has."""

    def list_topics(self, topic: str = ..., timeout: float = ...) -> _Cluster:
        """Return what a server has."""

    def poll(self, timeout: float) -> object:
        """Let the client speak."""


class Complaints:
    """What a client said of its connections since they were last forgotten; give it as ``error_cb``."""

    def __init__(self) -> None:
        self.denied: KafkaTrouble | None = None
        self.away: KafkaTrouble | None = None
        self._down = False

    def __call__(self, error: KafkaTrouble) -> None:
        """Remember an error."""
        if error.name() in _DENIED:
            self.denied = error
        elif error.name() == "_ALL_BROKERS_DOWN":
            self._down = True
            self.away = self.away or error
        elif error.name() in _AWAY:
            self.away = error

    @property
    def down(self) -> bool:
        """Whether no broker answered when last tried."""
        return self._down

    def forget(self) -> None:
        """Begin anew: the server has answered."""
        self.denied = self.away = None
        self._down = False


def names_of(address: Address) -> tuple[str, str]:
    """Return the servers and the topic of an address.

    Raises
    ------
    ParameterError
        If one of them is missing.
    """
    if not address.host or not address.path.strip("/"):
        raise ParameterError(f"{address} names no server or no topic; write kafka://host:9092/topic")
    return address.host, address.path.strip("/")


def settings(address: Address, known: tuple[str, ...]) -> dict[str, object]:
    """Return a client's settings for an address.

    Parameters
    ----------
    address : Address
        Its user and password log in, by the mechanism ``?sasl=`` (PLAIN). ``?tls=yes`` encrypts; so does ``?ca=``,
        the file of the authorities to believe; ``?certificate=`` and ``?private_key=`` show who we are. An option with
        a dot in its name is librdkafka's own.
    known : tuple of str
        The options that a source or sink knows besides.

    Raises
    ------
    ParameterError
        If an option is not known or makes no sense.
    """
    raw = {name: value for name, value in address.options.items() if "." in name}
    plain = Address(address.scheme, options={name: each for name, each in address.options.items() if name not in raw})
    plain.check_options((*OPTIONS, *known))
    if any(name.startswith("plugin.") for name in raw):
        raise ParameterError("no plugin of librdkafka is loaded; leave plugin.* out of the address")
    options = address.options
    encrypted = {"ca", "certificate"} & set(options)
    tls = address.choice("tls", *(("yes", "no") if encrypted else ("no", "yes"))) == "yes"
    made: dict[str, object] = {
        "bootstrap.servers": names_of(address)[0],
        "client.id": "tocsin",
        "log_level": 0,
        "reconnect.backoff.max.ms": 2_000,
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
        "topic.metadata.refresh.interval.ms": 30_000,
        "security.protocol": ("SASL_" if address.user else "") + ("SSL" if tls else "PLAINTEXT"),
    }
    if address.user:
        made |= {
            "sasl.mechanism": options.get("sasl", "PLAIN").upper(),
            "sasl.username": address.user,
            "sasl.password": address.password or "",
        }
    elif "sasl" in options:
        raise ParameterError("sasl needs a user and a password: kafka://user:password@host:9092/topic")
    files = {"ca": "ssl.ca.location", "certificate": "ssl.certificate.location", "private_key": "ssl.key.location"}
    return made | {theirs: options[ours] for ours, theirs in files.items() if ours in options} | raw


def refused(error: Exception) -> ParameterError:
    """Return what is wrong with settings that a client did not take."""
    said = error.args[0].str() if error.args and hasattr(error.args[0], "str") else str(error)
    return ParameterError(f"Kafka's client does not take that address: {_first_line(said)}")


def partitions_of(
    client: Client,
    topic: str,
    where: str,
    complaints: Complaints,
    failure: type[Exception],
    kind: Callable[[str], TocsinError] = DataError,
) -> list[int]:
    """Ask a server for the partitions of a topic; `failure` is what the client raises.

    Raises
    ------
    DataError (or what else `kind` is)
        If there is no such topic, no right to it, or the user or password is wrong.
    UnavailableError
        If no server answers.
    """
    deadline, found = monotonic() + PATIENCE, None
    while found is None:
        try:
            found = client.list_topics(topic, timeout=1).topics[topic]
        except failure as error:
            client.poll(0)
            trouble = complaints.denied or complaints.away
            if complaints.denied or complaints.down or monotonic() > deadline:
                raise sentence(trouble or error.args[0], where, topic, kind) from None
    complaints.forget()
    if found.error is None:
        return sorted(found.partitions)
    if found.error.name() in _UNKNOWN:
        raise kind(f"no topic {topic!r} at {where}{did_you_mean(topic, _topics(client, failure))}")
    raise sentence(found.error, where, topic, kind)


def _topics(client: Client, failure: type[Exception]) -> list[str]:
    try:
        return [name for name in client.list_topics(timeout=2).topics if not name.startswith("__")]
    except failure:
        return []


def let_go(close: Callable[[], object]) -> None:
    """Close a client, and wait no longer than a moment: with a broker that is away it may take minutes."""
    thread = Thread(target=close, name="tocsin-kafka-close", daemon=True)
    thread.start()
    thread.join(0.7)


def sentence(
    error: KafkaTrouble, where: str, topic: str, kind: Callable[[str], TocsinError] = DataError
) -> TocsinError:
    """Return what a client's error means to a user; `UnavailableError` if it may pass by itself, else of `kind`.

    Examples
    --------
    >>> class Gone:
    ...     def name(self): return "_TRANSPORT"
    ...     def str(self): return "localhost:9092/bootstrap: Connection refused (after 1ms in state CONNECT)"
    ...     def retriable(self): return True
    >>> sentence(Gone(), "kafka://localhost:9092", "readings")
    UnavailableError('kafka://localhost:9092 does not answer: Connection refused')
    """
    name, said = error.name(), _first_line(error.str())
    if name in _AWAY or (error.retriable() and name not in _UNKNOWN | _DENIED | _FENCED):
        return UnavailableError(f"{where} does not answer: {said}")
    if name == "_SSL":
        return kind(f"{where} cannot be trusted or spoken to: {said}; see the options tls, ca and certificate")
    if name in _DENIED:
        return kind(f"{where} lets us not in: {said}; see the user and password in the address, and the option sasl")
    if name in _FENCED or (name == "_FATAL" and "fenced" in said):
        return kind(f"another stream uses the same name at {where}; end it, or give each a name of its own: ?name=...")
    if name.endswith("AUTHORIZATION_FAILED"):
        what = {"GROUP": "the consumer group", "TRANSACTIONAL": "the transactional id"}.get(name.split("_")[0])
        return kind(f"no right to {what or f'topic {topic!r}'} at {where}; ask for it, or log in as another user")
    if name in _UNKNOWN:
        return kind(f"topic {topic!r} is not there any more at {where}")
    return kind(f"topic {topic!r} at {where}: {said}")


def _first_line(text: str) -> str:
    """Return what a client says, without where it says it and how long that took."""
    line = (text.splitlines() or [""])[0]
    return re.sub(r"^\S+: ", "", re.sub(r" \(after .*\)$", "", line)).strip()
