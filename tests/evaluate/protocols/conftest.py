"""A small folder of each benchmark, written when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evaluate.protocols.folders import WRITERS


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes the folder of a benchmark."""

    def write(name: str) -> Path:
        root = tmp_path / name
        root.mkdir()
        WRITERS[name](root)
        return root

    return write
