"""Alerts as sinks get them: each with an id that is the same whenever the same reading alerts, and as text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.stream.sinks.base import ALERTS, EXPLANATION

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.9fZ"
"""ISO 8601 with nanoseconds, so that a reading's time comes back as it was."""


def alerts_of(judged: pa.Table) -> pa.Table:
    """Return the rows that alert, as sinks get them.

    Parameters
    ----------
    judged : pyarrow.Table
        Scores as a fleet makes them, with explanations and the version of the model that judged each row: key, time (a
        timestamp, or nanoseconds since 1970 UTC), score, p_value, alert, threshold, version, explanations. Where these
        name no sensor, as without a recipe, a feature is one.

    Returns
    -------
    pyarrow.Table
        Of the schema `ALERTS`, in the order of the rows.
    """
    table = judged.filter(judged["alert"])
    keys = table["key"].cast(pa.string()).combine_chunks()
    times = table["time"].cast(ALERTS.field("time").type).combine_chunks()
    columns = [
        ids(keys, times.cast(pa.int64()).to_numpy()),
        keys,
        times,
        *(table[name].combine_chunks() for name in ("score", "p_value", "threshold", "version")),
        _explanations(table["explanations"].combine_chunks()),
    ]
    return pa.Table.from_arrays(columns, schema=ALERTS)


def ids(keys: pa.Array, times: NDArray[np.int64]) -> pa.Array:
    """Return the id of each alert: 16 hexadecimal digits of a hash of the asset's key and the reading's time.

    >>> ids(pa.array(["pump"]), np.array([0])).to_pylist()
    ['933c185c8133f951']
    """
    stamps = times.astype("<i8").tobytes()
    texts = keys.to_pylist()
    digests = (
        blake2b(stamps[8 * row : 8 * row + 8] + key.encode(), digest_size=8).hexdigest()
        for row, key in enumerate(texts)
    )
    return pa.array(digests, pa.string(), size=len(texts))


def _explanations(lists: pa.ListArray) -> pa.ListArray:
    """Return explanations with the fields that alerts have."""
    found = lists.flatten()
    names = {found.type.field(place).name for place in range(found.type.num_fields)}
    parts = [
        pc.struct_field(found, "feature" if field.name == "sensor" and "sensor" not in names else field.name).cast(
            field.type
        )
        for field in EXPLANATION
    ]
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(parts, fields=list(EXPLANATION)))


def json_lines(alerts: pa.Table) -> list[bytes]:
    """Return each alert as a JSON object without a line end; times are ISO 8601 in UTC, NaN and infinity are null."""
    buffer = io.BytesIO()
    pl.DataFrame(alerts).with_columns(pl.col("time").dt.strftime(TIME_FORMAT)).write_ndjson(buffer)
    return buffer.getvalue().splitlines()


def records(alerts: pa.Table) -> list[dict[str, Any]]:
    """Return alerts as dictionaries; a time loses what is smaller than a microsecond."""
    return pl.DataFrame(alerts).to_dicts()


def headline(alert: Mapping[str, Any]) -> str:
    """Return one line that says of an alert (of `records`) which asset it is, when it was, and the first reason.

    >>> headline({"key": "pump 7", "time": 0, "score": 9.5, "threshold": 4.0, "explanations": []})
    'pump 7, 1970-01-01 00:00:00: score 9.5, above its threshold of 4'
    """
    reasons = alert["explanations"] or ()
    said = reasons[0]["sentence"] if reasons else None
    why = said or f"score {alert['score']:.4g}, above its threshold of {alert['threshold']:.4g}"
    return f"{one_line(str(alert['key'])) or 'asset'}, {moment(alert['time'])}: {one_line(why)}"


def moment(time: datetime | int) -> str:
    """Return a time in UTC, or in nanoseconds since 1970, to the second."""
    plain = datetime.fromtimestamp(time // 10**9, UTC) if isinstance(time, int) else time
    return f"{plain:%Y-%m-%d %H:%M:%S}"


def one_line(text: str) -> str:
    """Return a text in which nothing moves a terminal's cursor or begins a new line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
