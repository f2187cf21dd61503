"""Lines of CSV whose header is known: read by Polars at once, and one by one only where a line does not fit."""

from __future__ import annotations

import csv

import numpy as np
import polars as pl

from tocsin.errors import ColumnError, ParameterError, did_you_mean
from tocsin.stream.decoding.base import Decoded, Gathering, divide
from tocsin.stream.decoding.readings import Fault, Rows, fields_of, is_number, shown
from tocsin.stream.sources.base import Shape
from tocsin.tables.delimiters import SPACES, sniff


class CsvLines:
    """Reads lines of CSV, each one reading; quotes may hold separators, but no line breaks.

    Parameters
    ----------
    shape : Shape
        What readings look like.
    header : bytes
        The first line of the file.
    separator : str, optional
        One character; by default what splits the header into the most fields.
    name : str
        What the file is called in messages.

    Raises
    ------
    ColumnError
        If the key, the time, or all features are not among the columns.
    """

    def __init__(self, shape: Shape, header: bytes, separator: str | None, name: str) -> None:
        line = header.decode("utf-8-sig", "replace").strip("\r\n")
        if separator is None:
            separator = sniff([line])
            separator = "," if separator == SPACES else separator
        if len(separator) != 1:
            raise ParameterError(f"separator {separator!r} is not one character")
        self._shape, self._separator = shape, separator
        self._names = [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]
        check_columns(self._names, shape, name)
        fields = set(fields_of(shape))
        self._needed = [i for i, field in enumerate(self._names) if field in fields]
        self._others = [i for i in range(len(self._names)) if i not in self._needed]
        self._fresh = True

    def decode(self, data: bytes) -> Decoded:
        """Return the readings of whole lines."""
        data = data.replace(b"\r\n", b"\n")
        if data.startswith(b"\n") or b"\n\n" in data:
            data = b"\n".join(_lines(data))
        gathering = Gathering(self._shape)
        if not data or data.isspace():
            return gathering.result()
        table = self._read(data)
        lines = None if table is not None else _lines(data)
        if table is not None:
            split: list[bytes] = []

            def payload_of(row: int) -> bytes:
                split.extend([] if split else _lines(data))
                return split[row]

            gathering.add(table, np.zeros(table.height, np.int64), payload_of)
        elif lines:
            self._in_pieces(lines, gathering)
        if self._fresh and not self._shape.long:
            gathering.count(self._strange(data))
        return gathering.result()

    def _read(self, data: bytes) -> pl.DataFrame | None:
        """Return the needed columns, None if a line does not fit or there are other rows than lines."""
        features = () if self._shape.long else self._shape.features
        numbers = {f: pl.Float64 for f in (*features, self._shape.value) if f in self._names}
        for kinds in (numbers, {}):
            try:
                table = pl.read_csv(
                    data,
                    has_header=False,
                    separator=self._separator,
                    schema={name: kinds.get(name, pl.String) for name in self._names},
                )
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
                continue
            table = table.select(table.columns[i] for i in self._needed)  # with fewer, long lines would pass unseen
            return table if table.height == data.count(b"\n") + (not data.endswith(b"\n")) else None
        return None

    def _in_pieces(self, lines: list[bytes], gathering: Gathering) -> None:
        def at_once(start: int, end: int) -> bool:
            piece = lines[start:end]
            table = self._read(b"\n".join(piece))
            if table is not None:
                gathering.add(table, _no_origins(len(piece)), piece.__getitem__)
            return table is not None

        divide(len(lines), at_once, lambda start, end: self._one_by_one(lines[start:end], gathering))

    def _one_by_one(self, lines: list[bytes], gathering: Gathering) -> None:
        rows: list[list[str | None]] = []
        payloads: list[bytes] = []
        for line in lines:
            row = self._fields(line)
            if isinstance(row, Fault):
                gathering.dead.append(row.letter(line))
            else:
                rows.append(row)
                payloads.append(line)
        columns = {self._names[i]: pl.Series([row[i] for row in rows], dtype=pl.String) for i in self._needed}
        gathering.add(pl.DataFrame(columns), _no_origins(len(rows)), payloads.__getitem__)

    def _fields(self, line: bytes) -> list[str | None] | Fault:
        try:
            found = next(csv.reader([line.decode().rstrip("\r")], delimiter=self._separator, strict=True), [])
        except UnicodeDecodeError as error:
            return Fault(f"it is not UTF-8 at byte {error.start}; write CSV as UTF-8")
        except csv.Error as error:
            return Fault(f"it is not CSV: {error}")
        if len(found) > len(self._names):
            return Fault(f"it has {len(found)} fields, but the header has {len(self._names)}: {shown(line.decode())}")
        row: list[str | None] = [field or None for field in found]
        return row + [None] * (len(self._names) - len(row))

    def _strange(self, data: bytes) -> dict[str, int]:
        """Look at the first line for numbers in columns that are nobody's."""
        row = self._fields(data.split(b"\n", 1)[0])
        self._fresh = False
        if isinstance(row, Fault):
            return {}
        return {self._names[i]: data.count(b"\n") for i in self._others if is_number(row[i] or "")}


def check_columns(names: list[str], shape: Shape, where: str) -> None:
    """Refuse a table without the key, the time, or any feature."""
    for role, name in (("key", shape.key), ("time", shape.time), ("sensor", shape.sensor), ("value", shape.value)):
        if name is not None and name not in names:
            raise ColumnError(f"{where} has no column {name!r} for the {role}{did_you_mean(name, names)}")
    if not shape.long and not set(shape.features) & set(names):
        raise ColumnError(f"{where} has none of the fleet's features{did_you_mean(shape.features[0], names)}")


def _lines(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line]


def _no_origins(count: int) -> Rows:
    return np.zeros(count, np.int64)
