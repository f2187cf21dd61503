"""CSV and NDJSON: text that becomes typed columns after a look at the start of each file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tocsin.errors import ColumnError, EmptyDataError, TocsinError
from tocsin.tables.columns import FILE_KEY
from tocsin.tables.delimiters import SPACES, sniff
from tocsin.tables.failures import plain_errors
from tocsin.tables.features import mixed_error
from tocsin.tables.files import Files, left_out_remark
from tocsin.tables.kinds import BOOLEAN, EMPTY, Kind, kind_of_text, kind_of_type
from tocsin.tables.sources import Source, differing, text_as_float

_SAMPLE_ROWS = 10_000
_SAMPLE_FILES = 10
_BAD = "\N{REPLACEMENT CHARACTER}"


def open_text(
    files: Files, key: str | None, *, separator: str | None, header: bool, null_values: Sequence[str] | None
) -> Source:
    """Open CSV or NDJSON files.

    Raises
    ------
    DataError, ColumnError, EmptyDataError
        If they are no table, have no rows, have twin columns, or differ in their columns.
    """
    missing = (null_values,) if isinstance(null_values, str) else tuple(null_values or ())
    path_column = FILE_KEY if key == FILE_KEY else None
    with plain_errors(files.name):
        if files.format == "ndjson":
            return _open_ndjson(files, path_column, missing)
        if separator is None:
            separator = sniff(_first_lines(files.paths[0], 50))
        reader = _CsvReader(separator, header, missing)
        names = reader.names(files)
        frame = reader.strings(files.paths, names, path_column)
        share = _SAMPLE_ROWS // min(len(files.paths), _SAMPLE_FILES)
        samples = [reader.strings((path,), names, None).head(share) for path in files.paths[:_SAMPLE_FILES]]
        kinds = _kinds(pl.concat(samples).collect(), frame, files.name, commas=separator != ",")
        return CsvSource(
            name=files.name,
            frame=frame,
            storage="rows",
            kinds=kinds,
            remarks=_remarks(files, names),
            text=True,
            paths=files.paths,
            reader=reader,
            path_column=path_column,
        )


def _remarks(files: Files, names: Sequence[str]) -> tuple[str, ...]:
    remarks = [left_out_remark(files)] if files.left_out else []
    if bad := [name for name in names if _BAD in name]:
        remarks.append(f"{files.name} is not UTF-8 text; bytes that cannot be read show as {_BAD}, as in {bad[0]!r}")
    return tuple(remarks)


def _kinds(sample: pl.DataFrame, frame: pl.LazyFrame, name: str, *, commas: bool) -> dict[str, Kind]:
    """Classify columns by a sample; where that shows nothing, by the first values further down."""
    if sample.is_empty():
        raise EmptyDataError(f"{name} has a header but no rows")
    kinds = {}
    for column in sample.get_columns():
        text = isinstance(column.dtype, pl.String)
        kind = kind_of_text(column, commas=commas) if text else kind_of_type(column.dtype)
        if kind.name == EMPTY and text and sample.height >= _SAMPLE_ROWS // 2:
            later = frame.select(pl.col(column.name).drop_nulls().head(1_000)).collect().to_series()
            kind = kind_of_text(later, commas=commas)
        kinds[column.name] = kind
    return kinds


def _scan_lines(paths: Sequence[str], **options: int | str | None) -> pl.LazyFrame:
    """Return whole lines of text as one column, by a separator that no text has."""
    return pl.scan_csv(
        list(paths),
        separator="\x01",
        quote_char=None,
        has_header=False,
        schema={"line": pl.String},
        encoding="utf8-lossy",
        glob=False,
        truncate_ragged_lines=True,
        **options,  # type: ignore[arg-type]
    )


def _first_lines(path: str, count: int) -> list[str]:
    lines = _scan_lines([path], n_rows=count).collect().to_series().drop_nulls().to_list()
    return [line.removeprefix("\ufeff").rstrip("\r") for line in lines]


@dataclass(frozen=True)
class _CsvReader:
    """How the text is cut into fields, which is the same for all files."""

    separator: str
    header: bool
    missing: tuple[str, ...]

    def names(self, files: Files) -> list[str]:
        """Return the columns' names, the same in all files."""
        first, *others = files.paths
        lines = _first_lines(first, 1)
        if not lines:
            raise EmptyDataError(f"{first} is empty: no header and no rows")
        fields = self._fields(lines[0])
        if not self.header:
            return [f"column_{i + 1}" for i in range(len(fields))]
        twins = [name for name, count in Counter(fields).items() if count > 1]
        if twins:
            data = sum(kind_of_text(pl.Series([field]), commas=False).name == "number" for field in fields)
            hint = (
                "the first line looks like data: say header=False" if 2 * data > len(fields) else "rename one of them"
            )
            raise ColumnError(f"{first} has two columns called {twins[0]!r}; {hint}")
        for path in () if files.remote else others:
            line = _header_line(path)
            if line != lines[0] and (error := self._differing(first, fields, path, line)):
                raise error
        return fields

    def _differing(self, first: str, fields: list[str], path: str, line: str) -> ColumnError | None:
        found = self._fields(line)
        return differing(first, dict.fromkeys(fields), path, dict.fromkeys(found))

    def _fields(self, line: str) -> list[str]:
        if self.separator == SPACES:
            return line.split()
        return next(csv.reader([line], delimiter=self.separator))

    def strings(self, paths: Sequence[str], names: Sequence[str], path_column: str | None) -> pl.LazyFrame:
        """Return all columns as text."""
        if self.separator != SPACES:
            return self.typed(paths, dict.fromkeys(names, pl.String()), path_column)
        lines = _scan_lines(paths, skip_lines=int(self.header), include_file_paths=path_column)
        bare = pl.col("line").str.strip_chars().str.replace_all(r"\s+", " ")
        fields = bare.str.splitn(" ", len(names)).struct.rename_fields(list(names))
        rest = [path_column] if path_column else []
        frame = lines.filter(bare.str.len_bytes() > 0).select(fields.alias("line"), *rest).unnest("line")
        if not self.missing:
            return frame
        return frame.with_columns(pl.when(~pl.col(n).is_in(self.missing)).then(pl.col(n)).alias(n) for n in names)

    def typed(self, paths: Sequence[str], schema: dict[str, pl.DataType], path_column: str | None) -> pl.LazyFrame:
        """Return the columns in the given types, text or float64."""
        return pl.scan_csv(
            list(paths),
            separator=self.separator,
            has_header=False,
            skip_lines=int(self.header),
            schema=schema,
            null_values=list(self.missing) or None,
            encoding="utf8-lossy",
            glob=any("://" in path for path in paths),
            missing_columns="insert",
            include_file_paths=path_column,
        )


def _header_line(path: str) -> str:
    """Return a file's first line; read directly where it is plain text, since there may be thousands of files."""
    with Path(path).open("rb") as file:
        line = file.readline(1 << 20)
    if line.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return next(iter(_first_lines(path, 1)), "")
    return line.decode("utf-8-sig", errors="replace").rstrip("\r\n")


@dataclass(frozen=True, kw_only=True)
class CsvSource(Source):
    """Delimited text; columns are text until they are asked for as numbers."""

    reader: _CsvReader
    path_column: str | None

    def scan(self, numbers: Sequence[str]) -> pl.LazyFrame:
        """Return all columns, those in `numbers` as float64, parsed by the CSV reader itself where it can."""
        if self.reader.separator == SPACES:
            return self.frame.with_columns(text_as_float(name, self.kinds[name]) for name in numbers)
        hard = [n for n in numbers if (k := self.kinds[n]).padded or k.decimal_comma or k.name == BOOLEAN]
        easy = set(numbers) - set(hard)
        schema: dict[str, pl.DataType] = {n: pl.Float64() if n in easy else pl.String() for n in self.kinds}
        frame = self.reader.typed(self.paths, schema, self.path_column)
        return frame.with_columns(text_as_float(name, self.kinds[name]) for name in hard) if hard else frame

    def diagnose(self, numbers: Sequence[str]) -> TocsinError | None:
        """Read everything as text and find what is no number."""
        return _stray_text(self.reader.strings(self.paths, list(self.kinds), FILE_KEY), self, numbers)


def _stray_text(frame: pl.LazyFrame, source: Source, numbers: Sequence[str]) -> TocsinError | None:
    """Return the error for the first column that holds something which is no number."""
    numbers = [name for name in numbers if source.kinds[name].name != BOOLEAN]
    looks = []
    for i, name in enumerate(numbers):
        bare = pl.col(name).cast(pl.String).str.strip_chars()
        if source.kinds[name].decimal_comma:
            bare = bare.str.replace(",", ".", literal=True)
        stray = (bare != "") & bare.cast(pl.Float64, strict=False).is_null()
        looks += [
            pl.col(name).filter(stray).first().alias(f"{i}"),
            pl.col(FILE_KEY).filter(stray).first().alias(f"{i}@"),
        ]
    found = frame.select(looks).collect(engine="streaming").row(0, named=True)
    for i, name in enumerate(numbers):
        if (example := found[f"{i}"]) is not None:
            return mixed_error(name, str(example), f" in {found[f'{i}@']}")
    return None


def _open_ndjson(files: Files, path_column: str | None, missing: tuple[str, ...]) -> Source:
    paths = list(files.paths)
    frame = pl.scan_ndjson(paths, infer_schema_length=_SAMPLE_ROWS, include_file_paths=path_column)
    schema = {name: dtype for name, dtype in frame.collect_schema().items() if name != FILE_KEY}
    # As text, since a reader that goes ahead of the sample would stumble over text further down.
    texts = schema | {name: pl.String() for name, dtype in schema.items() if dtype.is_numeric()}
    sample = _without(pl.scan_ndjson(paths, schema=texts).head(_SAMPLE_ROWS), schema, missing).collect()
    return NdjsonSource(
        name=files.name,
        frame=frame,
        storage="rows",
        kinds=_kinds(sample, frame, files.name, commas=False) | _numeric(schema),
        remarks=_remarks(files, list(schema)),
        paths=files.paths,
        missing=missing,
        path_column=path_column,
    )


def _numeric(schema: dict[str, pl.DataType]) -> dict[str, Kind]:
    return {name: kind_of_type(dtype) for name, dtype in schema.items() if dtype.is_numeric()}


def _without(frame: pl.LazyFrame, schema: dict[str, pl.DataType], missing: tuple[str, ...]) -> pl.LazyFrame:
    """Return the frame with null where text stands for what is missing."""
    texts = [name for name, dtype in schema.items() if isinstance(dtype, pl.String)]
    return frame.with_columns(pl.when(~pl.col(n).is_in(missing)).then(pl.col(n)).alias(n) for n in texts)


@dataclass(frozen=True, kw_only=True)
class NdjsonSource(Source):
    """One JSON object a line; columns have the types of the first 10,000."""

    missing: tuple[str, ...]
    path_column: str | None

    def scan(self, numbers: Sequence[str]) -> pl.LazyFrame:
        """Return all columns, those in `numbers` as float64: whole numbers may turn into fractions further down."""
        schema = {name: self.dtype(name) for name in self.kinds}
        texts = {name: pl.String() for name in numbers if self.missing or isinstance(schema[name], pl.String)}
        floats = {name: pl.Float64() for name in numbers if name not in texts and schema[name].is_numeric()}
        frame = self._rescan(schema | texts | floats)
        if self.missing:
            frame = _without(frame, schema | texts, self.missing)
        casts = [text_as_float(name, self.kinds[name]) for name in texts]
        casts += [pl.col(name).cast(pl.Float64) for name in numbers if name not in texts and name not in floats]
        return frame.with_columns(casts)

    def _rescan(self, schema: dict[str, pl.DataType], path_column: str | None = None) -> pl.LazyFrame:
        return pl.scan_ndjson(list(self.paths), schema=schema, include_file_paths=path_column or self.path_column)

    def diagnose(self, numbers: Sequence[str]) -> TocsinError | None:
        """Read numbers as text and find what is none."""
        schema = {name: self.dtype(name) for name in self.kinds}
        return _stray_text(self._rescan(schema | dict.fromkeys(numbers, pl.String()), FILE_KEY), self, numbers)
