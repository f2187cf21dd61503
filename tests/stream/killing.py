"""Run a stream that is killed again and again: kernels are loaded once, in a process that forks one for each try."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.stream.running import SECOND, SENSORS, START, Drawer, Frames, later, run, trained
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.models import ModelTable
from tocsin.panel import Panel
from tocsin.stream import telling
from tocsin.stream.learning import Learning
from tocsin.stream.live import Live
from tocsin.stream.sources.base import Fetched, Positions

KILLS, ROWS, SIZES = 100, 700, [5, 20, 3]


class Slow(Frames):
    """Says when it begins to read, and takes its time."""

    pipe = -1

    def seek(self, positions: Positions) -> None:
        super().seek(positions)
        if self.pipe >= 0:
            os.write(self.pipe, b".")

    def poll(self, most: int, wait: float) -> Fetched | None:
        time.sleep(0.001)
        return super().poll(most, wait)


def warm(fleet: Fleet) -> None:
    """Load the kernels of a stream without starting a thread, of which a fork knows nothing."""
    live = Live(fleet, Learning(first=100, least=32))
    slots = np.arange(len(fleet.models))
    live.arena.grow(len(slots))
    live.place(slots, ModelTable(fleet.models))
    rows = 40
    times = np.tile(START + (1000 + np.arange(rows)) * SECOND, len(slots))
    offsets = np.arange(len(slots) + 1) * rows
    keys = pa.array([f"pump {i}" for i in slots])
    live.absorb(slots, Panel(np.zeros((len(SENSORS), offsets[-1])), offsets, keys, SENSORS, times))


def child(folder: Path, name: str, pipe: int) -> None:
    source = Slow(later(ROWS), SIZES)
    source.pipe = pipe
    run(Fleet.load(folder / "fleet"), source, folder / name, Drawer(folder / f"{name}.ids"))


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Return a process that does some work, and the end of the pipe that the work may write to."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.close(reading)
            work(writing)
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    return process, reading


def main() -> None:
    folder, rng, kills = Path(sys.argv[1]), np.random.default_rng(11), 0
    if os.fork() == 0:  # learns, with all the threads that it likes
        trained().save(folder / "fleet")
        os._exit(0)
    os.wait()
    warm(Fleet.load(folder / "fleet"))
    telling.FEW = 0  # windows wait, as those of many assets do
    for name in ("straight", "killed"):
        while True:
            process, pipe = forked(partial(child, folder, name))
            begun = os.read(pipe, 1)
            os.close(pipe)
            if begun and name == "killed" and kills < KILLS:
                time.sleep(float(rng.uniform(0.0, 0.03)))
                os.kill(process, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if status == 0:
                break
            if status != -signal.SIGKILL:
                raise SystemExit(f"a stream ended with {status}")
            kills += 1
    print(kills)


if __name__ == "__main__":
    main()
