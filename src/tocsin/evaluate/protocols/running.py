"""A detector's answers to the cases of any protocol: all that look alike are the assets of one fleet."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.protocols.cases import Answer, Case
from tocsin.features.recipe import Recipe
from tocsin.features.settings import check_whole
from tocsin.fleet.fleet import Fleet
from tocsin.fleet.pipeline import Pipeline
from tocsin.tables.columns import Columns
from tocsin.tables.readings import open_readings

KEY, LABEL = "(case)", "(anomalous)"
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
        given = _tried(group, own, recipe, update_every)
        each = (clock.process_time() - started) / len(group)
        for case, answer in zip(group, given, strict=True):
            if answer.note:
                failed = failed or (case, answer.note)
            scored = scored or not answer.note
            yield case, replace(answer, seconds=each)
    if failed and not scored:
        raise DataError(f"no case can be learned, such as {failed[0].name}: {failed[1]}")


def _alike(cases: Iterable[Case], *, alone: bool) -> Iterator[list[Case]]:
    """Gather cases that follow one another and have the same columns, as many as may be held at once.

    A case whose rows are scored as they are learned is alone.
    """
    group: list[Case] = []
    cells = 0
    for case in cases:
        size = len(case.features) * (len(case.training) + len(case.test))
        same = group and not case.transductive and not group[0].transductive and _columns(group[0]) == _columns(case)
        if group and (alone or not same or cells + size > CELLS):
            yield group
            group, cells = [], 0
        group.append(case)
        cells += size
    if group:
        yield group


def _columns(case: Case) -> tuple[object, ...]:
    types = [case.training.schema[name] for name in case.features]
    return case.features, types, case.time


def _tried(group: list[Case], detector: Detector, recipe: Recipe | None, every: int | None) -> list[Answer]:
    """Answer cases together; if something in one of them cannot be used, each alone."""
    try:
        if group[0].transductive:
            return [_trained(group[0], detector, recipe, every)]
        return _answered(group, detector, recipe, every)
    except DataError as error:
        if len(group) == 1:
            return [_without(group[0], str(error))]
        return [answer for case in group for answer in _tried([case], detector, recipe, every)]


def _answered(group: list[Case], detector: Detector, recipe: Recipe | None, every: int | None) -> list[Answer]:
    first, supervised = group[0], _supervised(group, detector, recipe)
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


def _supervised(group: list[Case], detector: Detector, recipe: Recipe | None) -> bool:
    """Return whether labels are learned from; there must then be some."""
    supervised = Pipeline(detector, recipe).supervised
    for case in group:
        if supervised and case.training_labels is None:
            name = type(detector).__name__ if detector.supervised else "the recipe"
            raise DataError(f"{name} learns from labels, but the benchmark has none of the rows to learn from")
    return supervised


def _rows(case: Case, frame: pl.DataFrame, labels: NDArray[np.int8] | None = None) -> pl.DataFrame:
    marked = frame.with_columns(pl.lit(case.name).alias(KEY))
    return marked if labels is None else marked.with_columns(pl.Series(LABEL, labels).replace(-1, None))


def _answer(case: Case, parts: list[pl.DataFrame]) -> Answer:
    table = pl.concat(parts)
    if len(table) != len(case.test):
        raise DataError(f"{case.name} has {len(case.test):,} rows to score, of which {len(table):,} could be read")
    score = table["score"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return Answer(score, table["alert"].to_numpy(), table["threshold"].to_numpy())


def _trained(case: Case, detector: Detector, recipe: Recipe | None, every: int | None) -> Answer:
    """Return the scores that rows have in training."""
    if every is not None:
        raise ParameterError(f"{case.name} is scored as it is learned; leave out update_every")
    pipeline, supervised = Pipeline(detector, recipe), _supervised([case], detector, recipe)
    labels = case.training_labels if supervised else None
    columns = Columns(KEY, case.time, case.features, label=LABEL if supervised else None)
    readings = open_readings(
        _rows(case, case.training, labels), columns, infinite=detector.infinite, labelled=supervised
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
