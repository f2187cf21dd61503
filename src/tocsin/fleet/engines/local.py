"""Work on panels with the cores of this machine."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tocsin.errors import ParameterError

S = TypeVar("S")
T = TypeVar("T")


def run(panels: Iterable[S], work: Callable[[S], T], threads: int | None = None) -> Iterator[T]:
    """Yield the result of `work` on each panel or other piece, in order, with at most one waiting for each thread.

    Kernels release the interpreter lock, so threads are enough. What is held in memory is at most `threads` + 2
    panels and their results. An error in `panels` or `work` ends the run; panels that have not begun are dropped.
    """
    if threads is not None and threads < 1:
        raise ParameterError(f"threads must be at least 1, not {threads}")
    threads = threads or cores()
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tocsin")
    try:
        for panel in panels:
            waiting.append(pool.submit(work, panel))
            while len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
