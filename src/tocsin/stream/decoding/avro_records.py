"""Avro, a record a message: many are read as one file in memory, so that no Python runs for each of them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from random import random
from typing import Any

import numpy as np
import polars as pl

from tocsin.errors import ParameterError
from tocsin.extras import need
from tocsin.stream.decoding.base import Decoded, Form, Gathering, divide
from tocsin.stream.decoding.readings import Fault, as_json, fault_of, fields_of, strange_columns
from tocsin.stream.sources.base import Shape

_CONTAINER = b"Obj\x01"
_SYNC = b"tocsin tocsin to"
_HEADER_BYTES = 5
_GUARD = "tocsin_guard"
_PADDING = bytes(4_096)
"""Zeros behind the last record, so that one that is cut off is told by its guard."""


class AvroRecords(Form):
    """Avro records by a schema that is given, with or without the five bytes that Confluent's serializers put first; or
    messages that are object container files, with the schema in them.

    All records are of the one schema, whatever number those five bytes give it. Which of the two ways messages are
    written is seen from the first one that can be read.

    Records of one call are joined into a container that Polars reads by columns. Since bare records have no marks of
    their own, a guard is put behind each, which must come out where it went in; so a broken record cannot shift the
    others. Where that fails, and for schemas that Polars does not know, fastavro reads them one by one.
    """

    name = "avro"

    def __init__(self, shape: Shape, schema: Path | None = None) -> None:
        super().__init__(shape)
        self._schema = _loaded(schema) if schema is not None else None
        self._start = b"" if self._schema is None else _container_start(self._schema)
        self._header: int | None = None
        self._by_columns = True

    def decode(self, payloads: Sequence[bytes] | bytes) -> Decoded:
        """Return the readings of records, or of the records of one container file."""
        messages = [payloads] if isinstance(payloads, bytes) else payloads
        gathering = Gathering(self.shape)
        records: list[int] = []
        for place, message in enumerate(messages):
            if message.startswith(_CONTAINER):
                self._records(messages, records, gathering)
                records = []
                self._container(message, place, gathering)
            elif message:
                records.append(place)
        self._records(messages, records, gathering)
        return gathering.result()

    def _container(self, message: bytes, place: int, gathering: Gathering) -> None:
        try:
            table = pl.read_avro(BytesIO(message))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            try:
                rows = list(_fastavro().reader(BytesIO(message)))
            except Exception as error:  # fastavro lets through whatever a broken file leads to
                gathering.refuse(_said("it is no Avro container that can be read", error), message)
                return
            self._take_rows(rows, [place] * len(rows), [message] * len(rows), gathering)
            return
        gathering.add(table, np.full(table.height, place, np.int64), lambda row: as_json(table, row))
        gathering.count(strange_columns(table, self.shape))

    def _records(self, messages: Sequence[bytes], places: list[int], gathering: Gathering) -> None:
        if not places:
            return
        if self._schema is None:
            for place in places:
                gathering.refuse("it is no Avro container; give its schema with ?schema=file.avsc", messages[place])
            return
        dead = len(gathering.dead)

        def at_once(start: int, end: int) -> bool:
            return self._at_once(messages, places[start:end], gathering)

        if not self._by_columns:
            self._singly(messages, places, gathering)
        elif not at_once(0, len(places)):
            divide(len(places), at_once, lambda start, end: self._singly(messages, places[start:end], gathering))
            self._by_columns = len(gathering.dead) > dead  # nothing was wrong, but Polars cannot read it

    def _at_once(self, messages: Sequence[bytes], places: list[int], gathering: Gathering) -> bool:
        header = self._header_bytes(messages[places[0]])
        start = messages[places[0]][:header]
        if header and not all(messages[place].startswith(start) for place in places):
            return False
        guard = random()
        parts = [struct.pack("<d", guard)] * (2 * len(places))
        parts[::2] = [messages[place][header:] for place in places] if header else [messages[place] for place in places]
        body = b"".join((*parts, _PADDING))
        block = b"".join((self._start, _zigzag(len(places)), _zigzag(len(body)), body, _SYNC))
        try:
            table = pl.read_avro(BytesIO(block))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            return False
        if table.height != len(places) or not bool((table[_GUARD] == guard).all()):
            return False
        table = table.drop(_GUARD)
        of = np.array(places, np.int64)
        gathering.add(table, of, lambda row: messages[places[row]])
        gathering.count(strange_columns(table, self.shape))
        return True

    def _header_bytes(self, message: bytes) -> int:
        """Return how many bytes stand before records, as seen from the first that can be read."""
        if self._header is None:
            for header in (0, _HEADER_BYTES) if message[:1] == b"\0" else (0,):
                if not isinstance(self._one(message[header:]), Fault):
                    self._header = header
                    break
        return self._header or 0

    def _one(self, record: bytes) -> dict[str, Any] | Fault:
        body = BytesIO(record)
        try:
            row = _fastavro().schemaless_reader(body, self._schema)
        except Exception as error:
            return Fault(_said("it is no Avro record of this schema", error))
        if body.tell() != len(record):
            return Fault(f"it is no Avro record of this schema: {len(record) - body.tell()} bytes are left over")
        return row if isinstance(row, dict) else Fault("it is no Avro record; its schema is of another type")

    def _singly(self, messages: Sequence[bytes], places: list[int], gathering: Gathering) -> None:
        rows, of = [], []
        for place in places:
            message = messages[place]
            row = self._one(message[self._header_bytes(message) :])
            if isinstance(row, Fault):
                gathering.dead.append(row.letter(message))
            else:
                rows.append(row)
                of.append(place)
        self._take_rows(rows, of, [messages[place] for place in of], gathering)

    def _take_rows(
        self, rows: list[dict[str, Any]], places: list[int], payloads: list[bytes], gathering: Gathering
    ) -> None:
        """Take over rows of Python values."""
        roles = {name for name in (self.shape.key, self.shape.time, self.shape.sensor) if name is not None}
        good = []
        for i, row in enumerate(rows):
            values = ((name, row.get(name)) for name in fields_of(self.shape))
            if any(_is_wrong(value, text=name in roles) for name, value in values):
                gathering.dead.append(fault_of(row, self.shape, text_numbers=True).letter(payloads[i]))
            else:
                good.append(i)
        if not good:
            return
        columns = {}
        for name in fields_of(self.shape):
            kind = None if name == self.shape.time else pl.String if name in roles else pl.Float64
            columns[name] = pl.Series([_plain(rows[i].get(name), kind) for i in good], dtype=kind, strict=False)
        of = np.array([places[i] for i in good], np.int64)
        gathering.add(pl.DataFrame(columns), of, lambda row: payloads[good[row]])


def _fastavro() -> Any:
    return need("fastavro", "stream", "format avro")


def _loaded(path: Path) -> dict[str, Any]:
    fastavro = _fastavro()
    try:
        schema: Any = json.loads(path.read_text())
        fastavro.parse_schema(schema)
        fields = schema["fields"] if isinstance(schema, dict) and schema["type"] == "record" else None
    except OSError as error:
        raise ParameterError(f"cannot read the schema {path}: {(error.strerror or str(error)).lower()}") from None
    except Exception as error:
        raise ParameterError(_said(f"{path} is no Avro schema", error)) from None
    if fields is None:
        raise ParameterError(f"the Avro schema in {path} is not that of a record")
    return dict(schema)


def _container_start(schema: dict[str, Any]) -> bytes:
    """Return the start of a container file of records with a guard behind each."""
    guarded = {**schema, "fields": [*schema["fields"], {"name": _GUARD, "type": "double"}]}
    entries = {"avro.schema": json.dumps(guarded).encode(), "avro.codec": b"null"}
    packed = b"".join(_sized(name.encode()) + _sized(value) for name, value in entries.items())
    return _CONTAINER + _zigzag(len(entries)) + packed + _zigzag(0) + _SYNC


def _sized(data: bytes) -> bytes:
    return _zigzag(len(data)) + data


def _zigzag(number: int) -> bytes:
    """Return a number that is not negative as Avro writes it."""
    left, parts = number << 1, bytearray()
    while left > 0x7F:
        parts.append(left & 0x7F | 0x80)
        left >>= 7
    parts.append(left)
    return bytes(parts)


def _is_wrong(value: object, *, text: bool) -> bool:
    """Tell whether a value is nested, or no number where there must be one."""
    if text or value is None:
        return isinstance(value, list | dict)
    if not isinstance(value, str):
        return not isinstance(value, bool | int | float | Decimal)
    try:
        float(value)
    except ValueError:
        return True
    return False


def _plain(value: Any, kind: type[pl.DataType] | None) -> Any:
    if kind is pl.Float64:
        return None if value is None else float(value)
    if kind is pl.String and value is not None:
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return value


def _said(what: str, error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{what}: {lines[0] if lines else type(error).__name__}"
