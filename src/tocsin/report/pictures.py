"""Figures that are drawn without a screen and saved whole; where Matplotlib is missing that is said in one line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.errors import OutputError, did_you_mean
from tocsin.tables.whole import WholeFile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
"""What pictures can be saved as."""


def check_picture(path: Path) -> None:
    """Raise an `OutputError` where a picture could not be saved; ask before work that takes long.

    Raises
    ------
    OutputError
        If the suffix is unknown, the folder is missing, or Matplotlib is.
    """
    if path.suffix.lower() not in SUFFIXES:
        suffix = path.suffix.lower()
        raise OutputError(f"cannot write {path}: no picture ends in {suffix!r}{did_you_mean(suffix, SUFFIXES)}")
    WholeFile(path)
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError:
        raise OutputError("pictures need Matplotlib; install it with: pip install 'tocsin[report]'") from None


def new_figure(width: float = 8.0, height: float = 4.5) -> Figure:
    """Return an empty figure of a size in inches, which needs no screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def save_figure(figure: Figure, path: Path) -> None:
    """Save a figure, whole or not at all."""
    check_picture(path)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix.lower()[1:])
    with WholeFile(path) as file:
        file.write(drawn.getvalue())
