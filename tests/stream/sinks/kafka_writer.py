"""A stream that writes alerts to a sink until it is killed; what it has committed is in a file, a few calls behind."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.stream.sinks.harness import alerts
from tocsin.stream.sinks.catalog import open_sink

EACH = 3


def write(address: str, cursor: Path, until: int, committing: int = 3) -> None:
    """Write calls from the one after the last committed on, and say of each that it is done."""
    sink = open_sink(address)
    for sequence in range(int(cursor.read_text()), until):
        sink.write(alerts(EACH * sequence, EACH), sequence)
        print(sequence, flush=True)
        if sequence % committing == 0:
            beside = cursor.with_suffix(".new")
            beside.write_text(str(sequence + 1))
            beside.rename(cursor)
    sink.close()


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), 1_000_000)
