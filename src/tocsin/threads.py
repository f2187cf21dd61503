"""Work on parts of something with the cores of this machine, results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from numbers import Integral
from typing import Any, TypeVar

from tocsin.errors import ParameterError

S = TypeVar("S")
T = TypeVar("T")


def run(parts: Iterable[S], work: Callable[[S], T], threads: int | None = None) -> Iterator[T]:
    """Yield the result of `work` on each part, in order, with at most one part waiting for each thread.

    Kernels release the interpreter lock, so threads are enough. What is held in memory is at most `threads` + 2
    parts and their results. An error in `parts` or `work` ends the run; parts that have not begun are dropped. Ctrl-C,
    or who asks for no more results, ends it at once: what still runs comes to its end alone, and its result is dropped.

    Raises
    ------
    ParameterError
        If `threads` is no whole number of at least 1.
    """
    given: Any = threads
    if given is not None and not (isinstance(given, Integral) and int(given) >= 1):
        raise ParameterError(f"threads must be at least 1, not {threads!r}")
    threads = threads or cores()
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tocsin")
    wanted = True
    try:
        for part in parts:
            waiting.append(pool.submit(work, part))
            while len(waiting) > threads:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    except (KeyboardInterrupt, GeneratorExit):
        wanted = False  # a part can take a minute
        raise
    finally:
        pool.shutdown(wait=wanted, cancel_futures=True)


def _result(future: Future[T]) -> T:
    while not future.done():
        wait((future,), timeout=0.1)  # a signal that reaches another thread does not wake this one
    return future.result()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
