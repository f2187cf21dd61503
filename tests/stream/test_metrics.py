"""The operation's figures: right in themselves, and as Prometheus reads them."""

from __future__ import annotations

import math
import socket
from urllib.request import urlopen

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tocsin.errors import OutputError, ParameterError
from tocsin.stream.metrics import BUCKETS, Delays, Figures, MetricsServer, host_and_port


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50)), min_size=1, max_size=60))
def test_quantiles_are_those_of_the_readings(batches):
    delays = Delays()
    for seconds, rows in batches:
        delays.add(seconds, rows)
    every = np.repeat([seconds for seconds, _ in batches], [rows for _, rows in batches])
    expected = np.quantile(every, [0.5, 0.99], method="inverted_cdf")
    assert list(delays.recent()) == expected.tolist()
    assert math.isnan(delays.recent().p50)
    assert delays.counts.sum() == len(every)
    for edge, upto in zip(BUCKETS, np.cumsum(delays.counts), strict=False):
        assert upto == (every <= edge).sum()
    assert delays.total == pytest.approx(every.sum())


def test_only_the_last_ones_are_kept_and_clocks_may_differ():
    delays = Delays(most=4)
    for seconds in (9.0, 9.0, 9.0, 1.0, 2.0, -3.0, 4.0):
        delays.add(seconds, 1)
    assert delays.recent() == (1.0, 4.0)
    delays.add(7.0, 2)
    delays.add(8.0, 0)
    assert delays.recent() == (7.0, 7.0)
    assert delays.counts[0] == 1
    delays.add(8.0, 0)
    assert math.isnan(delays.recent().p99), "no reading came with it"


def read(address):
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, sample.labels.get("le")): sample.value for family in families for sample in family.samples
    }, families


def test_prometheus_reads_what_is_counted():
    figures = Figures(rows=7, bytes=1190, late=2, models=3, commit_seconds=0.25)
    server = MetricsServer(figures, "0")
    try:
        assert server.address.startswith("127.0.0.1:")
        before, families = read(server.address)
        assert before[("tocsin_rows_total", None)] == 7
        assert before[("tocsin_commit_seconds_total", None)] == 0.25
        assert before[("tocsin_models", None)] == 3
        assert ("tocsin_lag", None) not in before, "the source cannot tell"
        assert all(family.documentation for family in families)
        figures.rows, figures.lag = 9, 0
        figures.delays.add(0.04, 5)
        figures.delays.add(100.0, 2)
        after, _ = read(server.address)
        assert after[("tocsin_rows_total", None)] == 9
        assert after[("tocsin_lag", None)] == 0
        assert after[("tocsin_delay_seconds_bucket", "0.025")] == 0
        assert after[("tocsin_delay_seconds_bucket", "0.05")] == 5
        assert after[("tocsin_delay_seconds_bucket", "60.0")] == 5
        assert after[("tocsin_delay_seconds_count", None)] == 7
        assert after[("tocsin_delay_seconds_sum", None)] == pytest.approx(200.2)
    finally:
        server.close()
        server.close()


def test_every_figure_is_served():
    server = MetricsServer(Figures(lag=1), "127.0.0.1:0")
    try:
        served, _ = read(server.address)
    finally:
        server.close()
    names = {name.removeprefix("tocsin_").removesuffix("_total") for name, _ in served}
    assert set(Figures.__dataclass_fields__) - {"delays", "lag_unit"} <= names


@pytest.mark.parametrize("unit", ["bytes", "messages"])
def test_every_help_text_says_what_is_counted(unit):
    server = MetricsServer(Figures(lag=1, lag_unit=unit), "127.0.0.1:0")
    try:
        _, families = read(server.address)
    finally:
        server.close()
    told = {family.name: family.documentation for family in families}
    assert told["tocsin_lag"] == f"What waits to be fetched, in {unit}."
    assert told["tocsin_delay_seconds"].startswith("Seconds ")
    units = (
        "Readings",
        "Bytes",
        "Batches",
        "Alerts",
        "Messages",
        "Values",
        "Transactions",
        "Seconds",
        "Assets",
        "What",
    )
    assert {text.split()[0] for text in told.values()} <= set(units)


def test_port_that_is_taken_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(OutputError, match=r"cannot serve metrics at 127.0.0.1:.* already in use") as caught:
            MetricsServer(Figures(), str(taken.getsockname()[1]))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("where", ["", "here", "99999", "host:", "9100:", "-1"])
def test_place_that_makes_no_sense(where):
    with pytest.raises(ParameterError, match="give a port, such as 9100"):
        host_and_port(where)
