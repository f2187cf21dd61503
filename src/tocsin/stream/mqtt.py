"""What MQTT's source and sink share: one connection that whoever uses it drives, and its troubles in one clear line."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from tocsin.errors import DataError, ParameterError, TocsinError, UnavailableError
from tocsin.extras import need
from tocsin.urls import Address

if TYPE_CHECKING:
    from types import ModuleType

OPTIONS = ("ca", "certificate", "name", "private_key")
PATIENCE = 10.0
"""So many seconds a broker may take to answer."""
KEEPALIVE = 60
WEEK = 604_800

_OCCUPIED = "Session taken over"
_PASSING = {"Server unavailable", "Server busy", "Server shutting down", "Keep alive timeout", "Unspecified error"}
_UNTRUSTED = {"Bad user name or password", "Not authorized", "Banned", "Bad authentication method"}


class Reason(Protocol):
    """The part of paho's reason codes that is asked."""

    is_failure: bool


class Connection:
    """A client of one broker, without a thread: the network is served when it is asked for.

    Parameters
    ----------
    address : Address
        ``mqtt://user:password@host:1883/...``; ``mqtts://`` is encrypted, by port 8883, and ``?ca=`` names the file of
        the authorities to believe. ``?certificate=`` and ``?private_key=`` show who we are.
    name : str
        The client's name, by which the broker keeps its session.
    kind : callable
        Makes the error for what trying again does not mend.
    lasting : bool
        Whether the session goes on when we come back.
    unconfirmed : int
        How many messages the broker may send before one is confirmed.

    Raises
    ------
    ParameterError
        If the address makes no sense.
    """

    def __init__(
        self,
        address: Address,
        name: str,
        kind: Callable[[str], TocsinError] = DataError,
        *,
        lasting: bool = False,
        unconfirmed: int = 1_000,
    ) -> None:
        self.paho: ModuleType = need("paho.mqtt.client", "stream", "mqtt://")
        self._properties = need("paho.mqtt.properties", "stream", "mqtt://").Properties
        self._connect_type = need("paho.mqtt.packettypes", "stream", "mqtt://").PacketTypes.CONNECT
        self._name = name
        self.where = f"{address.scheme}://{address.host}"
        self._host, self._port = _place(address)
        self._kind, self._lasting, self._unconfirmed = kind, lasting, unconfirmed
        version = self.paho.CallbackAPIVersion.VERSION2
        self.client = self.paho.Client(version, name, protocol=self.paho.MQTTv5, manual_ack=True)
        self.client.connect_timeout = PATIENCE / 2
        if address.user is not None:
            self.client.username_pw_set(address.user, address.password)
        if address.scheme == "mqtts":
            self.client.tls_set_context(_context(address))
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self._answer: Reason | None = None
        self._reason: Reason | None = None
        self.resumed = False
        """Whether the broker still had our session when we came."""

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in, and not gone since."""
        return bool(self.client.is_connected())

    def _on_connect(self, _client: object, _data: object, flags: object, reason: Reason, _properties: object) -> None:
        self._answer = reason
        self.resumed = bool(getattr(flags, "session_present", False))

    def _on_disconnect(self, _client: object, _data: object, _flags: object, reason: Reason, _more: object) -> None:
        if self._reason is None:  # what the broker said, not that the line is closed after it
            self._reason = reason

    def connect(self) -> None:
        """Come in, and wait until the broker has said whether we may.

        Raises
        ------
        UnavailableError
            If it does not answer, or is busy.
        TocsinError
            Of the `kind` given, if it does not let us in or cannot be trusted.
        """
        asked = self._properties(self._connect_type)
        asked.ReceiveMaximum = self._unconfirmed
        if self._lasting:
            asked.SessionExpiryInterval = WEEK
        self._answer = self._reason = None
        try:
            self.client.connect(self._host, self._port, KEEPALIVE, clean_start=not self._lasting, properties=asked)
        except ssl.SSLError as error:
            said = getattr(error, "verify_message", "") or error.reason or "no secure line"
            raise self._kind(f"{self.where} cannot be trusted or spoken to: {said}; see the option ca") from None
        except OSError as error:
            raise self._away(error.strerror or str(error)) from None
        answer = self._wait_for_answer()
        if answer.is_failure:
            raise self._sentence(str(answer))

    def _wait_for_answer(self) -> Reason:
        deadline = monotonic() + PATIENCE
        while monotonic() < deadline:
            code = self.client.loop(0.1)
            if (answer := self._answer) is not None:
                return answer
            if code != 0:
                raise self._away("it ended the connection")
        raise self._away("no word in time")

    def serve(self, wait: float) -> None:
        """Take what has come and send what waits; wait so long, in seconds, if there is nothing to do.

        Raises
        ------
        UnavailableError
            If the broker has gone.
        TocsinError
            Of the `kind` given, if it has put us out for good.
        """
        code = self.client.loop(wait)
        if code != 0 or not self.connected:
            said = str(self._reason)
            if said in ("None", "Unspecified error", "Normal disconnection"):  # it did not say why
                said = f"the connection was lost; a client of the same name ({self._name}) would cause that, too"
            raise self._sentence(said)

    def _away(self, said: str) -> UnavailableError:
        return UnavailableError(f"{self.where} does not answer: {said}")

    def _sentence(self, said: str) -> TocsinError:
        if said == _OCCUPIED:
            return self._kind(
                f"another stream uses the same name at {self.where}; end it, or give each a name of its own: ?name=..."
            )
        if said in _UNTRUSTED:
            return self._kind(f"{self.where} lets us not in: {said.lower()}; see the user and password in the address")
        if said == "Unsupported protocol version":
            return self._kind(f"{self.where} does not speak MQTT 5, which is needed; see the settings of the broker")
        return self._away(said) if said in _PASSING or not self._told else self._kind(f"{self.where} refuses: {said}")

    @property
    def _told(self) -> bool:
        """Whether the broker itself said why, rather than the line being lost."""
        return self._answer is not None and self._answer.is_failure

    def abandon(self) -> None:
        """Drop the line, and all that waits."""
        self.client.drop_out_messages()
        if self.connected:
            self.client.disconnect()

    def close(self) -> None:
        """Send what waits, and leave; may be called twice."""
        deadline = monotonic() + 1
        while self.connected and self.client.want_write() and monotonic() < deadline and self.client.loop(0.01) == 0:
            continue
        if self.connected:
            self.client.disconnect()


class _Socket(ssl.SSLSocket):
    """A line that is closed where it cannot be made secure; paho leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _place(address: Address) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{address.host}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ParameterError(f"{address} names no broker; write mqtt://host:1883/topic")
    return host, port or (8883 if address.scheme == "mqtts" else 1883)


def _context(address: Address) -> ssl.SSLContext:
    options = address.options
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
        context.sslsocket_class = _Socket
        if "certificate" in options:
            context.load_cert_chain(options["certificate"], options.get("private_key"))
    except (OSError, ssl.SSLError) as error:
        said = error.strerror or str(error)
        raise ParameterError(f"the certificates of {address} cannot be used: {said}; see ca and certificate") from None
    return context
