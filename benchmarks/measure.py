"""Measure in CPU-seconds, pairs in turn in one run, so that a ratio holds on a machine that is noisy."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table


def cpu_seconds() -> float:
    """Return the CPU time of all threads of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(work: Callable[[], object]) -> float:
    """Return the CPU-seconds of one call."""
    before = cpu_seconds()
    work()
    return cpu_seconds() - before


def paired(ours: Callable[[], object], theirs: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Return the median CPU-seconds of both, run in turn, after one call of each that is not counted."""
    ours(), theirs()
    pairs = [(cost(ours), cost(theirs)) for _ in range(repeats)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


@dataclass(frozen=True)
class Run:
    """What a command used: wall and CPU seconds, and the most memory its process had at once, in bytes."""

    wall: float
    cpu: float
    memory: int


def run(command: list[str]) -> Run:
    """Run a command to its end."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return Run(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


@dataclass(frozen=True)
class Line:
    """One line of a table of results; `reached` says whether the floor or even the moonshot was."""

    what: str
    ours: str
    other: str
    got: str
    floor: str
    moonshot: str
    reached: str


def compare(what: str, got: float, floor: float, moonshot: float, *, ours: str, other: str, unit: str = "x") -> Line:
    """Make a line of a figure; higher is better unless the moonshot is below the floor."""
    better = (lambda a, b: a >= b) if moonshot >= floor else (lambda a, b: a <= b)
    reached = "moonshot" if better(got, moonshot) else "floor" if better(got, floor) else "no"
    shown = [f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}" for value in (got, floor, moonshot)]
    return Line(what, ours, other, *shown, reached)


def show(title: str, lines: list[Line]) -> None:
    """Print a table, as Markdown where it is not for a terminal."""
    heads = ("what", "ours", "other", "got", "floor", "moonshot", "reached")
    rows = [[getattr(line, head) for head in heads] for line in lines]
    console = Console()
    if not console.is_terminal:
        print(f"\n{title}\n")
        for row in (heads, ["---"] * len(heads), *rows):
            print(f"| {' | '.join(row)} |")
        return
    table = Table(*heads, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)
