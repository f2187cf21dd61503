"""The operation's own figures: counted by the stream, asked for by its records and, on request, by Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from tocsin.errors import OutputError, ParameterError
from tocsin.extras import need

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds up to which delays are counted together for Prometheus."""
LOOPBACK = "127.0.0.1"


class Quantiles(NamedTuple):
    """The delay that half of the readings had at most, and that which 99 % had; seconds, NaN where none came."""

    p50: float = math.nan
    p99: float = math.nan


class Delays:
    """How long readings took, each batch with the number of its readings: the last ones, and a histogram of all.

    Parameters
    ----------
    most : int
        So many batches are kept for quantiles.
    """

    def __init__(self, most: int = 4096) -> None:
        self._seconds, self._rows = np.zeros(most), np.zeros(most, np.int64)
        self._written = self._asked = 0
        self.counts = np.zeros(len(BUCKETS) + 1, np.int64)
        """How many readings fell in each of `BUCKETS`, and how many beyond the last."""
        self.total = 0.0

    def add(self, seconds: float, rows: int) -> None:
        """Count the delay of some readings; one below zero, by clocks that differ, is taken as zero."""
        seconds = max(seconds, 0.0)
        place = self._written % len(self._seconds)
        self._seconds[place], self._rows[place] = seconds, rows
        self._written += 1
        self.counts[np.searchsorted(BUCKETS, seconds)] += rows
        self.total += seconds * rows

    def recent(self) -> Quantiles:
        """Return the quantiles of what came since the last call."""
        new = min(self._written - self._asked, len(self._seconds))
        places = np.arange(self._written - new, self._written) % len(self._seconds)
        self._asked = self._written
        order = places[np.argsort(self._seconds[places], kind="stable")]
        upto = np.cumsum(self._rows[order])
        if not len(order) or not upto[-1]:
            return Quantiles()
        found = np.searchsorted(upto, [0.5 * upto[-1], 0.99 * upto[-1]])
        return Quantiles(*(float(each) for each in self._seconds[order[found]]))


@dataclass(slots=True)
class Figures:
    """What a stream counts. One thread writes, others may read.

    Attributes
    ----------
    rows, bytes, batches, alerts : int
        What has been scored, and how many alerts came of it.
    late, dead, strange, mended, unlearned : int
        Readings that came too late, messages that could not be decoded, values of sensors that the fleet does not
        know, values that were no finite number and count as missing, and readings of assets that have no model yet.
    learned, models : int
        Rows that models have learned, and how many models there are.
    commits : int
    commit_seconds : float
        How many transactions there were, and how long they took together.
    waiting : int
        Alerts that still wait for a sink.
    lag : int or None
        What waits to be fetched, in the source's own unit, `lag_unit`; None if it cannot tell.
    lag_unit : str
    store_bytes : int
    delays : Delays
        From a batch's newest reading to its commit.
    """

    rows: int = 0
    bytes: int = 0
    batches: int = 0
    alerts: int = 0
    late: int = 0
    dead: int = 0
    strange: int = 0
    mended: int = 0
    unlearned: int = 0
    learned: int = 0
    models: int = 0
    commits: int = 0
    commit_seconds: float = 0.0
    waiting: int = 0
    lag: int | None = None
    lag_unit: str = "bytes"
    store_bytes: int = 0
    delays: Delays = field(default_factory=Delays)


_COUNTERS = {
    "rows": "Readings scored.",
    "bytes": "Bytes fetched.",
    "batches": "Batches scored.",
    "alerts": "Alerts raised.",
    "late": "Readings that came too late and were left out.",
    "dead": "Messages that could not be decoded.",
    "strange": "Values of sensors that the fleet does not know.",
    "mended": "Values that were no finite number and count as missing.",
    "unlearned": "Readings of assets that have no model yet.",
    "learned": "Readings that models have learned.",
    "commits": "Transactions of the store.",
    "commit_seconds": "Seconds that transactions took.",
}
_GAUGES = {
    "models": "Assets that have a model.",
    "waiting": "Alerts that wait for a sink.",
    "lag": "What waits to be fetched, in {lag_unit}.",
    "store_bytes": "Bytes that the store uses.",
}


class _Server(Protocol):
    def shutdown(self) -> None: ...
    def server_close(self) -> None: ...


class MetricsServer:
    """Figures as Prometheus asks for them, over HTTP, until closed; they are read when asked for and cost nothing else.

    Parameters
    ----------
    figures : Figures
    where : str
        A port, which is then on loopback; or ``host:port``, such as ``0.0.0.0:9100`` for all to see.

    Raises
    ------
    ParameterError
        If `where` makes no sense, or prometheus_client is not installed.
    OutputError
        If the port is taken, or there is no such host.
    """

    def __init__(self, figures: Figures, where: str) -> None:
        host, port = host_and_port(where)
        library = need("prometheus_client", "stream", "Serving metrics")
        registry = library.CollectorRegistry(auto_describe=False)
        registry.register(_Collector(figures))
        try:
            started: tuple[_Server, Thread] = library.start_http_server(port, host, registry)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"cannot serve metrics at {host}:{port}: {reason}; name another port") from None
        self._server, self._thread = started
        self.address = f"{host}:{getattr(self._server, 'server_port', port)}"

    def close(self) -> None:
        """Stop serving; may be called twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def host_and_port(where: str) -> tuple[str, int]:
    """Return host and port; a port alone is on loopback.

    >>> host_and_port("9100"), host_and_port("0.0.0.0:9100"), host_and_port("[::1]:9100")
    (('127.0.0.1', 9100), ('0.0.0.0', 9100), ('::1', 9100))

    Raises
    ------
    ParameterError
        If it is neither.
    """
    host, _, port = where.strip().rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ParameterError(f"{where!r} is no place to serve at; give a port, such as 9100, or host:port")
    return host.strip("[]") or LOOPBACK, int(port)


class _Collector:
    """Makes Prometheus' own kinds of figures whenever it asks."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        core = need("prometheus_client.core", "stream", "Serving metrics")
        figures = self._figures
        for name, said in _COUNTERS.items():
            yield core.CounterMetricFamily(f"tocsin_{name}", said, value=getattr(figures, name))
        for name, said in _GAUGES.items():
            if (value := getattr(figures, name)) is not None:
                told = said.format(lag_unit=figures.lag_unit)
                yield core.GaugeMetricFamily(f"tocsin_{name}", told, value=value)
        upto = np.cumsum(figures.delays.counts)
        edges = [*(str(edge) for edge in BUCKETS), "+Inf"]
        yield core.HistogramMetricFamily(
            "tocsin_delay_seconds",
            "Seconds from a batch's newest reading to its commit, for each reading.",
            buckets=[(edge, int(count)) for edge, count in zip(edges, upto, strict=True)],
            sum_value=figures.delays.total,
        )
