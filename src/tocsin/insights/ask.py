"""What people ask of a store: who is worst, how an asset is and was, what was alerted of, how the stream does.

Each answer reads only what it needs, in one moment of the store, and waits for no writer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.errors import ParameterError, StoreError, UnknownAssetError, did_you_mean
from tocsin.insights import records
from tocsin.insights.alerts import of_lines
from tocsin.insights.base import Span, Store
from tocsin.insights.records import ASSET, BOARD, DRIFT, HEAD, LEVELS, META, NAMES, OPS, OPS_TYPE, VALUES, asset_id
from tocsin.insights.state import State

SCORE = "score"
"""What the first channel of a series is called; the others are the sensors."""
STATISTICS = ("count", "mean", "std", "min", "max", "q05", "q50", "q95")
MOST_POINTS, MOST_WINDOWS = 3000, 100_000
"""Above so many windows a series is told in longer ones, unless these are asked for; above more, not at all."""
NEAR = 20_000
"""Among how many names a near match is looked for."""
TIME = pl.Datetime("ns", "UTC")


@dataclass(frozen=True, slots=True, eq=False)
class Latest:
    """The latest state of an asset.

    Parameters
    ----------
    key : str
        What it is called.
    time : int
        When its last reading was, in nanoseconds since 1970 UTC.
    values : mapping of str to float
        That reading; NaN is a missing value.
    score, p_value, threshold : float
        Of that reading, and its model's; NaN where there is none.
    alert : bool
        Whether it passed the threshold.
    version : int
        Which version of its model scored it.
    rows, alerts : int
        How many readings it has had, and how many of them passed.
    """

    key: str
    time: int
    values: Mapping[str, float]
    score: float
    p_value: float
    threshold: float
    alert: bool
    version: int
    rows: int
    alerts: int


@dataclass(frozen=True, slots=True, eq=False)
class Asset:
    """An asset: its latest state, its windows (see `windows`), its score's series, and drift if that is measured.

    `drift` says when it was measured (`time`, in nanoseconds), `why` the rows were held back from learning ("alerts",
    "drift", or None if they were not), and of each of `sensors` its distance from what is normal, from 0 to 1, and up
    to where that is taken for normal.
    """

    latest: Latest
    windows: pl.DataFrame
    series: pl.DataFrame
    drift: Mapping[str, Any] | None


def top(store: Store, n: int = 10) -> pl.DataFrame:
    """Return the `n` assets whose latest readings are the most anomalous.

    First those over their threshold; then by how many times the threshold the score is, where that is above 0, and by
    p-value. Reads 64 bytes an asset: a few milliseconds for 10,000 of them.

    Returns
    -------
    polars.DataFrame
        key, time, score, threshold, times_threshold (null without one above 0), p_value, alert, rows, alerts, version.
    """
    if n < 1:
        raise ParameterError(f"n must be at least 1, not {n}")
    heads = np.frombuffer(b"".join(value for _, value in store.scan(Span.of_prefix(BOARD))), HEAD)
    frame = pl.DataFrame({name: np.ascontiguousarray(heads[name]) for name in HEAD.names or ()})
    ratio = pl.when(pl.col("threshold") > 0).then(pl.col("score") / pl.col("threshold")).fill_nan(None)
    order = {"alert": True, "times_threshold": True, "p_value": False, "slot": False}
    falling = list(order.values())
    worst = (
        frame.with_columns(pl.col("alert").cast(pl.Boolean), times_threshold=ratio)
        .top_k(n, by=list(order), reverse=[not each for each in falling])
        .sort(list(order), descending=falling, nulls_last=True)
    )
    blocks = sorted({slot // records.BLOCK for slot in worst["slot"].to_list()})
    found = store.get_many([records.block_key(NAMES, block) for block in blocks])
    named = {block: json.loads(value) for block, value in zip(blocks, found, strict=True) if value is not None}
    keys = [named[slot // records.BLOCK][slot % records.BLOCK] for slot in worst["slot"].to_list()]
    columns = ("key", "time", "score", "threshold", "times_threshold", "p_value", "alert", "rows", "alerts", "version")
    return worst.with_columns(pl.Series("key", keys, pl.String), pl.col("time").cast(TIME)).select(columns)


def latest(store: Store, key: str) -> Latest:
    """Return the latest state of an asset; two looks at the store, well under 1 ms.

    Raises
    ------
    UnknownAssetError
        If the store knows no such asset; says which is near.
    """
    meta, value = store.get_many([META, ASSET[0] + asset_id(key)])
    sensors, _ = records.meta_of(meta)
    return _latest(key, sensors, *_board(store, sensors, _there(store, key, value)))


def asset(
    store: Store, key: str, since: int | None = None, *, until: int | None = None, level: str | None = None
) -> Asset:
    """Return all about an asset; a day's series in a few milliseconds.

    Parameters
    ----------
    store : Store
        Where to look.
    key : str
        What the asset is called.
    since, until : int, optional
        Of which time its series is, in nanoseconds since 1970 UTC; by default the day up to its last reading.
    level : {"minute", "hour", "day"}, optional
        How long the series' windows are; by default minutes, and longer ones where those would be too many.
    """
    sensors, state = _state(store, key)
    found = _latest(key, sensors, state.heads[0], state.values[0])
    drift, names = store.get_many([DRIFT + asset_id(key), records.DRIFT_NAMES])
    return Asset(
        found,
        _windows(sensors, state),
        _series(store, key, sensors, state, 0, since, until, level),
        None if drift is None or names is None else _drift(drift, json.loads(names)),
    )


def windows(store: Store, key: str) -> pl.DataFrame:
    """Return the statistics of each sensor, and of the score, over the current and the last full windows.

    They are those of some seconds ago at the most while a stream writes.

    Returns
    -------
    polars.DataFrame
        channel ("score" or a sensor), window ("minute", "hour", "day"), current (or else the last full one), start,
        rows, alerts, count, mean, std, min, max, q05, q50, q95; what is not known is null.
    """
    return _windows(*_state(store, key))


def series(
    store: Store,
    key: str,
    since: int | None = None,
    *,
    channel: str = SCORE,
    until: int | None = None,
    level: str | None = None,
) -> pl.DataFrame:
    """Return what an asset's score, or a sensor, was over time; the newest window is the current one.

    Parameters are those of `asset`; `channel` is "score" or the name of a sensor.

    Returns
    -------
    polars.DataFrame
        time (when a window begins), rows, alerts, count, mean, std, min, max, q05, q50, q95, in single precision but
        for the current window. Windows without readings are not there.
    """
    sensors, state = _state(store, key)
    channels = [SCORE, *sensors]
    if channel not in channels:
        raise ParameterError(f"no sensor {channel!r}{did_you_mean(channel, channels)}")
    return _series(store, key, sensors, state, channels.index(channel), since, until, level)


def alerts(store: Store, since: int | None = None, key: str | None = None, most: int = 100) -> pl.DataFrame:
    """Return the newest alerts, of all assets or of one, newest first, with the columns of `ALERTS`."""
    if key is None:
        first = records.ALERT if since is None else records.ALERT + records.whole(since)
        span = Span(first, Span.of_prefix(records.ALERT).end)
        return of_lines(line for _, line in store.scan(span, most=most, backwards=True))
    _there(store, key, store.get(ASSET[0] + asset_id(key)))
    mine = records.ALERT_OF + asset_id(key) + b"\0"
    span = Span(mine + (b"" if since is None else records.whole(since)), Span.of_prefix(mine).end)
    pointers = [pointer for pointer, _ in store.scan(span, most=most, backwards=True)]
    lines = store.get_many([records.ALERT + pointer[len(mine) :] for pointer in pointers])
    return of_lines(line for line in lines if line is not None)


def ops(store: Store, since: int | None = None, most: int = 60) -> pl.DataFrame:
    """Return the operation's own figures, a row a second, the last `most` of them in order.

    Returns
    -------
    polars.DataFrame
        time, rows and bytes a second, delay_p50 and delay_p99 in milliseconds, lag in the unit of `lag_unit`, alerts,
        late, dead, strange and unlearned a second; what is not known is null.
    """
    first = OPS if since is None else OPS + records.whole(since // 10**9)
    found = list(store.scan(Span(first, Span.of_prefix(OPS).end), most=most, backwards=True))[::-1]
    rows = np.frombuffer(b"".join(value for _, value in found), OPS_TYPE)
    times = pl.Series("time", [records.number_of(key[len(OPS) :]) * 10**9 for key, _ in found], pl.Int64).cast(TIME)
    columns = {name: np.ascontiguousarray(rows[name]) for name in OPS_TYPE.names or ()}
    return pl.DataFrame({"time": times, **columns}).fill_nan(None)


def lag_unit(store: Store) -> str | None:
    """Return in what a stream's lag is counted, "messages" or "bytes"; None if it has not said so."""
    unit = store.get(records.LAG_UNIT)
    return None if unit is None else unit.decode()


def drift(store: Store, n: int = 20) -> pl.DataFrame:
    """Return the assets that have drifted most, of those of which it is measured, and which of their sensors most.

    First those whose last rows were held back from learning, or are known to have drifted; then by how far a sensor is,
    as a share of what is taken for normal.

    Returns
    -------
    polars.DataFrame
        key (of a very long one the beginning), time, why ("alerts", "drift", or null), sensor, distance (from 0, as it
        was, to 1, no overlap), bound.
    """
    names = store.get(records.DRIFT_NAMES)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "key": pl.String, "time": TIME, "why": pl.String, "sensor": pl.String, "distance": pl.Float64,
        "bound": pl.Float64,
    }  # fmt: skip
    sensors: list[str] = [] if names is None else json.loads(names)
    kind = records.drift_type(len(sensors))
    found = [(key, value) for key, value in store.scan(Span.of_prefix(DRIFT)) if len(value) == kind.itemsize]
    if not found or not sensors:
        return pl.DataFrame(schema=schema)
    table = np.frombuffer(b"".join(value for _, value in found), kind)
    distances, bounds = (np.nan_to_num(table[name]) for name in ("distances", "bounds"))
    shares = distances / np.maximum(bounds, 1e-9)
    worst, rows = shares.argmax(axis=1), np.arange(len(table))
    order = np.lexsort((-shares[rows, worst], table["why"] == 0))[:n]
    lines = [
        (
            found[row][0].removeprefix(DRIFT).decode("utf-8", "replace"),
            int(table["time"][row]),
            records.WHY[table["why"][row]],
            sensors[worst[row]],
            float(distances[row, worst[row]]),
            float(bounds[row, worst[row]]),
        )
        for row in order
    ]
    plain = {**schema, "time": pl.Int64}
    return pl.DataFrame(lines, schema=plain, orient="row").with_columns(pl.col("time").cast(TIME))


def newest(store: Store) -> int:
    """Return when the newest reading of all assets was, in nanoseconds since 1970 UTC."""
    check(store)
    return max(int(np.frombuffer(value, HEAD)["time"].max()) for _, value in store.scan(Span.of_prefix(BOARD)))


def names(store: Store) -> list[str]:
    """Return what all assets are called, in the order in which they came."""
    return [name for _, block in store.scan(Span.of_prefix(NAMES)) for name in json.loads(block)]


def _there(store: Store, key: str, value: bytes | None) -> bytes:
    if value is None:
        known = names(store)
        near = did_you_mean(key, known[:NEAR])
        raise UnknownAssetError(f"the store has no asset {key!r}{near}")
    return value


def _board(store: Store, sensors: tuple[str, ...], value: bytes) -> tuple[Any, NDArray[np.float64]]:
    """Return the latest state of an asset and its readings; `value` is its record, which says where they are."""
    block, place = divmod(int(np.frombuffer(value, HEAD, 1)["slot"][0]), records.BLOCK)
    heads, values = store.get_many([records.block_key(kind, block) for kind in (BOARD, VALUES)])
    assert heads is not None
    assert values is not None
    return np.frombuffer(heads, HEAD)[place], np.frombuffer(values).reshape(-1, len(sensors))[place]


def _latest(key: str, sensors: tuple[str, ...], head: Any, values: NDArray[np.float64]) -> Latest:
    plain = {name: head[name].item() for name in HEAD.names or ()}
    del plain["slot"]
    plain["alert"] = bool(plain["alert"])
    return Latest(key=key, values=dict(zip(sensors, values.tolist(), strict=True)), **plain)


def _state(store: Store, key: str) -> tuple[tuple[str, ...], State]:
    """Return the sensors, and the state of one asset as if there were no other."""
    name = asset_id(key)
    meta, *levels = store.get_many([META, *(prefix + name for prefix in ASSET)])
    sensors, _ = records.meta_of(meta)
    state = State(len(sensors), 1)
    for level, value in enumerate(levels):
        if value is not None:
            state.unpack(level, np.zeros(1, np.int64), [value])
    state.heads[0], state.values[0] = _board(store, sensors, _there(store, key, levels[0]))
    return sensors, state


def _drift(value: bytes, sensors: list[str]) -> dict[str, Any] | None:
    """Return when an asset's drift was measured, why its rows were held back, and each sensor's distance and bound."""
    kind = records.drift_type(len(sensors))
    if len(value) != kind.itemsize:
        return None
    row = np.frombuffer(value, kind)[0]
    figures = zip(row["distances"].tolist(), row["bounds"].tolist(), strict=True)
    told = {name: [None if np.isnan(one) else one for one in pair] for name, pair in zip(sensors, figures, strict=True)}
    return {"time": int(row["time"]), "why": records.WHY[row["why"]], "sensors": told}


def _windows(sensors: tuple[str, ...], state: State) -> pl.DataFrame:
    rolling, (rows, figures), found = state.rolling, state.now(0), []
    for place, (level, length) in enumerate(LEVELS.items()):
        start = int(rolling.minutes[0]) * LEVELS["minute"] // length * length
        last = rolling.lasts[0, place]
        if rows[place, 0]:
            found.append((level, True, start, rows[place], figures[place]))
        if last[1] > 0:
            found.append((level, False, int(last[0]) * length, last[1:], rolling.summaries[0, place]))
    channels, lines = (SCORE, *sensors), []
    for level, is_current, start, counted, summaries in found:
        for name, figure in zip(channels, summaries.tolist(), strict=True):
            lines.append((name, level, is_current, start, *counted.tolist(), int(figure[0]), *figure[1:]))
    columns = ("channel", "window", "current", "start", "rows", "alerts", *STATISTICS)
    frame = pl.DataFrame(lines, schema=columns, orient="row").fill_nan(None)
    return frame.with_columns(pl.col("start").cast(TIME))


def _series(
    store: Store,
    key: str,
    sensors: tuple[str, ...],
    state: State,
    channel: int,
    since: int | None,
    until: int | None,
    level: str | None,
) -> pl.DataFrame:
    last = int(state.heads["time"][0])
    end = last if until is None else min(until, last)
    start = end - LEVELS["day"] if since is None else min(since, end)
    chosen = level or next((name for name in LEVELS if (end - start) // LEVELS[name] <= MOST_POINTS), "day")
    if chosen not in LEVELS:
        raise ParameterError(f"no windows of a {chosen}{did_you_mean(chosen, LEVELS)}")
    length = LEVELS[chosen]
    first, newest = start // length, end // length
    if newest - first > MOST_WINDOWS:
        raise ParameterError(f"{newest - first:,} windows of a {chosen} are too many; take longer ones or less time")
    parts = store.scan_all(records.series_spans(chosen, first, newest, asset_id(key)))
    numbers = records.windows_of([[name for name, _ in part] for part in parts], chosen, first)
    blob = b"".join([value for part in parts for _, value in part])
    table = np.frombuffer(blob, records.series_type(len(sensors)))
    inside = (numbers >= first) & (numbers <= newest)
    counted, summary = table[inside], table["channels"][inside, channel]
    rows = np.stack([numbers[inside] * length, counted["rows"], counted["alerts"], summary["count"]], 1)
    figures = summary["figures"].astype(np.float64)
    place, now = list(LEVELS).index(chosen), int(state.rolling.minutes[0]) * LEVELS["minute"] // length
    if first <= now <= newest:
        current_rows, current = state.now(0)
        ours = current[place, channel]
        rows = np.vstack([rows, [now * length, *current_rows[place], int(ours[0])]])
        figures = np.vstack([figures, ours[1:]])
    whole = [pl.Series(name, rows[:, i]) for i, name in enumerate(("time", "rows", "alerts", "count"))]
    parted = [pl.Series(name, figures[:, i], nan_to_null=True) for i, name in enumerate(STATISTICS[1:])]
    return pl.DataFrame([whole[0].cast(TIME), *whole[1:], *parted])


def check(store: Store) -> None:
    """Raise a `StoreError` if a store has no insights."""
    if store.get(META) is None:
        raise StoreError("the store has no insights yet; a stream writes them with its first readings")
