"""What a model may learn on a stream: rules held against faults that last, regimes that change, and a real turbine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.measure import paired
from benchmarks.quality.data import find
from tocsin import ECOD
from tocsin.fleet.pipeline import Pipeline
from tocsin.panel import Panel
from tocsin.stream.adapting.nightly import integrate
from tocsin.stream.adapting.policy import LEARNED, learn_blocks, learnable, vouched
from tocsin.stream.adapting.regimes import adopt
from tocsin.synth import pumps

TRAINING, ASSETS, FEATURES = 14, 100, 4
FAULTS = ("shift 3", "shift 6", "drift 4", "drift 8", "variance 3", "stuck")
RULES = ("frozen", "all rows", "rows without alerts", "blocks its own model takes", "blocks the reference takes")
DAYS = ((0, 1), (2, 3), (6, 7))


class Readings:
    """A fleet's readings, of which each asset has as many rows, and its days."""

    def __init__(self, panel: Panel, day: int) -> None:
        self.panel, self.day = panel, day
        self.rows = int(panel.offsets[1])

    def cut(self, first: int, stop: int) -> Panel:
        """Return some rows of each asset."""
        rows = (self.panel.offsets[:-1, None] + np.arange(first, stop)).reshape(-1)
        return self.panel.take_rows(rows)

    def at_fault(self, fault: str, seed: int = 5) -> Readings:
        """Let one sensor of each asset be at fault from the end of the training on, for good."""
        kind, *size = fault.split()
        rng, values, start = np.random.default_rng(seed), self.panel.values.copy(), TRAINING * self.day
        for first, stop in zip(self.panel.offsets, self.panel.offsets[1:], strict=False):
            feature, sign = rng.integers(self.panel.n_features), rng.choice([-1, 1])
            own, unit = values[feature, first + start : stop], values[feature, first : first + start].std()
            if kind == "stuck":
                own[:] = own[0]
            elif kind == "variance":
                own += rng.normal(0.0, float(size[0]) * unit, len(own))
            else:
                grown = np.minimum(np.arange(1, len(own) + 1) / (7 * self.day), 1.0) if kind == "drift" else 1.0
                own += sign * float(size[0]) * unit * grown
        return Readings(replace(self.panel, values=values), self.day)


def made_up(days: int, day: int = 144, assets: int = ASSETS) -> Readings:
    """Return pumps with so many rows a day."""
    return Readings(pumps(assets, FEATURES, days * day, 1, every=timedelta(days=1) / day).panel(), day)


def live(
    readings: Readings, rule: str, half_life: float, block: int, training: int = TRAINING, calibrated: bool = True
):
    """Return which rows alert, which would by the first models, and which blocks were held back."""
    start = training * readings.day
    detector, first = ECOD(half_life=half_life), readings.cut(0, start)
    base, _ = detector.fit_panel(first)
    models = vouched(detector, base, first if calibrated else None, block) if rule == RULES[4] else base
    alerts, frozen, held = [], [], []
    for row in range(start, readings.rows - block + 1, block):
        panel = readings.cut(row, row + block)
        alert = detector.score_panel(models, panel, p_values=False)[0].alert
        alerts.append(alert.reshape(-1, block))
        frozen.append(detector.score_panel(base, panel, p_values=False)[0].alert.reshape(-1, block))
        if rule == RULES[4]:
            lesson = learn_blocks(detector, models, panel)
            models, why = lesson.models, lesson.why
            held.append(why != LEARNED)
            continue
        fine = np.full(panel.n_rows, rule != "frozen")
        if rule == RULES[2]:
            fine = ~alert
        elif rule == RULES[3]:
            fine = learnable(alert, panel.offsets, detector.contamination)
        held.append(~fine.reshape(-1, block).any(axis=1))
        models = detector.update_panel(models, panel.take_rows(np.flatnonzero(fine)))
    return np.concatenate(alerts, axis=1), np.concatenate(frozen, axis=1), np.array(held)


def normal_share(found, day, first, stop):
    """Return the share of rows of some days that alert, in percent."""
    return 100 * found[:, first * day : stop * day].mean()


def kept(alerts, frozen, day):
    """Return the share of the first models' alerts that are left, on some days, in percent."""
    shares = []
    for first, stop in DAYS:
        part = slice(first * day, stop * day)
        shares.append(100 * (alerts & frozen)[:, part].sum() / max(frozen[:, part].sum(), 1))
    return shares


def _normal() -> None:
    readings = made_up(TRAINING + 30)
    print("\nNormal rows that alert, in %, on days 1-3, 14-16 and 28-30, and blocks held back, in %; blocks of a day")
    print("\n| half-life | rule | alerts | held back |\n| --- | --- | --- | --- |")
    for days in (1, 7):
        for rule in RULES:
            alerts, _, held = live(readings, rule, days * 144, 144)
            shares = [normal_share(alerts, 144, *span) for span in ((0, 3), (13, 16), (27, 30))]
            print(f"| {days} d | {rule} | {' / '.join(f'{each:.1f}' for each in shares)} | {100 * held.mean():.1f} |")


def _faults() -> None:
    clean = made_up(TRAINING + 8)
    print("\nAlerts of the first models that are left on days 1, 3 and 7 of a fault, in %; blocks of a day")
    print("\n| half-life | rule | " + " | ".join(FAULTS) + " |\n| --- | --- " + "| --- " * len(FAULTS) + "|")
    readings = {fault: clean.at_fault(fault) for fault in FAULTS}
    shares = [live(each, "frozen", 144, 144)[1] for each in readings.values()]
    raw = [" / ".join(f"{normal_share(each, 144, *span):.0f}" for span in DAYS) for each in shares]
    print("| | rows that alert, frozen | " + " | ".join(raw) + " |")
    for days in (1, 7):
        for rule in RULES[1:]:
            cells = [kept(*live(each, rule, days * 144, 144)[:2], 144) for each in readings.values()]
            print(f"| {days} d | {rule} | " + " | ".join(" / ".join(f"{x:.0f}" for x in cell) for cell in cells) + " |")


def _blocks() -> None:
    print("\nThe rule by the length of blocks (half-life 7 days): normal alerts on days 6-8, and alerts left of faults")
    faults = ("shift 3", "drift 4", "variance 3", "stuck")
    print("\n| rows a day | block | usual known from | normal | " + " | ".join(faults) + " |")
    print("| --- | --- | --- | --- " + "| --- " * len(faults) + "|")
    for day, blocks in ((144, (36, 72, 144)), (1440, (64, 256, 1440))):
        clean = made_up(TRAINING + 8, day, ASSETS if day == 144 else 20)
        for block in blocks:
            for calibrated in (True, False) if block in (144, 1440) else (True,):
                found = live(clean, RULES[4], 7 * day, block, calibrated=calibrated)
                cells = [
                    kept(*live(clean.at_fault(fault), RULES[4], 7 * day, block, calibrated=calibrated)[:2], day)
                    for fault in faults
                ]
                text = " | ".join(" / ".join(f"{x:.0f}" for x in cell) for cell in cells)
                known = "training" if calibrated else "the stream"
                print(f"| {day} | {block} | {known} | {normal_share(found[0], day, 5, 8):.1f} | {text} |")


def _regimes() -> None:
    clean = made_up(TRAINING + 10)
    start, values = TRAINING * 144, clean.panel.values.copy()
    rng = np.random.default_rng(3)
    for first, stop in zip(clean.panel.offsets, clean.panel.offsets[1:], strict=False):
        for own in values:
            own[first + start : stop] += rng.choice([-1, 1]) * 3 * own[first : first + start].std()
    new = Readings(replace(clean.panel, values=values), 144)
    print("\nA confirmed change of regime, 3 deviations in every sensor: rows that alert over the next 3 days, in %,")
    print("by what is done with the rows since; and of the old regime, should it come back")
    print(
        "\n| rows since | nothing | learned as usual | learned alone | adopted | old, adopted |\n" + "| --- " * 6 + "|"
    )
    detector = ECOD(half_life=7 * 144)
    base, _ = detector.fit_panel(clean.cut(0, start))
    for rows in (12, 36, 72, 144, 288):
        since, later = new.cut(start, start + rows), new.cut(start + rows, start + rows + 3 * 144)
        adopted = adopt(detector, base, since)
        models = (base, detector.update_panel(base, since), detector.fit_panel(since)[0], adopted)
        shares = [100 * detector.score_panel(each, later)[0].alert.mean() for each in models]
        shares.append(100 * detector.score_panel(adopted, clean.cut(start, start + 3 * 144))[0].alert.mean())
        print(f"| {rows} | " + " | ".join(f"{each:.1f}" for each in shares) + " |")


def _nights() -> None:
    clean, detector, stamp = made_up(TRAINING + 8), ECOD(half_life=7 * 144), pa.timestamp("ns", "UTC")
    print(
        "\nNights that are all promoted, half-life 7 days: alerts of the first models that are left on days 1, 3 and 7"
    )
    print("\n| begun with | " + " | ".join(FAULTS) + " |\n| --- " + "| --- " * len(FAULTS) + "|")
    first = clean.cut(0, TRAINING * 144)
    plain = Pipeline(detector).learn(first, stamp).models
    again = integrate(detector, None, plain, [first], stamp, how="refit").models
    for name, base in (("a fit", plain), ("a refit on the history", again)):
        cells = []
        for fault in FAULTS:
            readings, models, found = clean.at_fault(fault), base, []
            for day in range(TRAINING, TRAINING + 8):
                panel = readings.cut(day * 144, (day + 1) * 144)
                both = (detector.score_panel(each.to_models(), panel)[0].alert for each in (models, base))
                found.append([alert.reshape(-1, 144) for alert in both])
                models = integrate(detector, None, models, [panel], stamp).models
            cells.append(kept(*(np.concatenate(each, axis=1) for each in zip(*found, strict=True)), 144))
        print(f"| {name} | " + " | ".join(" / ".join(f"{x:.0f}" for x in cell) for cell in cells) + " |")


def _turbine() -> None:
    frame = pl.read_csv(find("wind/T1.csv"), encoding="utf8-lossy")
    matrix = frame.select(pl.col(pl.Float64)).to_numpy()
    readings = Readings(Panel.of_matrix(matrix[: len(matrix) // 144 * 144]), 144)
    print("\nA real turbine over a year, 10-minute readings: rows that alert and blocks held back, in %")
    print("\n| learned first | half-life | " + " | ".join(RULES) + " |\n| --- | --- " + "| --- " * len(RULES) + "|")
    for training in (30, 90):
        for days in (3, 14, 30):
            cells = []
            for rule in RULES:
                alerts, _, held = live(readings, rule, days * 144, 144, training)
                cells.append(f"{100 * alerts.mean():.1f} ({100 * held.mean():.0f})")
            print(f"| {training} d | {days} d | " + " | ".join(cells) + " |")


def _cost() -> None:
    readings = made_up(TRAINING + 1)
    detector, first = ECOD(half_life=1008), readings.cut(0, TRAINING * 144)
    base, _ = detector.fit_panel(first)
    models, panel = vouched(detector, base, first, 144), readings.cut(TRAINING * 144, (TRAINING + 1) * 144)
    base, models = detector.update_panel(base, panel), learn_blocks(detector, models, panel).models
    ruled, plain = paired(
        lambda: learn_blocks(detector, models, panel), lambda: detector.update_panel(base, panel), repeats=15
    )
    per_value = 1e9 / panel.values.size
    print(
        f"\nLearning a block of 144 rows: {plain * per_value:.0f} CPU-ns a value, {ruled * per_value:.0f} by the rule"
    )
    print(f"Bytes of a model: {base.nbytes / ASSETS:,.0f}; with reference and anchor {models.nbytes / ASSETS:,.0f}")


def main() -> None:
    """Print what each rule lets through, and what it costs."""
    _normal()
    _faults()
    _blocks()
    _regimes()
    _nights()
    _turbine()
    _cost()
