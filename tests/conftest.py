"""What all tests share: repeatable examples, the benchmark data, and no silent skips in CI."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from numba.core import event

ROOT = Path(__file__).parents[1]

# No deadline: the first example of a kernel waits for its compilation.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("repeatable")

# Tests in the background of a script begin with Ctrl-C ignored, and what they start would ignore it, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _Uncollected(event.Listener):
    """Puts off the search for cycles while a kernel is compiled, which is 6 to 8 % of that time."""

    depth = 0

    def on_start(self, event: event.Event) -> None:
        gc.disable()
        self.depth += 1

    def on_end(self, event: event.Event) -> None:
        self.depth -= 1
        if not self.depth:
            gc.enable()


event.register("numba:compile", _Uncollected())


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of the benchmark data, which may be absent."""
    return Path(os.environ.get("TOCSIN_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def need(data: Path) -> Callable[[str | Path], Path]:
    """Return a function that finds a path inside the benchmark data, or skips the test."""

    def find(path: str | Path) -> Path:
        found = data / path
        if not found.exists():
            pytest.skip(f"no {path} in the benchmark data; set TOCSIN_DATA to its folder")
        return found

    return find


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    """Return the skips that CI does not allow; a worker of xdist has none to report."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    in_ci = os.environ.get("CI", "").lower() in ("1", "true")
    return reporter.stats.get("skipped", []) if reporter and in_ci else []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session.config):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if skipped := _skipped(config):
        terminalreporter.section("a skipped test is a failure in CI", red=True)
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")
