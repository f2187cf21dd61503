"""A trial of new models as a picture: the alarms that would change, and the faults that either would find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.report.pictures import new_figure, save_figure
from tocsin.stream.adapting.verdict import asset_time
from tocsin.stream.adapting.versions import FATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tocsin.stream.adapting.verdict import Trial

BEFORE, AFTER, GONE, NEW, OTHER, LINE = "#a6acaf", "#2c3e50", "#b03a2e", "#d68910", "#5499c7", "#e5e7e9"


def draw_trial(found: Trial, path: Path, fate: str | None = None) -> None:
    """Draw how many alarms stay, vanish, appear and change, and beside it the recall by kind of fault, for both.

    Parameters
    ----------
    found : Trial
        What came of a trial.
    path : Path
        Where to save the picture.
    fate : str, optional
        What has become of the new models, one of `FATES`; by default what the trial has said.

    Raises
    ------
    OutputError
        If it cannot be saved there, or Matplotlib is missing.
    """
    figure = new_figure(9.5, 1.9 + 0.42 * max(len(found.drills), 4))
    left, right = figure.subplots(1, 2, width_ratios=(3, 4))
    _alarms(left, found)
    _drill(right, found)
    fate = fate or ("promoted" if found.promoted else "waits")
    color = AFTER if fate == "promoted" else GONE
    figure.suptitle(FATES[fate], x=0.01, ha="left", fontsize=13, fontweight="bold", color=color)
    lines = [f"{found.assets:,} assets, {asset_time(found.asset_days)}.", *(f"– {why}" for why in found.reasons)]
    figure.supxlabel("\n".join(_cut(line) for line in lines[:6]), x=0.01, ha="left", fontsize=8, color="0.35")
    save_figure(figure, path)


def _cut(line: str) -> str:
    return line if len(line) <= 150 else line[:149] + "…"


def _alarms(axes: Axes, found: Trial) -> None:
    stay = found.champion_alarms - found.vanished - found.changed
    new = found.appeared
    bars = (
        ("before", ((stay, BEFORE), (found.changed, OTHER), (found.vanished, GONE))),
        ("after", ((stay, BEFORE), (found.changed, OTHER), (new, NEW))),
    )
    for place, (_, parts) in enumerate(bars):
        start = 0
        for many, color in parts:
            axes.barh(place, many, left=start, color=color, height=0.55)
            start += many
    whole = max(found.champion_alarms, stay + found.changed + new, 1)
    axes.set_yticks(range(2), [name for name, _ in bars])
    axes.set_ylim(3.6, -0.6)
    axes.set_xlim(0, whole * 1.02)
    axes.set_xlabel("alarms")
    counts = (
        ("stay", stay, BEFORE),
        ("name another cause", found.changed, OTHER),
        ("vanish", found.vanished, GONE),
        ("appear", new, NEW),
    )
    for place, (word, many, color) in enumerate(counts):
        axes.text(0.0, 1.75 + 0.45 * place, "■", color=color, fontsize=11, va="center")
        axes.text(whole * 0.06, 1.75 + 0.45 * place, f"{many:,} {word}", fontsize=9, va="center")
    _tidy(axes)


def _drill(axes: Axes, found: Trial) -> None:
    if not found.drills:
        axes.axis("off")
        axes.text(0.5, 0.5, "no fire drill was possible", ha="center", color="0.5")
        return
    for place, drill in enumerate(found.drills):
        for shift, many, color in ((-0.18, drill.champion, BEFORE), (0.18, drill.challenger, AFTER)):
            share = many / drill.faults
            axes.barh(place + shift, share, height=0.34, color=color)
            axes.annotate(f"{100 * share:.0f}", (share, place + shift), (4, 0), textcoords="offset points",
                          va="center", fontsize=7, color="0.35")  # fmt: skip
    names = [f"{drill.kind} ({drill.faults:,})" for drill in found.drills]
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.08)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel("faults found in the fire drill: before (grey) and after (dark)")
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
