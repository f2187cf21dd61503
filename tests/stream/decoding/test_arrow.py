"""Arrow messages of any types, broken ones among them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tocsin.stream.decoding.decoder import Decoder
from tocsin.stream.sources.base import Shape

SHAPE = Shape(("x", "y"), key="k", time="t")
NS = 1_700_000_000 * 10**9


def message(columns: dict[str, Any]) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def readings(count: int, **others: Any) -> bytes:
    return message({"k": ["a"] * count, "t": [NS + i for i in range(count)], "x": [1.0] * count, **others})


def test_messages_of_any_number_of_rows_are_brought_together() -> None:
    decoded = Decoder(SHAPE, "arrow").decode([readings(3), b"", readings(0), readings(2, z=[1, 2]), readings(1)])
    assert decoded.frame["time"].to_list() == [NS, NS + 1, NS + 2, NS, NS + 1, NS]
    assert decoded.frame["y"].to_list() == [None] * 6
    assert decoded.origins.tolist() == [0, 0, 0, 3, 3, 4]
    assert decoded.strange == {"z": 2}


@pytest.mark.parametrize(
    "times",
    [
        pa.array([1_700_000_000], pa.timestamp("s")),
        pa.array([1_700_000_000_000], pa.timestamp("ms", "Europe/Berlin")),
        pa.array([NS // 1000], pa.timestamp("us", "UTC")),
        pa.array([1_700_000_000], pa.uint64()),
        pa.array([1_700_000_000.0], pa.float64()),
        pa.array(["2023-11-14T22:13:20Z"], pa.large_string()),
        pa.array(["2023-11-14T22:13:20Z"], pa.string()).dictionary_encode(),
    ],
    ids=lambda times: str(times.type),
)
def test_times_of_any_type(times: pa.Array) -> None:
    assert Decoder(SHAPE, "arrow").decode([message({"k": ["a"], "t": times})]).frame["time"].to_list() == [NS]


def test_columns_of_any_type() -> None:
    columns = {
        "k": pa.array([1, 2], pa.int16()).dictionary_encode(),
        "t": [datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)] * 2,
        "x": pa.array([True, None]),
        "y": pa.array([2, float("inf")], pa.float32()),
    }
    decoded = Decoder(SHAPE, "arrow").decode([message(columns)])
    assert decoded.frame.rows() == [("1", NS, 1.0, 2.0), ("2", NS, None, None)]
    assert decoded.mended == 1


def test_rows_and_messages_that_are_wrong_are_set_aside() -> None:
    bad = message({"k": ["a", None, "b"], "t": [NS, NS, 12], "x": ["1.5", "2", "high"]})
    nested = message({"k": ["a"], "t": [NS], "x": [[1.0]]})
    decoded = Decoder(SHAPE, "arrow").decode([readings(2), b"no arrow", readings(2)[:-50], bad, nested, readings(1)])
    assert decoded.frame["x"].to_list() == [1.0, 1.0, 1.5, 1.0]
    assert decoded.origins.tolist() == [0, 0, 3, 5]
    reasons = [letter.reason for letter in decoded.dead]
    assert sum("no Arrow IPC stream" in reason for reason in reasons) == 2
    assert "key 'k' is null" in reasons
    assert "'x' is the text 'high'" in reasons
    assert "'x' is a list" in reasons
    assert all("\n" not in reason for reason in reasons)


def test_bytes_that_were_changed_never_do_more_than_become_a_dead_letter() -> None:
    draw, whole = np.random.default_rng(5), readings(20, note=["abc"] * 20)
    for _ in range(300):
        data = bytearray(whole)
        for place in draw.integers(0, len(data), 3):
            data[place] = draw.integers(256)
        decoded = Decoder(SHAPE, "arrow").decode([bytes(data), whole])
        assert decoded.frame.height >= 20
        assert decoded.origins[-20:].tolist() == [1] * 20


def test_a_message_without_the_columns_is_refused_row_by_row() -> None:
    decoded = Decoder(SHAPE, "arrow").decode([message({"other": [1, 2]}), readings(1)])
    assert decoded.frame.height == 1
    assert len(decoded.dead) == 2
