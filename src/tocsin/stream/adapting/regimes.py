"""A change of regime that somebody has confirmed: what is new becomes normal at once, and what was normal stays so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tocsin.detectors.anchor import PREFIX as ANCHOR
from tocsin.detectors.base import Detector
from tocsin.models import Models
from tocsin.panel import Panel
from tocsin.stream.adapting.policy import REFERENCE, vouched

BEFORE = 1.0
"""How much what was known before weighs, of what the new regime weighs."""


def adopt(detector: Detector, models: Models, panel: Panel) -> Models:
    """Let models take a confirmed change of regime for normal, at once.

    Parameters
    ----------
    detector : Detector
        What made the models.
    models : Models
        Those of the panel's assets.
    panel : Panel
        All rows since the regime changed, features as the detector gets them. Six hours are better than one; those
        that come later are learned as usual.

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
