"""How much faster work goes on more threads, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tocsin.report.pictures import new_figure, save_figure


def draw_throughput(rates: Mapping[int, float], path: Path, title: str) -> None:
    """Draw values a second against threads, beside a line of what a perfect speed-up would give.

    Parameters
    ----------
    rates : mapping of int to float
        Values a second, by the number of threads.
    path : Path
        Where to save the picture.
    title : str
        What stands above it.
    """
    threads = sorted(rates)
    million = [rates[count] / 1e6 for count in threads]
    figure = new_figure(6.4, 4.0)
    axes = figure.add_subplot()
    perfect = [million[0] * count / threads[0] for count in threads]
    if len(threads) > 1:
        axes.plot(threads, perfect, color="0.75", linestyle="--", zorder=1)
        axes.annotate("as many times as threads", (threads[-1], perfect[-1]), (-6, 4), textcoords="offset points",
                      ha="right", color="0.5", fontsize=8)  # fmt: skip
    axes.plot(threads, million, marker="o", color="#b03a2e", linewidth=2, zorder=2)
    for count, rate in zip(threads, million, strict=True):
        axes.annotate(f"{rate:,.0f}", (count, rate), (0, -14), textcoords="offset points", ha="center", fontsize=9)
    axes.set(xlabel="threads", ylabel="million values a second", title=title, xticks=threads)
    axes.set_xlim(threads[0] - 0.5, threads[-1] + 0.5)
    axes.set_ylim(0, max(*million, *perfect) * 1.15)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
