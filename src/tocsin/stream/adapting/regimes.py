"""A change of regime that somebody has confirmed: what is new becomes normal at once, and what was normal stays so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.anchor import PREFIX as ANCHOR
from tocsin.detectors.base import Detector
from tocsin.errors import DataError
from tocsin.models import Models
from tocsin.panel import Panel
from tocsin.stream.adapting.policy import REFERENCE, Rule, tolerated, vouched

BEFORE = 1.0
"""How much what was known before weighs, of what the new regime weighs."""
FEWEST = 6
"""How many rows of a new regime there must be: a model that rests on fewer raises no alerts at all."""


def adopt(detector: Detector, models: Models, panel: Panel) -> Models:
    """Let models take a confirmed change of regime for normal, at once.

    Parameters
    ----------
    detector : Detector
        What made the models.
    models : Models
        Those of the panel's assets.
    panel : Panel
        All rows since the regime changed (`begun`), at least `FEWEST`, features as the detector gets them. Six hours
        are better than one; those that come later are learned as usual.

    Returns
    -------
    Models
        A detector that forgets lets what was known before weigh no more than the new rows, so that both regimes are
        normal. Any other learns the new rows alone. Assets without rows stay as they are; the others are vouched for.

    Raises
    ------
    DataError
        If the new rows are too few to learn from.
    """
    there = np.diff(panel.offsets) > 0
    if not there.any():
        return models
    vouch = f"{REFERENCE}rows" in models.state
    chosen = np.flatnonzero(there)
    part, own = panel.take_assets(chosen), models.take(chosen)
    if (fewest := int(np.diff(part.offsets).min())) < FEWEST:
        raise DataError(f"{fewest} of its rows are too few to tell what is normal, {FEWEST} may do")
    if detector.forgets:
        learned = detector.update_panel(own, part, before=BEFORE)
    else:
        learned = detector.fit_panel(part)[0]
        learned = replace(learned, rows=own.rows + learned.rows)
    kept = {name: entry for name, entry in own.state.items() if not name.startswith(ANCHOR)}
    learned = replace(learned, state={**kept, **learned.state})
    if vouch:
        learned = vouched(detector, learned, part)
    place = np.arange(len(models))
    place[chosen] = len(models) + np.arange(len(chosen))
    return Models.concat([models, learned]).take(place)


def begun(
    detector: Detector, models: Models, panel: Panel, at: Sequence[int | None], level: float = Rule.level
) -> NDArray[np.int64]:
    """Find from which row on each asset is in another regime: where its share of alerts changed most likely.

    Parameters
    ----------
    detector : Detector
        What made the models.
    models : Models
        Those of the panel's assets.
    panel : Panel
        Their last rows, with times, features as the detector gets them.
    at : sequence of int or None
        For each asset a time in its alarm, in nanoseconds: its regime began no later. None if it is not known.
    level : float, default 1e-4
        As in `Rule`.

    Returns
    -------
    ndarray of shape (n_assets,), int64
        How many rows of each asset come before; all of them where chance explains the alerts.

    Notes
    -----
    The row with the largest likelihood ratio of a change from the contamination to the share of alerts that follows.
    """
    assert panel.times is not None
    alerts = detector.score_panel(models, panel, p_values=False)[0].alert
    found = np.diff(panel.offsets)
    for asset, (start, stop, moment) in enumerate(zip(panel.offsets[:-1], panel.offsets[1:], at, strict=True)):
        if start == stop:
            continue
        rows = np.arange(stop - start, 0, -1)
        counts = np.cumsum(alerts[start:stop][::-1], dtype=np.int64)[::-1]
        likely = _likelihoods(counts, rows, detector.contamination)
        first = int(np.argmax(likely[: _until(panel.times[start:stop], moment)]))
        if counts[first] > tolerated(rows[first:][:1], detector.contamination, level)[0]:
            found[asset] = first
    return found


def _until(times: NDArray[np.int64], moment: int | None) -> int:
    """Return how many rows, at least one, are no later than a moment."""
    return len(times) if moment is None else max(int(np.searchsorted(times, moment, side="right")), 1)


def _likelihoods(counts: NDArray[np.int64], rows: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Return by how many nats so many alerts among so many rows are likelier at their own share than at a lower one."""
    own = np.clip(counts / rows, share, 1.0 - 1e-12)
    found: NDArray[np.float64] = counts * np.log(own / share) + (rows - counts) * np.log((1.0 - own) / (1.0 - share))
    return found
