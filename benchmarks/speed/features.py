"""Features of a fleet's readings against pandas' rolling windows, and what each step costs."""

from __future__ import annotations

from functools import partial
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.measure import Line, compare, cost, paired
from tocsin import Panel, Recipe
from tocsin.features import (
    Bands,
    Calendar,
    Difference,
    Lags,
    Select,
    Smooth,
    Standardise,
    Step,
    Subsequence,
    Window,
)

ROWS, COLUMNS, ASSETS = 1_000_000, 8, 1_000
STEPS: dict[str, Step] = {
    "window of 10: mean, min, max": Window(10),
    "window of 144: mean, min, max": Window(144),
    "window of 10: std": Window(10, ["std"]),
    "window of 10: slope": Window(10, ["slope"]),
    "window of 10: median": Window(10, ["median"]),
    "window of 144: median": Window(144, ["median"]),
    "lags 1, 2, 3": Lags(),
    "subsequence of 8, normalised": Subsequence(8, normalise=True),
    "smooth: kaiser, 11 rows": Smooth(),
    "smooth: ewma": Smooth("ewma"),
    "smooth: savitzky-golay, 11 rows": Smooth("savitzky-golay"),
    "difference": Difference(),
    "standardise": Standardise(),
    "calendar": Calendar(),
    "bands of 64 rows": Bands(),
    "select": Select(),
}


def readings(assets: int = 1, dtype: type = np.float64) -> Panel:
    """Return noise of `ROWS` rows, cut into assets of the same length."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((COLUMNS, ROWS)).astype(dtype)
    offsets = np.arange(assets + 1, dtype=np.int64) * (ROWS // assets)
    times = np.tile(np.arange(ROWS // assets) * 600_000_000_000, assets)
    return Panel(values, offsets, pa.array(range(assets)), tuple(f"s{i}" for i in range(COLUMNS)), times)


def rolled(rolling: pd.core.window.Rolling) -> list[pd.DataFrame]:
    """Return what the recipe makes, as pandas does."""
    return [rolling.mean(), rolling.min(), rolling.max()]


def lines() -> list[Line]:
    """Measure windows against pandas."""
    recipe, found = Recipe([Window(10)]), []
    for assets, dtype in ((1, np.float64), (1, np.float32), (ASSETS, np.float64)):
        panel = readings(assets, dtype)
        frame = pd.DataFrame(dict(zip(panel.features, panel.values.astype(np.float64), strict=True)))
        keys = panel.asset_of_row
        state, _, _ = recipe.fit_panel(panel)
        cpu, other = paired(
            lambda panel=panel, state=state: recipe.apply_panel(state, panel),
            lambda frame=frame, keys=keys, assets=assets: rolled(
                (frame.groupby(keys) if assets > 1 else frame).rolling(10)
            ),
            repeats=5 if assets == 1 else 2,
        )
        of = f"{assets:,} assets of {ROWS // assets:,} rows" if assets > 1 else f"{ROWS:,} rows"
        grouped = "groupby and rolling" if assets > 1 else "rolling"
        found.append(
            compare(
                f"windows of 10: mean, min, max of {COLUMNS} columns, {of} {np.dtype(dtype).name}, pandas {grouped}",
                other / cpu, 10, 30, ours=f"{cpu * 1e9 / ROWS / COLUMNS:.1f} ns a value", other=f"{other:.2f} s",
            )
        )  # fmt: skip
    return found


def costs() -> None:
    """Print what each step costs, of single and double precision."""
    panels = {dtype: readings(ASSETS, dtype) for dtype in (np.float32, np.float64)}
    print("\n| step | float32, ns a value | float64, ns a value |\n| --- | --- | --- |")
    for name, step in STEPS.items():
        recipe, shown = Recipe([step]), []
        for panel in panels.values():
            state, _, _ = recipe.fit_panel(panel)
            work = [cost(partial(recipe.apply_panel, state, panel)) for _ in range(3)]
            shown.append(f"{median(work) * 1e9 / panel.values.size:.1f}")
        print(f"| {name} | {' | '.join(shown)} |")


if __name__ == "__main__":
    from benchmarks.measure import show

    show("Features", lines())
    costs()
