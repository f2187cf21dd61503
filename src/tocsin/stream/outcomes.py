"""What a fleet says of rows of a stream, pass by pass and call by call, put together as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.fleet.pipeline import Pipeline
from tocsin.fleet.results import joined_scores, take_scores, with_explanations
from tocsin.models import Models
from tocsin.panel import Panel, Scores

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fleet said of rows.

    Parameters
    ----------
    slots : ndarray of shape (n_assets,), int64
    panel : Panel
        The readings, as they came.
    scores : Scores
        One a row; NaN where a row has no features yet.
    threshold, version : ndarray of shape (n_assets,)
        Of each asset's model, after these rows.
    alerts : pyarrow.Table
        The rows that are alerts: key, time, score, p_value, alert, threshold, version and explanations.
    """

    slots: Ints
    panel: Panel
    scores: Scores
    threshold: NDArray[np.float64]
    version: Ints
    alerts: pa.Table | None

    def of(self, assets: Ints) -> Outcome:
        """Return what was said of some of the assets, ascending, without alerts."""
        chosen = np.zeros(len(self.slots), np.bool_)
        chosen[assets] = True
        rows = np.flatnonzero(np.repeat(chosen, np.diff(self.panel.offsets)))
        return Outcome(
            self.slots[assets],
            self.panel.take_assets(assets),
            take_scores(self.scores, rows),
            self.threshold[assets],
            self.version[assets],
            None,
        )


class Raised(NamedTuple):
    """Alerts of one pass, and what they are explained by.

    Parameters
    ----------
    table : pyarrow.Table
        The columns of `Outcome.alerts`, without explanations.
    models : Models
        Those of the alerts' assets, as they were then.
    panel : Panel
        Features of these assets.
    scores : Scores
        Of the panel's rows.
    rows : ndarray of int64
        Which of the panel's rows are the alerts.
    """

    table: pa.Table
    models: Models
    panel: Panel
    scores: Scores
    rows: Ints


def explained(raised: Sequence[Raised], pipeline: Pipeline, features: tuple[str, ...], top: int) -> pa.Table | None:
    """Return the alerts of several passes with their explanations, all made at once; None if there are none."""
    raised = [each for each in raised if len(each.rows)]
    if not raised:
        return None
    panels, scores = [each.panel for each in raised], [each.scores for each in raised]
    before = np.cumsum([0] + [panel.n_rows for panel in panels])
    panel = Panel(
        np.concatenate([each.values for each in panels], axis=1),
        np.concatenate([np.zeros(1, np.int64)] + [p.offsets[1:] + at for p, at in zip(panels, before, strict=False)]),
        pa.concat_arrays([each.keys for each in panels]),
        panels[0].features,
        np.concatenate([each.times for each in panels if each.times is not None]),
    )
    joined = joined_scores(scores)
    rows = np.concatenate([each.rows + at for each, at in zip(raised, before, strict=False)])
    models = Models.concat([each.models for each in raised])
    reasons = pipeline.reasons(models, panel, features, joined, rows, top)
    return with_explanations(pa.concat_tables([each.table for each in raised]), reasons, np.arange(len(rows)))


class Told:
    """What is said of each row of a panel, written pass by pass."""

    def __init__(self, n_rows: int, rows: Ints | None) -> None:
        self._rows = rows
        self.scores = Scores(np.full(n_rows, np.nan), np.full(n_rows, np.nan), np.zeros(n_rows, np.bool_))

    def write(self, firsts: Ints, offsets: Ints, scores: Scores) -> None:
        """Write what is said of rows that begin at `firsts`, asset by asset, in the panel of features."""
        counts = np.diff(offsets)
        place = np.arange(offsets[-1]) + np.repeat(firsts - offsets[:-1], counts)
        place = place if self._rows is None else self._rows[place]
        self.scores.score[place], self.scores.p_value[place] = scores.score, scores.p_value
        self.scores.alert[place] = scores.alert


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return what was said in several calls as one; an asset's rows are in the order of the calls."""
    if len(outcomes) == 1:
        return outcomes[0]
    assets = np.concatenate([one.slots[one.panel.asset_of_row] for one in outcomes])
    order = np.argsort(assets, kind="stable")
    every = np.concatenate([one.slots for one in outcomes])
    slots, last = np.unique(every[::-1], return_index=True)
    last = len(every) - 1 - last  # of each asset, what was said of it last
    panels = [one.panel for one in outcomes]
    panel = Panel(
        np.ascontiguousarray(np.concatenate([each.values for each in panels], axis=1)[:, order]),
        np.append(np.searchsorted(assets[order], slots), len(order)).astype(np.int64),
        pa.concat_arrays([each.keys for each in panels]).take(pa.array(last)),
        panels[0].features,
        np.concatenate([each.times for each in panels if each.times is not None])[order],
    )
    scores = [one.scores for one in outcomes]
    joined = take_scores(joined_scores(scores), order)
    raised = [one.alerts for one in outcomes if one.alerts is not None]
    threshold, version = (np.concatenate([getattr(one, name) for one in outcomes]) for name in ("threshold", "version"))
    alerts = pa.concat_tables(raised) if raised else None
    return Outcome(slots, panel, joined, threshold[last], version[last], alerts)
