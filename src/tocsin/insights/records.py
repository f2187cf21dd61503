"""What is kept under which key: fixed little-endian layouts, so that reading runs no code and finds values in place.

All keys of insights begin with ``i/``. An asset is named in a key by its own key, in UTF-8, or if that is long by its
beginning and a digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.errors import StoreError
from tocsin.insights.base import Span
from tocsin.kernels.rolling import FIGURES, MINUTE

META = b"i/meta"
ASSET = (b"i/a/", b"i/b/", b"i/c/")
"""Where an asset's minute, hour and day are; with the minute is its state when these were put down."""
BOARD, VALUES, NAMES, ALERT, ALERT_OF, OPS, DRIFT, SERIES = (
    b"i/h/", b"i/v/", b"i/n/", b"i/t/", b"i/x/", b"i/o/", b"i/d/", b"i/s/",
)  # fmt: skip
"""Latest states, their readings, names, alerts, an asset's alerts, the operation, drift, and past windows."""
BLOCK = 63
"""How many assets' states share a value of the board, so that it and its header fill one page of 4,096 bytes."""
LONGEST = 120

HEAD = np.dtype(
    [
        ("time", "<i8"), ("score", "<f8"), ("p_value", "<f8"), ("threshold", "<f8"), ("version", "<i8"),
        ("rows", "<i8"), ("alerts", "<i8"), ("slot", "<i4"), ("alert", "<i4"),
    ]
)  # fmt: skip
"""The latest state of an asset: its last row, and how many rows and alerts it has had."""
SUMMARY = np.dtype([("count", "<u4"), ("figures", "<f4", (FIGURES - 1,))])
"""Of a channel over a past window: count, mean, standard deviation, least, greatest, 5th, 50th, 95th percentile."""
OPS_FIGURES = (
    "rows", "bytes", "delay_p50", "delay_p99", "lag", "alerts", "late", "dead", "strange", "unlearned",
)  # fmt: skip
OPS_TYPE = np.dtype([(name, "<f8") for name in OPS_FIGURES])
"""The operation in one second: rates a second, delays in milliseconds, lag in its own unit; NaN is not known."""
LAG_UNIT = b"i/u"
"""Where it says in what lag is counted."""

LEVELS = {"minute": MINUTE, "hour": 60 * MINUTE, "day": 1440 * MINUTE}
"""How many nanoseconds a window of each level has."""
PER = {"minute": 15, "hour": 24, "day": 32}
"""How many windows of each level lie together: all assets' of a quarter of an hour, of a day, of 32 days."""
DRIFT_NAMES = b"i/e"
"""Where the names are of what drift is measured of."""
WHY = (None, "alerts", "drift")
"""Why an asset's last rows were held back from learning, or are known to have drifted; None if they were not."""
_LETTER = {"minute": b"m", "hour": b"h", "day": b"d"}
_MIDDLE = 1 << 63


def fixed_type(level: int, sensors: int) -> np.dtype[Any]:
    """Return the layout of an asset's record of a level, before the digests."""
    channels = sensors + 1
    window: list[Any] = [
        ("rows", "<i8", (2,)),
        ("moments", "<f8", (channels, 5)),
        ("sizes", "<i4", (channels,)),
    ]
    last: list[list[Any]] = [
        [(f"lasts{which}", "<i8", (3,)), (f"summaries{which}", "<f8", (channels, FIGURES))] for which in range(3)
    ]
    if level == 0:
        state = [("head", HEAD), ("minute", "<i8"), ("values", "<f8", (sensors,)), ("fills", "<i4", (channels,))]
        return np.dtype(state + window)
    return np.dtype((last[0] if level == 1 else last[1] + last[2]) + window)


def series_type(sensors: int) -> np.dtype[Any]:
    """Return the layout of what is kept of a past window: channel 0 is the score."""
    return np.dtype([("rows", "<u4"), ("alerts", "<u4"), ("channels", SUMMARY, (sensors + 1,))])


def drift_type(sensors: int) -> np.dtype[Any]:
    """Return the layout of an asset's drift: how far each sensor's last rows are from what is normal."""
    figures: list[Any] = [("distances", "<f4", (sensors,)), ("bounds", "<f4", (sensors,))]
    return np.dtype([("time", "<i8"), ("why", "<i8"), *figures])


def asset_id(key: str) -> bytes:
    """Return the part of a key that names an asset, at most 136 bytes.

    >>> asset_id("pump 7")
    b'pump 7'
    >>> len(asset_id("x" * 1000))
    117
    """
    text = key.encode("utf-8", "surrogatepass")
    if len(text) <= LONGEST and b"\0" not in text:
        return text
    return text[:100].replace(b"\0", b" ") + b"\xff" + blake2b(text, digest_size=16).digest()


def whole(number: int) -> bytes:
    """Return a signed number as 8 bytes that sort as it does."""
    return (number + _MIDDLE).to_bytes(8, "big")


def number_of(whole: bytes) -> int:
    """Return the number that `whole` made into bytes."""
    return int.from_bytes(whole, "big") - _MIDDLE


def block_key(kind: bytes, block: int) -> bytes:
    """Return the key of a block of the board or of the names."""
    return kind + block.to_bytes(4, "big")


@lru_cache(64)
def series_parts(level: str, window: int) -> tuple[bytes, bytes]:
    """Return what comes before an asset's name in the key of a past window, and what comes after."""
    bucket, place = divmod(window, PER[level])
    return SERIES + _LETTER[level] + _bucket(bucket), b"\0" + bytes([place])


def series_spans(level: str, first: int, last: int, asset: bytes) -> list[Span]:
    """Return where the windows `first` to `last` of an asset are, and a few around them."""
    spans = []
    for bucket in range(first // PER[level], last // PER[level] + 1):
        prefix = SERIES + _LETTER[level] + _bucket(bucket) + asset + b"\0"
        spans.append(Span(prefix, prefix + bytes([PER[level]])))
    return spans


def series_until(level: str, window: int) -> Span:
    """Return all assets' windows of the buckets before that of `window`."""
    start = SERIES + _LETTER[level]
    return Span(start + _bucket(-(1 << 31)), start + _bucket(window // PER[level]))


def window_of(key: bytes, level: str) -> int:
    """Return which window a key of a series is of."""
    bucket = int.from_bytes(key[len(SERIES) + 1 : len(SERIES) + 5], "big") - (1 << 31)
    return bucket * PER[level] + key[-1]


def windows_of(parts: Sequence[Sequence[bytes]], level: str, first: int) -> NDArray[np.int64]:
    """Return which windows the keys are of that were found in the spans of `series_spans`."""
    starts = (first // PER[level] + np.arange(len(parts))) * PER[level]
    places = np.frombuffer(bytes([key[-1] for part in parts for key in part]), np.uint8)
    return np.repeat(starts, [len(part) for part in parts]) + places


def _bucket(bucket: int) -> bytes:
    return min(max(bucket + (1 << 31), 0), (1 << 32) - 1).to_bytes(4, "big")


def alert_keys(asset: bytes, time: int, name: str) -> tuple[bytes, bytes]:
    """Return where an alert is, and where an asset's alerts are pointed out."""
    tail = whole(time) + name.encode()[:32]
    return ALERT + tail, ALERT_OF + asset + b"\0" + tail


def ops_put(second: int, figures: Mapping[str, float]) -> tuple[bytes, bytes]:
    """Return the record of a second of the operation, in seconds since 1970; figures left out are not known.

    >>> key, value = ops_put(1_700_000_000, {"rows": 5e4, "delay_p99": 80})
    >>> float(np.frombuffer(value, OPS_TYPE)["rows"][0])
    50000.0
    """
    unknown = set(figures) - set(OPS_FIGURES)
    if unknown:
        raise StoreError(f"the operation has no figure {sorted(unknown)[0]!r}; there are: {', '.join(OPS_FIGURES)}")
    row = np.array([tuple(figures.get(name, np.nan) for name in OPS_FIGURES)], OPS_TYPE)
    return OPS + whole(second), row.tobytes()


def drift_values(
    times: NDArray[np.int64],
    why: NDArray[np.int8],
    distances: NDArray[np.float64],
    bounds: NDArray[np.float64],
) -> list[bytes]:
    """Return what is kept of the drift of some assets; distances and bounds have the shape (n_assets, n_sensors)."""
    made = np.zeros(len(times), drift_type(distances.shape[1]))
    made["time"], made["why"], made["distances"], made["bounds"] = times, why, distances, bounds
    blob, size = made.tobytes(), made.itemsize
    return [blob[at : at + size] for at in range(0, len(blob), size)]


def drift_put(key: str, value: bytes) -> tuple[bytes, bytes]:
    """Return the record of an asset's drift."""
    return DRIFT + asset_id(key), value


def drift_names(sensors: Sequence[str]) -> tuple[bytes, bytes]:
    """Return the record that says of what drift is measured: sensors, or what a recipe makes of them."""
    return DRIFT_NAMES, json.dumps(list(sensors), separators=(",", ":")).encode()


def meta_put(sensors: Sequence[str], assets: int) -> tuple[bytes, bytes]:
    """Return the record that says which sensors there are, and of how many assets."""
    return META, json.dumps({"sensors": list(sensors), "assets": assets}, separators=(",", ":")).encode()


def meta_of(value: bytes | None) -> tuple[tuple[str, ...], int]:
    """Return the sensors and the number of assets that a store says it has."""
    if value is None:
        raise StoreError("the store has no insights yet")
    known = json.loads(value)
    return tuple(known["sensors"]), int(known["assets"])


def series_values(rows: NDArray[np.int64], summaries: NDArray[np.float64]) -> list[bytes]:
    """Return windows that have ended as they are kept, in single precision; shapes (n, 2) and (n, C, 8)."""
    made = np.zeros(len(rows), series_type(summaries.shape[1] - 1))
    made["rows"], made["alerts"] = rows[:, 0], rows[:, 1]
    made["channels"]["count"] = summaries[:, :, 0]
    with np.errstate(over="ignore"):
        made["channels"]["figures"] = summaries[:, :, 1:]
    blob, size = made.tobytes(), made.itemsize
    return [blob[at : at + size] for at in range(0, len(blob), size)]
