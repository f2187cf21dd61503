"""A competition's leaderboard as a picture: scores with their intervals, and beside them what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tocsin.report.pictures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tocsin.evaluate.competition.compete import Competition

WINNER, LEVEL, OTHER, LINE = "#b03a2e", "#2c3e50", "#a6acaf", "#e5e7e9"
MOST = 40
"""How many contestants are drawn."""


def draw_leaderboard(found: Competition, path: Path) -> None:
    """Draw the score of each contestant with its interval, and its cost on a logarithmic scale.

    Parameters
    ----------
    found : Competition
        What came of a competition.
    path : Path
        Where to save the picture.
    """
    board = found.leaderboard.filter(pl.col("failure").is_null() & pl.col("score").is_not_null()).head(MOST)
    rows = board.to_dicts()
    figure = new_figure(9.5, 1.5 + 0.26 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(5, 2))
    for place, row in enumerate(rows):
        _score(left, place, row)
        _cost(right, place, row)
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_yticks(range(len(rows)), [row["detector"] for row in rows], fontsize=9)
    for label, row in zip(left.get_yticklabels(), rows, strict=True):
        label.set_color(_color(row))
        label.set_fontweight("bold" if row["winner"] else "normal")
    ends = [row[name] for row in rows for name in ("score", "low", "high") if row[name] is not None]
    left.set_xlim(0.0, min(max(ends) * 1.08, 1.0))
    best = rows[0]["score"]
    left.axvline(best, color=LINE, linewidth=1.0, zorder=0)
    left.set_xlabel(f"{found.metric.replace('_', ' ')}, mean over {found.faults:,} "
                    + ("faults put into readings" if found.mode == "faults" else "labelled anomalies"))  # fmt: skip
    right.set_xscale("log")
    right.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    right.set_xlabel("CPU-seconds to learn\nand score a million readings")
    _tidy(left)
    _tidy(right)
    figure.suptitle(f"{found.winner} wins", x=0.01, ha="left", fontsize=13, fontweight="bold", color=WINNER)
    figure.supxlabel(_caption(found), x=0.01, ha="left", fontsize=8, color="0.45")
    save_figure(figure, path)


def _caption(found: Competition) -> str:
    board = found.leaderboard
    interval = "Bars: 95 % intervals. " if board["low"].is_not_null().any() else ""
    same = "Dark: chance could have put it first. " if interval else ""
    left = len(board) - len(board.filter(pl.col("failure").is_null()).head(MOST))
    more = f"{left} more are not drawn. " if left else ""
    behind = "Without a bar: left behind in an earlier heat. " if interval and board["heat"].n_unique() > 1 else ""
    return f"{interval}{same}{behind}{more}{found.assets:,} of {found.of_assets:,} assets."


def _color(row: dict[str, Any]) -> str:
    return WINNER if row["winner"] else LEVEL if row["level"] else OTHER


def _score(axes: Axes, place: int, row: dict[str, Any]) -> None:
    color, score = _color(row), row["score"]
    if row["low"] is not None:
        axes.plot(
            [row["low"], row["high"]], [place, place], color=color, linewidth=2.4, solid_capstyle="round", alpha=0.55
        )
    axes.plot(score, place, marker="o", color=color, markersize=6.5 if row["winner"] else 5.0)
    end = score if row["high"] is None else row["high"]
    axes.annotate(
        f"{score:.2f}", (end, place), (7, 0), textcoords="offset points", va="center", fontsize=8, color=color
    )


def _cost(axes: Axes, place: int, row: dict[str, Any]) -> None:
    cost = max(row["fit_seconds"] + row["score_seconds"], 1e-3)
    axes.plot(cost, place, marker="o", color=_color(row), markersize=5.0)
    text = f"{cost:,.0f}" if cost >= 10 else f"{cost:.2g}"
    axes.annotate(text, (cost, place), (7, 0), textcoords="offset points", va="center", fontsize=8, color=_color(row))


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=LINE, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_axisbelow(True)
    low, high = axes.get_xlim()
    if axes.get_xscale() == "log":
        axes.set_xlim(low, high * np.sqrt(10.0))
