"""What an alert is, wherever it goes: a row of one schema, kept as a line of JSON."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
import pyarrow as pa

EXPLANATION = pa.struct(
    [
        ("feature", pa.string()),
        ("sensor", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("direction", pa.string()),
        ("contribution", pa.float64()),
        ("sentence", pa.string()),
    ]
)
ALERTS = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("time", pa.timestamp("ns", "UTC")),
        ("score", pa.float64()),
        ("p_value", pa.float64()),
        ("threshold", pa.float64()),
        ("version", pa.int64()),
        ("explanations", pa.list_(EXPLANATION)),
    ]
)
"""`id` is the same whenever the same alert is raised; `version` is that of the asset's model."""


def to_lines(alerts: pa.Table) -> list[bytes]:
    """Return each alert as a line of JSON, its time as nanoseconds; what is not finite is null."""
    frame = pl.DataFrame(alerts).with_columns(pl.col("time").to_physical())
    return frame.write_ndjson().encode().splitlines()


def of_lines(lines: Iterable[bytes]) -> pl.DataFrame:
    """Return a frame of the schema `ALERTS` from lines of JSON, in their order."""
    schema = pl.DataFrame(ALERTS.empty_table()).schema
    text = b"\n".join(lines)
    if not text:
        return pl.DataFrame(schema=schema)
    plain = {**schema, "time": pl.Int64()}
    return pl.read_ndjson(text, schema=plain).with_columns(pl.col("time").cast(schema["time"]))
