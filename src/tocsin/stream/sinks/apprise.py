"""Alerts to people: one message for all that wait, the rarest first, and not more messages than people can read."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from typing import ClassVar, Self

import polars as pl
import pyarrow as pa

from tocsin.errors import ParameterError
from tocsin.notify import Channels, schemes
from tocsin.quantities import Rate
from tocsin.stream.alerts import headline, one_line, records
from tocsin.stream.sinks.base import Sink
from tocsin.urls import Address

PREFIX = "apprise+"
AT_MOST = "at_most"
NAMED, OTHERS = 10, 5
"""How many alerts of a message get a line, and how many assets of the others are named."""


class Messages(Sink):
    """Any service that Apprise knows: ``slack://...``, ``mailto://...``, ``json://...``.

    With ``apprise+`` before it a scheme is Apprise's even where Tocsin has a sink of that name. ``?at_most=10/minute``
    says how many messages are sent at most; that is the default. What comes faster waits and goes out together in one
    message, the rarest alerts with a line each and the others counted.
    """

    schemes: ClassVar[tuple[str, ...]] = ("apprise",)
    gathers: ClassVar[bool] = True

    def __init__(self, channels: Channels, at_most: Rate) -> None:
        self._channels, self._rate = channels, at_most
        self._sent: deque[float] = deque(maxlen=int(at_most.count))

    @classmethod
    def takes(cls, address: Address) -> bool:
        """See `Sink.takes`."""
        return address.scheme.startswith(PREFIX) or address.scheme in schemes()

    @classmethod
    def shown(cls, address: Address) -> str:
        """See `Sink.shown`: all that follows the scheme may be secret."""
        return f"{address.scheme}://***"

    @classmethod
    def open(cls, address: Address) -> Self:
        """See `Sink.open`; nothing is sent yet."""
        text = address.options.get(AT_MOST, "10/minute")
        rate = Rate.of(text)
        if not (rate.count >= 1 and math.isfinite(rate.count)):
            raise ParameterError(f"{AT_MOST}={text} would send nothing; take 1 or more, such as 1/hour")
        own = address.text[len(PREFIX) :] if address.scheme.startswith(PREFIX) else address.text
        return cls(Channels([_without_option(own)]), rate)

    @property
    def pause(self) -> float:
        """See `Sink.pause`."""
        if len(self._sent) < int(self._rate.count):
            return 0.0
        return max(0.0, self._sent[0] + self._rate.seconds - time.monotonic())

    def write(self, alerts: pa.Table, sequence: int) -> None:
        """See `Sink.write`."""
        title, body = message(alerts)
        self._channels.send(title, body)
        self._sent.append(time.monotonic())

    def close(self) -> None:
        """See `Sink.close`; nothing is open between calls."""


def message(alerts: pa.Table) -> tuple[str, str]:
    """Return title and text of a message about alerts: the rarest first, of equals the highest score."""
    frame = pl.DataFrame(alerts)
    how_far = (pl.col("score") - pl.col("threshold")) / pl.col("threshold").abs()
    frame = frame.sort("p_value", how_far, descending=[False, True], nulls_last=True, maintain_order=True)
    n_alerts, assets = frame.height, frame["key"].unique(maintain_order=True).to_list()
    several = f"{n_alerts:,} alerts of {len(assets):,} asset{'s' if len(assets) > 1 else ''}"
    title = several if n_alerts > 1 else f"Alert: {one_line(assets[0]) or 'asset'}"
    named = records(frame.head(NAMED).to_arrow())
    lines = [headline(alert) for alert in named]
    if n_alerts == 1:
        lines += [f"- {one_line(each['sentence'])}" for each in named[0]["explanations"][1:] if each["sentence"]]
    if n_alerts > NAMED:
        shown = {alert["key"] for alert in named}
        unnamed = [one_line(asset) for asset in assets if asset not in shown]
        others = ", ".join(unnamed[:OTHERS]) + (f" and {len(unnamed) - OTHERS:,} more" if len(unnamed) > OTHERS else "")
        lines.append(f"And {n_alerts - NAMED:,} more alerts" + (f", also of {others}." if unnamed else " of these."))
    return title, "\n".join(lines)


def _without_option(text: str) -> str:
    """Return an address without our own option, and otherwise as it was written."""
    text = re.sub(rf"(?<=[?&]){AT_MOST}=[^&#]*&?", "", text)
    return re.sub(r"[?&](?=#|$)", "", text)
