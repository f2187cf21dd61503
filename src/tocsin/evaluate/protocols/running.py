"""A detector's answers to the cases of any protocol: all that look alike are the assets of one fleet."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.errors import DataError
from tocsin.evaluate.protocols.base import Answer, Case
from tocsin.features.recipe import Recipe
from tocsin.features.settings import check_whole
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.pipeline import Pipeline
from tocsin.tables.readings import open_readings

KEY, LABEL = "case", "anomalous"
CELLS = 1 << 24
"""How many values of cases that look alike are held and learned from together."""


def answers(
    cases: Iterable[Case],
    detector: Detector | Callable[[Case], Detector],
    recipe: Recipe | None = None,
    *,
    update_every: int | None = None,
) -> Iterator[tuple[Case, Answer]]:
    """Let a detector learn from cases and score them.

    A case of which nothing can be learned has an answer without scores, and a note that says why.

    Parameters
    ----------
    cases : iterable of Case
        Of one protocol, all or some.
    detector, recipe, update_every
        As in `Protocol.run`.

    Yields
    ------
    case : Case
    answer : Answer

    Raises
    ------
    DataError
        If nothing can be learned of any case.
    ParameterError
        If a parameter makes no sense.
    """
    if update_every is not None:
        check_whole("update_every", update_every, 1)
    failed: tuple[Case, str] | None = None
    scored = False
    for group in _alike(cases, alone=not isinstance(detector, Detector)):
        own = detector if isinstance(detector, Detector) else detector(group[0])
        started = clock.process_time()
        try:
            given = _answered(group, own, recipe, update_every)
        except DataError as error:
            given = [_without(case, str(error)) for case in group]
        each = (clock.process_time() - started) / len(group)
        for case, answer in zip(group, given, strict=True):
            if answer.note:
                failed = failed or (case, answer.note)
            scored = scored or not answer.note
            yield case, Answer(answer.score, answer.alert, answer.threshold, each, answer.note)
    if failed and not scored:
        raise DataError(f"no case can be learned, such as {failed[0].name}: {failed[1]}")


def _alike(cases: Iterable[Case], *, alone: bool) -> Iterator[list[Case]]:
    """Gather cases that follow one another and have the same columns, as many as may be held at once."""
    group: list[Case] = []
    cells = 0
    for case in cases:
        size = len(case.features) * (len(case.training) + len(case.test))
        same = group and _columns(group[0]) == _columns(case)
        if group and (alone or not same or cells + size > CELLS):
            yield group
            group, cells = [], 0
        group.append(case)
        cells += size
    if group:
        yield group


def _columns(case: Case) -> tuple[object, ...]:
    types = [case.training.schema[name] for name in case.features]
    return case.features, types, case.time, case.transductive


def _answered(group: list[Case], detector: Detector, recipe: Recipe | None, every: int | None) -> list[Answer]:
    if group[0].transductive:
        return [_trained(case, detector, recipe) for case in group]
    first = group[0]
    supervised = Pipeline(detector, recipe).supervised
    label = LABEL if supervised else None
    fleet = Fleet(detector, key=KEY, time=first.time, features=first.features, label=label, recipe=recipe)
    fleet.fit(pl.concat(_rows(case, case.training, case.training_labels if supervised else None) for case in group))
    why = fleet.report.unlearned
    known = [case for case in group if case.name not in why]
    most = max(len(case.test) for case in known)
    parts: dict[str, list[pl.DataFrame]] = {case.name: [] for case in known}
    step = every or most
    for start in range(0, most, step):
        there = [case for case in known if start < len(case.test)]
        batch = pl.concat(_rows(case, case.test[start : start + step]) for case in there)
        scores = fleet.score(batch)
        assert scores is not None
        for key, part in scores.group_by("key", maintain_order=True):
            parts[str(key[0])].append(part)
        if every is not None and start + step < most:
            fleet.update(batch)
    return [_answer(case, parts[case.name]) if case.name in parts else _without(case, why[case.name]) for case in group]


def _rows(case: Case, frame: pl.DataFrame, labels: NDArray[np.int8] | None = None) -> pl.DataFrame:
    marked = frame.with_columns(pl.lit(case.name).alias(KEY))
    return marked if labels is None else marked.with_columns(pl.Series(LABEL, labels))


def _answer(case: Case, parts: list[pl.DataFrame]) -> Answer:
    table = pl.concat(parts)
    if len(table) != len(case.test):
        raise DataError(f"{case.name} has {len(case.test):,} rows to score, of which {len(table):,} could be read")
    score = table["score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return Answer(score, table["alert"].to_numpy(), table["threshold"].to_numpy())


def _trained(case: Case, detector: Detector, recipe: Recipe | None) -> Answer:
    """Return the scores that rows have in training."""
    pipeline = Pipeline(detector, recipe)
    labels = case.training_labels if pipeline.supervised else None
    fleet = Fleet(
        detector, key=KEY, time=case.time, features=case.features, label=LABEL if labels is not None else None
    )
    readings = open_readings(
        _rows(case, case.training, labels), fleet.columns, infinite=detector.infinite, labelled=pipeline.supervised
    )
    (panel,) = readings.panels()
    featured = pipeline.learn_features(panel)
    models, scores = detector.fit_panel(featured.panel)
    rows = np.arange(panel.n_rows) if featured.rows is None else featured.rows
    score, alert = np.full(panel.n_rows, np.nan), np.zeros(panel.n_rows, np.bool_)
    score[rows], alert[rows] = scores.score, scores.alert
    return Answer(score, alert, np.full(panel.n_rows, models.threshold[0]))


def _without(case: Case, why: str) -> Answer:
    rows = len(case.test)
    return Answer(np.full(rows, np.nan), np.zeros(rows, np.bool_), np.ones(rows), note=why)
