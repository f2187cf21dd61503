"""The page of alerts names every sink, and shows what an alert is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pyarrow as pa

from tocsin.stream.alerts import ids
from tocsin.stream.sinks.base import ALERTS, EXPLANATION
from tocsin.stream.sinks.catalog import sink_of
from tocsin.urls import Address

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_addresses_of_the_page_are_those_of_the_sinks():
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {
        sink_of(Address.of(text.replace("...", "x"))).__name__ for row in rows for text in re.findall("`(.+?)`", row)
    }
    assert {"StandardOutput", "NDJSON", "ParquetFolder", "Webhook", "Messages"} <= named


def test_the_alert_of_the_page_has_all_fields():
    found = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
    assert list(found) == ALERTS.names
    times = pl.Series([found["time"]]).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns").cast(pl.Int64)
    assert ids(pa.array([found["key"]]), times.to_numpy()).to_pylist() == [found["id"]]
    assert list(found["explanations"][0]) == [field.name for field in EXPLANATION]
