"""Made-up batches as the runner gives them to a recorder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tocsin.insights.alerts import ALERTS
from tocsin.insights.base import Store
from tocsin.insights.recorder import Changes, Recorder
from tocsin.panel import Panel, Scores

SENSORS = ("heat", "flow")
START = 1_699_999_800_000_000_000


class Rows(NamedTuple):
    """Rows of several assets in the order in which they come."""

    assets: np.ndarray
    times: np.ndarray
    values: np.ndarray
    scores: np.ndarray
    p_values: np.ndarray


def rows(n: int, assets: int = 5, seconds: float = 5.0, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    times = START + (np.cumsum(rng.exponential(seconds / assets, n)) * 1e9).astype(np.int64)
    values = rng.normal([[20.0], [300.0]], 2.0, (2, n))
    values[0, rng.random(n) < 0.1] = np.nan
    return Rows(rng.integers(0, assets, n), times, values, rng.exponential(size=n), rng.random(n))


def name(asset: int) -> str:
    return f"pump-{asset:03d}"


class Batch(NamedTuple):
    """The arguments of `Recorder.record`."""

    keys: list[str]
    panel: Panel
    scores: Scores
    thresholds: np.ndarray
    versions: np.ndarray
    alerts: pa.Table


def batch(found: Rows, a: int, b: int) -> Batch:
    """Return some of the rows, grouped by asset."""
    order = a + np.argsort(found.assets[a:b], kind="stable")
    who, counts = np.unique(found.assets[a:b], return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    keys = [name(asset) for asset in who]
    values = np.ascontiguousarray(found.values[:, order])
    panel = Panel(values, offsets, pa.array(keys), SENSORS, found.times[order])
    alert = found.scores[order] > 3.0
    alerts = [
        {
            "id": f"{found.times[row]:016x}", "key": name(found.assets[row]), "time": int(found.times[row]),
            "score": found.scores[row], "p_value": found.p_values[row], "threshold": 3.0, "version": 1,
            "explanations": [{"feature": "heat", "value": found.values[0, row], "sentence": "heat is “high”"}],
        }
        for row in order[alert]
    ]  # fmt: skip
    scores = Scores(found.scores[order], found.p_values[order], alert)
    each = len(keys)
    table = pa.Table.from_pylist(alerts, ALERTS)
    return Batch(keys, panel, scores, np.full(each, 3.0), np.full(each, 1), table)


def batches(found: Rows, cuts: Sequence[int]) -> Iterator[Batch]:
    for a, b in pairwise(cuts):
        yield batch(found, a, b)


def commit(store: Store, recorder: Recorder, changes: Changes) -> None:
    """Commit what a recorder says of a batch, and the windows that it changes."""
    changes.add(recorder.put_down())
    store.commit(*changes)


def recorded(store: Store, found: Rows, cuts: Sequence[int], recorder: Recorder | None = None) -> Recorder:
    """Record rows in batches, each committed."""
    recorder = recorder or Recorder(store, SENSORS)
    for each in batches(found, cuts):
        commit(store, recorder, recorder.record(*each))
    return recorder
