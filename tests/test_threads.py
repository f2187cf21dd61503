"""Work on threads comes out in order, and little of it waits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from tocsin.errors import ParameterError
from tocsin.threads import cores, run


def test_results_come_in_order_whoever_is_first():
    assert list(run(range(20), lambda part: time.sleep(0.002 * (part % 3)) or part * part, 4)) == [
        part * part for part in range(20)
    ]


@pytest.mark.parametrize("threads", [1, 3])
def test_only_so_many_parts_are_taken_ahead(threads):
    taken = 0

    def parts():
        nonlocal taken
        for part in range(50):
            taken += 1
            yield part

    for done, _ in enumerate(run(parts(), lambda part: part, threads)):
        assert taken - done <= threads + 1


def test_an_error_ends_the_run_and_drops_what_has_not_begun():
    begun = []
    release = threading.Event()

    def work(part):
        begun.append(part)
        if part == 2:
            release.set()
            raise ValueError("two")
        release.wait(5)
        return part

    with pytest.raises(ValueError, match="two"):
        list(run(range(100), work, 3))
    assert len(begun) < 10


def test_nobody_waits_for_results_that_are_not_wanted():
    begun, release = threading.Event(), threading.Event()

    def work(part):
        if part:
            begun.set()
            release.wait(30)
        return part

    results = run(range(100), work, 2)
    assert next(results) == 0
    assert begun.wait(30)
    closing = threading.Thread(target=results.close)
    closing.start()
    closing.join(10)
    ended = not closing.is_alive()
    release.set()
    closing.join()
    assert ended


INTERRUPTED = """
import os, signal, threading, time
from tocsin.threads import run
release = threading.Event()
def work(part):
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    release.wait(30)
try:
    list(run([0], work, 1))
except KeyboardInterrupt:
    print([each.name for each in threading.enumerate()][1:])
release.set()
"""


@pytest.mark.skipif(os.name != "posix", reason="only POSIX sends a signal to one thread")
def test_an_interrupt_does_not_wait_for_what_runs_whichever_thread_it_reaches():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("['tocsin_0']\n", "")


def test_threads_are_at_least_one():
    with pytest.raises(ParameterError, match="threads must be at least 1, not '2'"):
        list(run([1], str, "2"))
    with pytest.raises(ParameterError, match="threads must be at least 1, not 0"):
        list(run([1], str, 0))
    assert cores() >= 1
