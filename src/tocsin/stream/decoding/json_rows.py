"""JSON, one object a message or a line: parsed all at once, and looked at one by one only where that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tocsin.stream.decoding.base import Decoded, Form, Gathering, PayloadOf, divide
from tocsin.stream.decoding.plain_json import PlainJson
from tocsin.stream.decoding.readings import Fault, Rows, fault_of, fields_of, is_number, shown
from tocsin.stream.sources.base import Shape

_NO_NUMBERS = (b"NaN", b"-Infinity", b"Infinity")
_AS_VALUES = {
    word: re.compile(
        re.escape(word)
        + rb"(?=\s*[,}])(?:"
        + rb"|".join(rb'(?<=[^\s\\:,{\["]"' + colon + re.escape(word) + rb")" for colon in (b":", b": ", b" : "))
        + rb")"
    )
    for word in _NO_NUMBERS
}
"""Where they are values: behind a name's closing quote. Before an opening quote, or an escaped one, stand others."""

_SAMPLE = 16
_LOOK_EVERY = 1 << 18
"""After so many bytes some lines are looked at for sensors that are not the fleet's."""


class _Part(NamedTuple):
    """Messages that were read, and what they were."""

    table: pl.DataFrame
    origins: Rows
    payloads: list[bytes]


class JsonRows(Form):
    """One JSON object a message, or several lines of them.

    The key may be a text, a number or a boolean, which stands for its text. Sensors are numbers, booleans (1 and 0) or
    null; ``NaN`` and ``Infinity``, which JSON does not know but many write, count as missing. Other types make the
    message a dead letter. Where a field stands twice, the first one counts. Sensors that are not the fleet's are looked
    for in a few messages of each call, and their counts are estimates from these.

    Cost: two nanoseconds a byte where all is plain (see `PlainJson`), else that of `polars.read_ndjson` as well, which
    is two or three times as much. If messages cannot be decoded, the call is cut into pieces down to 64 messages, of
    which those that fail go through Python one by one.
    """

    name = "json"

    def __init__(self, shape: Shape, schema: Path | None = None) -> None:
        super().__init__(shape, schema)
        self._time: type[pl.DataType] = pl.Int64
        self._booleans: set[str] = set()
        self._fresh = True
        self._unseen, self._look = 0, True
        self._features = (shape.value or "",) if shape.long else shape.features
        self._known = frozenset(fields_of(shape))
        self._plain = PlainJson(shape)

    def decode(self, payloads: Sequence[bytes] | bytes) -> Decoded:
        """Return the readings of messages, or of the lines of one piece of text."""
        data = payloads if isinstance(payloads, bytes) else b"\n".join(payloads)
        gathering = Gathering(self.shape)
        if data.startswith(b"\xef\xbb\xbf"):
            data = data[3:]
        if self._fresh and data:
            self._fresh = False
            list(self._one_by_one([_first_line(data)], np.zeros(1, np.int64), Gathering(self.shape)))
        n_lines = int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n"))) + 1
        table, mended = self._parse(data, n_lines)
        origins = None if table is None else _origins(payloads, n_lines, table.height)
        if table is not None and origins is not None:
            gathering.mended += mended
            self._add(table, origins, _Lines(data).payload, gathering)
        elif isinstance(payloads, bytes):
            units = data.split(b"\n")
            self._in_pieces(units, np.zeros(len(units), np.int64), gathering)
        else:
            self._in_pieces(list(payloads), np.arange(len(payloads)), gathering)
        if not self.shape.long:
            self._unseen += len(data)
            if self._look or self._unseen >= _LOOK_EVERY:
                self._look = False
                gathering.count(self._strange(data))
        return gathering.result()

    def _parse(self, data: bytes, n_lines: int) -> tuple[pl.DataFrame | None, int]:
        """Return the lines as a table, None if anything is wrong with one; and how many values were no numbers."""
        table, mended = self._read(data, n_lines), 0
        if table is None and (b"NaN" in data or b"Infinity" in data):
            for pattern in _AS_VALUES.values():
                data, count = pattern.subn(b"null", data)
                mended += count
            table = self._read(data, n_lines) if mended else None
        return table, mended

    def _read(self, data: bytes, n_lines: int) -> pl.DataFrame | None:
        table = self._plain.read(data, n_lines)
        if table is not None:
            return table
        try:
            return pl.read_ndjson(data, schema=self._schema())
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def _schema(self) -> dict[str, type[pl.DataType]]:
        shape = self.shape
        schema: dict[str, type[pl.DataType]] = {}
        for name in (shape.key, shape.sensor):
            if name is not None:
                schema[name] = pl.String
        if shape.time is not None:
            schema[shape.time] = self._time
        for name in self._features:
            schema[name] = pl.Boolean if name in self._booleans else pl.Float64
        return schema

    def _add(self, table: pl.DataFrame, origins: Rows, payload_of: PayloadOf, gathering: Gathering) -> None:
        """Take over what Polars read; it writes out a list or an object where a key should be, as text."""
        for name in (self.shape.key, self.shape.sensor):
            if name is not None:
                start = pl.col(name).str.starts_with("[") | pl.col(name).str.starts_with("{")
                odd = table.select(start.arg_true()).to_series().to_list()
                wrong = [row for row in odd if isinstance(self._object(payload_of(row))[0], Fault)]
                if wrong:
                    table = table.with_columns(table[name].scatter(wrong, None))
        gathering.add(table, origins, payload_of, lambda row: self._fault(payload_of(row)))

    def _in_pieces(self, units: list[bytes], origins: Rows, gathering: Gathering) -> None:
        """Read what can be read at once, and bring it together again, so that few bad messages cost little."""
        parts: list[_Part] = []

        def at_once(start: int, end: int) -> bool:
            piece = units[start:end]
            table, mended = self._parse(b"\n".join(piece), len(piece))
            if table is None or table.height != len(piece):
                return False
            gathering.mended += mended
            parts.append(_Part(table, origins[start:end], piece))
            return True

        def singly(start: int, end: int) -> None:
            parts.extend(self._one_by_one(units[start:end], origins[start:end], gathering))

        divide(len(units), at_once, singly)
        for _, alike in groupby(parts, key=lambda part: part.table.schema):
            group = list(alike)
            payloads = [payload for part in group for payload in part.payloads]
            of = np.concatenate([part.origins for part in group])
            self._add(pl.concat([part.table for part in group]), of, payloads.__getitem__, gathering)

    def _one_by_one(self, units: list[bytes], origins: Rows, gathering: Gathering) -> Iterator[_Part]:
        """Look at each message; what is seen of its types is remembered for the next call."""
        rows: list[dict[str, Any]] = []
        of, payloads = [], []
        for unit, origin in zip(units, origins.tolist(), strict=True):
            for row, line in self._lines(unit, gathering):
                if isinstance(row, Fault):
                    gathering.dead.append(row.letter(line))
                else:
                    rows.append(row)
                    of.append(origin)
                    payloads.append(line)
        if rows:
            self._learn(rows)
            yield _Part(self._table(rows), np.array(of, np.int64), payloads)

    def _lines(self, unit: bytes, gathering: Gathering) -> Iterator[tuple[dict[str, Any] | Fault, bytes]]:
        """Yield the objects of a message, or what is wrong with them."""
        if not unit or unit.isspace():
            return
        row, mended = self._object(unit)
        if isinstance(row, Fault) and b"\n" in unit.strip():
            for line in unit.split(b"\n"):
                yield from self._lines(line, gathering)
            return
        gathering.mended += mended
        yield row, unit

    def _object(self, line: bytes) -> tuple[dict[str, Any] | Fault, int]:
        """Return one message's fields, or what is wrong with it; and how many values were no numbers."""
        odd: list[str] = []
        try:
            row = json.loads(
                line.decode().removeprefix("\ufeff"), object_pairs_hook=_first_wins, parse_constant=odd.append
            )
        except UnicodeDecodeError as error:
            return Fault(f"it is not UTF-8 at byte {error.start}; send JSON as UTF-8"), 0
        except RecursionError:
            return Fault("it is nested too deeply"), 0
        except json.JSONDecodeError as error:
            if _is_csv(line.decode(), self._known):
                return Fault("it is not JSON, but looks like CSV; read it as a file that ends in .csv, or send JSON"), 0
            return Fault(f"it is not JSON: {error.msg.lower()} at character {error.pos}"), 0
        except ValueError:
            return Fault("it has a number of too many digits"), 0
        if not isinstance(row, dict):
            hint = "; send one object a message" if isinstance(row, list) else ""
            return Fault(f"it is not a JSON object but {_title(row)}{hint}"), 0
        wrong = any(_is_wrong(row.get(name)) for name in self._features)
        roles = (self.shape.key, self.shape.time, self.shape.sensor)
        if wrong or any(isinstance(row.get(name), list | dict) for name in roles if name is not None):
            return fault_of(row, self.shape), 0
        return row, len(odd)

    def _fault(self, line: bytes) -> Fault:
        row, _ = self._object(line)
        return row if isinstance(row, Fault) else fault_of(row, self.shape)

    def _table(self, rows: list[dict[str, Any]]) -> pl.DataFrame:
        """Return what Polars would have read."""
        columns: dict[str, pl.Series] = {}
        schema = self._schema()
        for name, kind in schema.items():
            values = [row.get(name) for row in rows]
            if name == self.shape.time and kind is pl.Int64:
                columns[name] = pl.Series(values, dtype=pl.Int64)
            elif kind is pl.String:
                columns[name] = pl.Series(map(_as_text, values), dtype=pl.String)
            else:
                columns[name] = pl.Series(map(_as_float, values), dtype=pl.Float64)
        return pl.DataFrame(columns)

    def _learn(self, rows: list[dict[str, Any]]) -> None:
        """Remember which times are no whole numbers, and which sensors are true or false."""
        if self.shape.time is not None and any(type(row.get(self.shape.time)) is not int for row in rows):
            self._time = pl.String
        for name in self._features:
            kinds = {type(row.get(name)) for row in rows} - {type(None)}
            if kinds == {bool}:
                self._booleans.add(name)
            elif kinds:
                self._booleans.discard(name)

    def _strange(self, data: bytes) -> dict[str, int]:
        """Look for numbers in fields that are nobody's, in a few lines spread evenly; they speak for all since."""
        starts = {
            data.rfind(b"\n", 0, at) + 1 for at in np.linspace(0, max(len(data) - 1, 0), _SAMPLE).astype(int).tolist()
        }
        size, counts = 0, dict[str, int]()
        for start in sorted(starts):
            end = data.find(b"\n", start)
            line = data[start : end if end >= 0 else None]
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                size += len(line)
                for name, value in row.items():
                    if name not in self._known and isinstance(value, int | float) and not isinstance(value, bool):
                        counts[name] = counts.get(name, 0) + 1
        spoken_for, self._unseen = self._unseen, 0
        return {name: max(round(count * spoken_for / size), count) for name, count in counts.items()}


class _Lines:
    """The lines of a text that are not blank, split only when one is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lines: list[bytes] | None = None

    def payload(self, row: int) -> bytes:
        if self._lines is None:
            self._lines = [line for line in self._data.split(b"\n") if line and not line.isspace()]
        return self._lines[row]


def _origins(payloads: Sequence[bytes] | bytes, n_lines: int, n_rows: int) -> Rows | None:
    """Return which message each row is of; None if that cannot be told."""
    if isinstance(payloads, bytes):
        return np.zeros(n_rows, np.int64)
    if n_lines == n_rows == len(payloads):
        return np.arange(n_rows)
    counts = [sum(1 for line in each.split(b"\n") if line and not line.isspace()) for each in payloads]
    return np.repeat(np.arange(len(payloads)), counts) if sum(counts) == n_rows else None


def _first_line(data: bytes) -> bytes:
    bare = data[:65_536].lstrip()
    return bare.split(b"\n", 1)[0]


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in pairs:
        row.setdefault(name, value)
    return row


def _is_csv(line: str, known: Container[str]) -> bool:
    """Return whether a line that is no JSON has several fields, one of which is a number or named as one of ours."""
    if "{" in line or "}" in line:
        return False
    fields = [field.strip(' "\r') for field in re.split(r"[,;\t|]", line)]
    return len(fields) > 1 and any(field in known or is_number(field) for field in fields)


def _is_wrong(value: object) -> bool:
    return value is not None and not isinstance(value, bool | int | float)


def _as_text(value: bool | int | float | str | None) -> str | None:
    """Return what Polars makes of a value where text is asked for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return None if value is None else str(value)


def _as_float(value: bool | int | float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return float("inf")


def _title(value: object) -> str:
    if isinstance(value, list):
        return "an array"
    return "null" if value is None else shown(value)
