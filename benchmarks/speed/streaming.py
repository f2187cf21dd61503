"""The processes of the stream's benchmark: one that sends readings, the stream with its stages timed, and River's.

Each prints what it measured as one line of JSON. They are processes of their own so that the CPU time of one is not
counted as the other's.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

SENSORS = ("heat", "flow", "speed", "load")
START, SECOND = 1_700_000_000_000_000_000, 1_000_000_000
BUDGET = "100/day"
SPIKES = 1 / 2_000
SLICE = 0.002
"""Seconds: how finely a sender keeps its pace."""
SHARE = 10
"""The resident memory is looked at once in so many batches."""


# Readings ------------------------------------------------------------------------------------------------------------


def names(assets: int) -> np.ndarray:
    """Return the keys of assets."""
    return np.char.add("pump-", np.char.zfill(np.arange(assets).astype(str), 7))


def readings(assets: int, ticks: int, first: int, seed: int, *, history: bool = False) -> pl.DataFrame:
    """Return a reading a second of each asset, the assets of a second in any order.

    One in 2,000 is far off in all sensors, but in none of what models have learned before, `history`.
    """
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(assets), (ticks, 1)), axis=1).ravel()
    columns = {name: rng.standard_normal(len(order)) for name in SENSORS}
    far = rng.random(len(order)) < (0.0 if history else SPIKES)
    for name in SENSORS:
        columns[name][far] += 20.0
    stamps = START + np.repeat(np.arange(first, first + ticks), assets) * SECOND
    return pl.DataFrame({"asset": names(assets)[order], "time": stamps, **columns})


def lines(frame: pl.DataFrame) -> list[bytes]:
    """Return each reading as JSON, about 160 bytes."""
    return frame.write_ndjson().encode().splitlines()


def parts(assets: int, rows: int, first: int, seed: int) -> Iterator[pl.DataFrame]:
    """Give so many readings in all, some hundred thousand at a time."""
    step, ticks = max(200_000 // assets, 1), -(-rows // assets)
    for at in range(0, ticks, step):
        yield readings(assets, min(step, ticks - at), first + at, seed + at)


def send(server: str, topic: str, assets: int, rows: int, first: int, partitions: int) -> None:
    """Fill a topic; an asset's readings are in one partition."""
    producer = _producer(server)
    for frame in parts(assets, rows, first, seed=7):
        numbers = (frame["asset"].str.tail(7).cast(pl.Int64) % partitions).to_list()
        for number in range(partitions):
            own = [{"value": line} for line, of in zip(lines(frame), numbers, strict=True) if of == number]
            producer.produce_batch(topic, own, partition=number)
        producer.flush()


def pace(server: str, topic: str, assets: int, rows: int, rate: float) -> None:
    """Send so many bytes a second; each reading's time is when it is sent, so that its alert tells it."""
    producer = _producer(server)
    frame = next(parts(assets, max(assets, 400_000), 0, seed=9))
    cut = [line.split(f'"time":{stamp}'.encode()) for line, stamp in zip(lines(frame), frame["time"], strict=True)]
    ready = [(before + b'"time":%d' + after) for before, after in cut]
    size, begun, sent = len(ready[0]) + 17, time.perf_counter(), 0
    produce = producer.produce
    while sent < rows:
        due = min(int((time.perf_counter() - begun) * rate / size), rows)
        while sent < due:
            produce(topic, ready[sent % len(ready)] % time.time_ns())
            sent += 1
        producer.poll(0)
        time.sleep(SLICE)
    producer.flush()
    say({"rows": sent, "seconds": time.perf_counter() - begun})


def _producer(server: str) -> Any:
    from confluent_kafka import Producer

    return Producer(
        {"bootstrap.servers": server, "linger.ms": 1, "queue.buffering.max.messages": 2_000_000,
         "queue.buffering.max.kbytes": 1 << 20, "log_level": 0}
    )  # fmt: skip


def listen(server: str, topic: str, seconds: float) -> None:
    """Read alerts until none has come for so long; print each one's delay since its reading was sent, in seconds."""
    from confluent_kafka import Consumer

    consumer = Consumer(
        {"bootstrap.servers": server, "group.id": "listener", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 5,
         "isolation.level": "read_committed", "log_level": 0}
    )  # fmt: skip
    consumer.subscribe([topic])
    delays, last, begun = list[float](), time.monotonic() + 90, time.time_ns()
    while time.monotonic() < last:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            now = time.time_ns()
            text = json.loads(message.value())["time"]
            whole, _, rest = text.removesuffix("Z").partition(".")
            stamp = int(np.datetime64(whole, "s").astype(np.int64)) * SECOND + int(rest)
            if stamp > begun:
                delays.append((now - stamp) / SECOND)
                last = time.monotonic() + seconds
    consumer.close()
    say({"delays": delays})


# The stream ----------------------------------------------------------------------------------------------------------


class Stages:
    """The CPU-seconds of this thread by stage; a stage that is called within another is not counted there."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._inner = [0.0]

    def watch(self, owner: object, name: str, stage: str) -> None:
        """Count the calls of a method as part of a stage."""
        call = getattr(owner, name)

        def timed(*args: object, **kwargs: object) -> object:
            begun = time.thread_time()
            self._inner.append(0.0)
            try:
                return call(*args, **kwargs)
            finally:
                took = time.thread_time() - begun
                self.spent[stage] = self.spent.get(stage, 0.0) + took - self._inner.pop()
                self._inner[-1] += took

        object.__setattr__(owner, name, timed)  # some are frozen


class Meter:
    """Looks at what the process has used, once it is warm and again at the end, when it stops the stream."""

    def __init__(self, stages: Stages, warm: int, rows: int) -> None:
        self.stages, self.warm, self.rows = stages, warm, rows
        self.stop: Callable[[], None] = lambda: None
        self.seen_rows = self.size = self.alerts = self.batches = 0
        self.begin: dict[str, Any] | None = None
        self.end: dict[str, Any] = {}
        self.memory: list[tuple[int, int]] = []

    def changes(self) -> Sequence[tuple[bytes, bytes]]:
        """Write nothing."""
        return ()

    def seen(self, batch: Any) -> None:
        """Count a batch."""
        self.seen_rows += batch.rows
        self.size += batch.size
        self.alerts += batch.alerts
        self.batches += 1
        if self.batches % SHARE == 0:
            self.memory.append((self.seen_rows, resident()))
        if self.begin is None and self.seen_rows >= self.warm:
            self.begin = self.now()
            print("warm", flush=True)
        if self.seen_rows >= self.rows:
            self.end = self.now()
            self.stop()

    def now(self) -> dict[str, Any]:
        """Return all that is counted."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu": used.ru_utime + used.ru_stime,
            "wall": time.perf_counter(),
            "main": time.thread_time(),
            "rows": self.seen_rows,
            "bytes": self.size,
            "alerts": self.alerts,
            "batches": self.batches,
            "stages": dict(self.stages.spent),
        }


def resident() -> int:
    """Return the bytes of memory that are this process's own: not the pages of files, of which the store is one."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    return 0


def stream(folder: str, source: str, sink: str, warm: int, rows: int, least: int, budget: str = BUDGET) -> None:
    """Run the stream until it has taken so many rows."""
    from tocsin.detectors.budget import Budget
    from tocsin.fleet.fleet import Fleet
    from tocsin.insights.catalog import open_store
    from tocsin.stream.learning import Learning
    from tocsin.stream.options import Options
    from tocsin.stream.outbox import Outbox, targets_of
    from tocsin.stream.runner import Runner
    from tocsin.stream.sources.base import Shape
    from tocsin.stream.sources.kafka import KafkaSource
    from tocsin.urls import Address

    where = Path(folder)
    fleet = Fleet.load(where / "fleet")
    store = open_store(f"lmdb://{where / f'store-{time.time_ns()}'}?size=40GB", write=True)
    outbox = Outbox(store, targets_of([sink]), partial(print, file=sys.stderr))
    outbox.start()
    opened = KafkaSource.open(Address.of(source), Shape(fleet.features, key="asset", time="time"))
    stages = Stages()
    meter = Meter(stages, warm, rows)
    options = Options(learning=Learning(least=least), budget=Budget.of(budget))
    runner = Runner(fleet, opened, store, outbox, options, partial(print, file=sys.stderr), [meter])
    meter.stop = runner.stop
    _watch(stages, runner, opened, store, outbox)
    try:
        runner.run()
        outbox.drain(10.0)
    finally:
        opened.close()
        outbox.close()
        store.close()
    say({"begin": meter.begin, "end": meter.end, "memory": meter.memory, "peak": _peak()})


def _watch(stages: Stages, runner: Any, source: Any, store: Any, outbox: Any) -> None:
    """Time what a stream is made of."""
    live, state = runner.live, runner._state
    for owner, name, stage in (
        (runner, "_poll", "fetch"),
        (source, "_decoded", "decode"),
        (state, "arrivals", "columns"),
        (state._ordering, "arrive", "order"),
        (live, "absorb", "other of models"),
        (live.pipeline, "features", "features"),
        (live.pipeline.detector, "score_panel", "score"),
        (live.pipeline, "reasons", "explain"),
        (live, "_collect", "collect"),
        (live.pipeline.detector, "update_panel", "learn"),
        (runner._recorder, "record", "insights"),
        (runner._telling, "turn", "insights"),
        (runner._journal, "commit", "journal"),
        (outbox, "put", "alerts"),
        (store, "commit", "commit"),
    ):
        if hasattr(owner, "__dict__"):
            stages.watch(owner, name, stage)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# What it is compared with --------------------------------------------------------------------------------------------


def decode(assets: int, rows: int) -> None:
    """Decode with Polars and do nothing else; print bytes a CPU-second, the best of several."""
    data = b"\n".join(line for frame in parts(assets, rows, 0, seed=7) for line in lines(frame)[:rows])
    schema = {"asset": pl.String, "time": pl.Int64, **dict.fromkeys(SENSORS, pl.Float64)}
    took = []
    for _ in range(7):
        begun = time.process_time()
        pl.read_ndjson(data, schema=schema)
        took.append(time.process_time() - begun)
    say({"rate": len(data) / min(took)})


def river(server: str, topic: str, folder: str, assets: int, rows: int) -> None:
    """Do the same row by row with River: windows of 10, half-space trees, statistics of each sensor, a commit."""
    import lmdb
    from confluent_kafka import Consumer, TopicPartition
    from river import anomaly, preprocessing, stats

    def figures() -> list[Any]:
        quantiles = [stats.Quantile(share) for share in (0.05, 0.5, 0.95)]
        return [stats.Var(), stats.Min(), stats.Max(), *quantiles]  # of a variance the mean is a part

    consumer = Consumer({"bootstrap.servers": server, "group.id": "river", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    env = lmdb.open(str(Path(folder) / f"river-{time.time_ns()}"), map_size=1 << 30)
    windows = [{name: deque[float](maxlen=10) for name in SENSORS} for _ in range(assets)]
    insights = [{name: [(0, figures()) for _ in range(3)] for name in SENSORS} for _ in range(assets)]
    scalers = [preprocessing.MinMaxScaler() for _ in range(assets)]
    models = [anomaly.HalfSpaceTrees(seed=1) for _ in range(assets)]
    slots = {name: slot for slot, name in enumerate(names(assets).tolist())}
    begun, alerts = 0.0, 0
    for number in range(2 * rows):
        if number == rows:  # by now all trees are built
            begun = time.process_time()
        message = consumer.poll(10)
        assert message is not None
        row = json.loads(message.value())
        slot, second = slots[row["asset"]], row["time"] // SECOND
        features = {}
        for name, window in windows[slot].items():
            value = row[name]
            window.append(value)
            features[name] = value
            features[name + "_mean"] = sum(window) / len(window)
            features[name + "_min"], features[name + "_max"] = min(window), max(window)
            levels = insights[slot][name]
            for level, length in enumerate((60, 3_600, 86_400)):
                if levels[level][0] != second // length:
                    levels[level] = second // length, figures()
                for figure in levels[level][1]:
                    figure.update(value)
        scaler, model = scalers[slot], models[slot]
        scaler.learn_one(features)
        scaled = scaler.transform_one(features)
        if model.score_one(scaled) > 0.99:
            alerts += 1
        model.learn_one(scaled)
        if number % 10_000 == 0:
            with env.begin(write=True) as transaction:
                transaction.put(b"position", str(number).encode())
    say({"rate": rows / (time.process_time() - begun), "alerts": alerts})


def say(found: dict[str, Any]) -> None:
    """Hand over what was measured."""
    print(json.dumps(found), flush=True)


WORK: dict[str, Callable[..., None]] = {
    "send": send, "pace": pace, "listen": listen, "stream": stream, "decode": decode, "river": river,
}  # fmt: skip

if __name__ == "__main__":
    WORK[sys.argv[1]](**json.loads(sys.argv[2]))
