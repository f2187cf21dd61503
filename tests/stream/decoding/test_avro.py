"""Avro by columns is Avro record by record, and a broken record harms no other."""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.errors import ParameterError
from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.sources.base import Shape

SHAPE = Shape(("x", "y"), key="k", time="t")
MS = 1_700_000_000_000
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "reading",
    "fields": [
        {"name": "k", "type": "string"},
        {"name": "t", "type": "long"},
        {"name": "x", "type": ["null", "double"]},
        {"name": "y", "type": ["null", "double"]},
        {"name": "z", "type": "float"},
    ],
}
CONFLUENT = b"\x00\x00\x00\x00\x2a"


def written(row: dict[str, Any], schema: dict[str, Any] = SCHEMA) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, row)
    return out.getvalue()


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("avro"), SCHEMA)


def saved(folder: Path, schema: dict[str, Any]) -> Path:
    path = folder / "reading.avsc"
    path.write_text(json.dumps(schema))
    return path


numbers = st.one_of(st.none(), st.floats(allow_infinity=False))
records = st.fixed_dictionaries(
    {"k": st.text(max_size=5), "t": st.integers(MS, MS + 1000), "x": numbers, "y": numbers, "z": st.just(1.0)}
).map(written)
broken = st.one_of(
    st.binary(max_size=30), records.map(lambda each: each[:-5]), records.map(lambda each: each + b"1234")
)


def slow(messages: list[bytes]) -> list[tuple[Any, ...]]:
    rows = []
    for message in messages:
        body = BytesIO(message)
        try:
            row: Any = fastavro.schemaless_reader(body, SCHEMA, None)
        except Exception:
            continue
        if message and body.tell() == len(message) and MS <= row["t"] <= MS + 1000:
            rows.append((row["k"], row["t"] * 10**6, row["x"], row["y"]))
    return rows


def same(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    def bits(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple("nan" if isinstance(v, float) and math.isnan(v) else v for v in row)

    return [bits(row) for row in found] == [bits(row) for row in wanted]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(records, records, broken), max_size=8), st.integers(1, 20))
def test_by_columns_is_record_by_record(schema: Path, messages: list[bytes], times_over: int) -> None:
    good = written({"k": "first", "t": MS, "x": 1.0, "y": None, "z": 0.0})
    messages = [good, *messages * times_over]
    decoded = Decoder(SHAPE, "avro", schema=schema).decode(messages)
    wanted = slow(messages)
    assert same(decoded.frame.rows(), wanted)
    assert len(decoded.dead) == sum(map(bool, messages)) - len(wanted)
    headed = Decoder(SHAPE, "avro", schema=schema).decode([CONFLUENT + each for each in messages if each])
    assert same(headed.frame.rows(), wanted)


def test_what_is_wrong_is_said(schema: Path) -> None:
    good = [written({"k": "a", "t": MS + i, "x": 1.5, "y": None, "z": 0.0}) for i in range(200)]
    late = written({"k": "a", "t": 5, "x": 1.5, "y": None, "z": 0.0})
    short, long = good[0][:-2], good[0] + b"12"
    decoded = Decoder(SHAPE, "avro", schema=schema).decode([*good[:99], short, late, long, *good[99:]])
    assert same(decoded.frame.rows(), slow(good))
    assert decoded.origins.tolist() == [*range(99), *range(102, 203)]
    assert 100 < decoded.strange["z"] <= 200
    said = {letter.payload: letter.reason for letter in decoded.dead}
    assert set(said) == {short, late, long}
    assert "no Avro record of this schema" in said[short]
    assert "2 bytes are left over" in said[long]
    assert "before 1971" in said[late]
    assert all("\n" not in reason for reason in said.values())


def test_a_record_cannot_shift_the_others(schema: Path) -> None:
    """One that is short by eight bytes, and later one that is long by eight, would read as other numbers."""
    good = [written({"k": "a", "t": MS + i, "x": 1.5, "y": 2.5, "z": 0.0}) for i in range(10)]
    messages = [*good[:3], good[3][:-8], *good[4:6], good[6] + struct.pack("<d", 7.0), *good[7:]]
    decoded = Decoder(SHAPE, "avro", schema=schema).decode(messages)
    assert decoded.origins.tolist() == [0, 1, 2, 4, 5, 7, 8, 9]
    assert same(decoded.frame.rows(), slow([good[i] for i in decoded.origins]))


def test_schemas_that_polars_does_not_know_are_read_too(tmp_path: Path) -> None:
    wide = {
        **SCHEMA,
        "fields": [
            {"name": "k", "type": {"type": "enum", "name": "pump", "symbols": ["a", "b"]}},
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "x", "type": ["null", "double", "string"]},
            {"name": "tags", "type": {"type": "map", "values": "string"}},
            {"name": "y", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        ],
    }
    rows = [
        {"k": "b", "t": MS, "x": 1.5, "tags": {"a": "b"}, "y": Decimal(2)},
        {"k": "a", "t": MS, "x": "?", "tags": {}, "y": Decimal(1)},
    ]
    decoder = Decoder(SHAPE, "avro", schema=saved(tmp_path, wide))
    decoded = decoder.decode([written(row, wide) for row in rows])
    assert decoded.frame.rows() == [("b", MS * 10**6, 1.5, 2.0)]
    assert decoded.dead[0].reason == "'x' is the text '?'"
    again = decoder.decode([written(rows[0], wide)] * 3)
    assert again.frame.rows() == [("b", MS * 10**6, 1.5, 2.0)] * 3


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_containers_need_no_schema(codec: str) -> None:
    rows = [{"k": "a", "t": MS + i, "x": float(i), "y": None, "z": 1.0} for i in range(5)]
    out = BytesIO()
    fastavro.writer(out, SCHEMA, rows, codec=codec)
    message = out.getvalue()
    decoded = Decoder(SHAPE, "avro").decode([message, b"", message[:-20], b"bare"])
    assert decoded.frame.rows() == [("a", row["t"] * 10**6, row["x"], None) for row in rows]
    assert decoded.origins.tolist() == [0] * 5
    assert [letter.reason.partition(":")[0] for letter in decoded.dead] == [
        "it is no Avro container that can be read",
        "it is no Avro container; give its schema with ?schema=file.avsc",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read the schema"),
        ("{", "is no Avro schema"),
        ('{"type": "record", "name": "r"}', "is no Avro schema"),
        ('"string"', "is not that of a record"),
    ],
)
def test_a_schema_that_is_none_is_one_line(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "reading.avsc"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ParameterError, match=said) as caught:
        Decoder(SHAPE, "avro", schema=path)
    assert "\n" not in str(caught.value)


def test_other_formats_take_no_schema(schema: Path) -> None:
    with pytest.raises(ParameterError, match="format json needs no schema"):
        Decoder(SHAPE, "json", schema=schema)
    with pytest.raises(ParameterError, match="no format 'avor'; did you mean 'avro'"):
        Decoder(SHAPE, "avor")
