"""The one door for payloads: whatever their format, readings come out, and what is wrong is set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

import tocsin.stream.decoding as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.stream.decoding.base import Decoded, Form
from tocsin.stream.decoding.readings import KEPT
from tocsin.stream.sources.base import DeadLetter, Shape

MOST_BYTES = 16 << 20
"""A message beyond that is not looked at."""


@cache
def forms() -> dict[str, type[Form]]:
    """Return every format of messages by its name."""
    return {member.name: member for member in sorted(members_of(room, Form), key=lambda member: member.name)}


class Decoder:
    """Turns payloads into readings, a whole batch at a time.

    Parameters
    ----------
    shape : Shape
        What readings look like.
    form : str
        ``"json"``, ``"avro"`` or ``"arrow"``.
    schema : str or Path, optional
        The file with the Avro schema (``.avsc``).
    most_bytes : int
        A message with more bytes becomes a dead letter unread.

    Raises
    ------
    ParameterError
        If there is no such format, or its schema is missing or cannot be read.

    Examples
    --------
    >>> decoder = Decoder(Shape(("flow",), key="pump", time="at"))
    >>> messages = [b'{"pump": "a", "at": 1700000000, "flow": 1.5}', b"out of order"]
    >>> decoded = decoder.decode(messages)
    >>> decoded.frame.rows()
    [('a', 1700000000000000000, 1.5)]
    >>> decoded.dead[0].reason
    'it is not JSON: expecting value at character 0'
    """

    def __init__(
        self, shape: Shape, form: str = "json", *, schema: str | Path | None = None, most_bytes: int = MOST_BYTES
    ) -> None:
        if form not in forms():
            raise ParameterError(f"no format {form!r}{did_you_mean(form, forms())}")
        self.most_bytes = most_bytes
        self._form = forms()[form](shape, Path(schema) if schema is not None else None)

    def decode(self, payloads: Sequence[bytes] | bytes) -> Decoded:
        """Return what messages hold, or the lines of one piece of text (JSON), or a file's content (Avro, Arrow).

        Parameters
        ----------
        payloads : sequence of bytes, or bytes
            Messages, in their order. Empty ones are passed silently.

        Returns
        -------
        Decoded
            What is wrong is in its dead letters; other messages of the same call are not harmed.
        """
        if isinstance(payloads, bytes):
            if len(payloads) <= self.most_bytes:
                return self._form.decode(payloads)
            if self._form.name != "json":
                return replace(self._form.decode([]), dead=(self._oversized(payloads),))
            decoded = self.decode(payloads.split(b"\n"))
            return replace(decoded, origins=np.zeros(len(decoded.origins), np.int64))
        if sum(map(len, payloads)) <= self.most_bytes:
            return self._form.decode(payloads)
        sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        fitting = np.flatnonzero(sizes <= self.most_bytes)
        if len(fitting) == len(payloads):
            return self._form.decode(payloads)
        decoded = self._form.decode([payloads[i] for i in fitting.tolist()])
        dead = tuple(self._oversized(payloads[i]) for i in np.flatnonzero(sizes > self.most_bytes).tolist())
        return replace(decoded, origins=fitting[decoded.origins], dead=(*decoded.dead, *dead))

    def _oversized(self, payload: bytes) -> DeadLetter:
        return oversized(len(payload), self.most_bytes, payload)


def oversized(size: int, most: int, payload: bytes) -> DeadLetter:
    """Return a message that is too large to be looked at."""
    reason = f"it has {size / 1e6:,.1f} MB, more than the {most / 1e6:,.1f} MB that a message may have"
    return DeadLetter(reason, payload[:KEPT])
