"""What a model may learn while a stream runs, so that it follows what is normal and no fault becomes so by lasting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.anchor import PREFIX as ANCHOR
from tocsin.detectors.anchor import Anchor
from tocsin.detectors.base import Detector
from tocsin.detectors.drift import sketched
from tocsin.errors import DataError, ParameterError
from tocsin.features.recipe import MEMORY, PREFIX
from tocsin.kernels import drift as kernels
from tocsin.models import Models, Ragged, Renamed
from tocsin.panel import Panel

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

REFERENCE = "reference_"
"""How the entries of the model that was last vouched for begin in a model's state."""
LEARNED, ALERTS, DRIFT = range(3)
"""What became of a block: learned; held back for too many alerts; or for a feature too far from the reference."""
BESIDE = (ANCHOR, REFERENCE, PREFIX, MEMORY)
"""How the entries begin that are not the detector's own."""


@dataclass(frozen=True)
class Rule:
    """Which blocks are learned.

    Parameters
    ----------
    level : float, default 1e-4
        A block is held back if chance would give the alerts that the reference raises in it with a smaller probability.
    reach : float, default 4
        What is usual of an asset's blocks goes so many standard deviations beyond their mean: it may have more alerts,
        and a feature must be farther from the reference than that for its block to be held back.
    least, first : float, default 0.1 and 0.75
        From which distance on that is asked at all, and from which on as long as fewer than `few` blocks are known.
    few, enough : int, default 7 and 14
        From how many blocks on it is known what is usual, and how many are counted until somebody vouches anew.

    Raises
    ------
    ParameterError
        If a number makes no sense.
    """

    level: float = 1e-4
    reach: float = 4.0
    least: float = 0.1
    first: float = 0.75
    few: int = 7
    enough: int = 14

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ("level", "least", "first"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ParameterError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")
        if not self.reach > 0.0:
            raise ParameterError(f"reach must be above 0, not {self.reach}")
        if not 2 <= self.few <= self.enough:
            raise ParameterError(f"few must be from 2 to enough ({self.enough}), not {self.few}")


class Lesson(NamedTuple):
    """What came of a block of each asset.

    Attributes
    ----------
    parts : tuple of (ndarray of int64, Models)
        The models that are others now, with the detector's own entries alone, and of which assets they are.
    beside : dict of str to Ragged
        What is kept beside them, of all assets, where it is another now.
    why : ndarray of shape (n_assets,), int8
        `LEARNED`, or why it was held back: `ALERTS` or `DRIFT`.
    found, bounds : ndarray of shape (n_assets, n_features + 1)
        How far each feature was from the reference, and last the share of rows that it alerts at; and up to where that
        is taken for normal. Models that keep no sketches have the last only, those of temporal detectors none.
    before : Models
        As they were.
    """

    parts: tuple[tuple[NDArray[np.int64], Models], ...]
    beside: Mapping[str, Ragged]
    why: NDArray[np.int8]
    found: Floats
    bounds: Floats
    before: Models

    @property
    def models(self) -> Models:
        """All models after it; what a recipe remembers is not changed by it."""
        own, place = own_models(self.before), np.arange(len(self.before))
        every = [own, *(part for _, part in self.parts)]
        for (assets, _), start in zip(self.parts, np.cumsum([len(part) for part in every]), strict=False):
            place[assets] = start + np.arange(len(assets))
        found = Models.concat(every).take(place)
        return replace(found, state={**self.before.state, **found.state, **self.beside})


def learnable(alerts: Flags, offsets: NDArray[np.int64], contamination: float, level: float = Rule.level) -> Flags:
    """Say which rows may be learned: all of a block in which chance explains the alerts, and none of another.

    Parameters
    ----------
    alerts : ndarray of shape (n_rows,), bool
        Which rows are above the threshold of a model that does not learn them meanwhile.
    offsets : ndarray of shape (n_blocks + 1,), int64
        Where each block begins and ends; a block is as many rows of one asset as are learned at a time.
    contamination : float
        The share of normal rows that alert.
    level : float, default 1e-4
        As in `Rule`.

    Returns
    -------
    ndarray of shape (n_rows,), bool

    Notes
    -----
    Single alerts are learned with the rest of their block. A model that never learns the rows above its threshold loses
    a hundredth of what is normal with each half-life, and may end by alerting at a third of all rows: docs/adapting.md.

    Raises
    ------
    DataError
        If there is not one alert a row.

    Examples
    --------
    >>> alerts = np.zeros(400, bool)
    >>> alerts[[7, 90]] = alerts[250:300] = True
    >>> found = learnable(alerts, np.array([0, 200, 400]), 0.01)
    >>> bool(found[:200].all()), bool(found[200:].any())
    (True, False)
    """
    if len(alerts) != offsets[-1]:
        raise DataError(f"{len(alerts):,} alerts for {offsets[-1]:,} rows")
    count, sizes = np.empty(len(offsets) - 1, np.int64), np.diff(offsets)
    kernels.counts(alerts, offsets, count)
    return np.repeat(count <= tolerated(sizes, contamination, level), sizes)


def tolerated(sizes: NDArray[np.int64], contamination: float, level: float) -> NDArray[np.int64]:
    """Return how many rows of each block may alert by chance."""
    most = np.empty(len(sizes), np.int64)
    kernels.tolerances(sizes, contamination, level, most)
    return most


def vouched(detector: Detector, models: Models, panel: Panel | None = None, block: int = 0) -> Models:
    """Take models as they are for normal: they become the reference of what is learned from now on.

    Parameters
    ----------
    detector : Detector
        What made the models.
    models : Models
        Those of some assets.
    panel : Panel, optional
        Rows of the same assets, in the same order, that are normal; features, as the detector gets them. They say what
        blocks are usually like, so that the rule is sharp from the start; without them the first `Rule.enough` blocks
        that come do, unless it is known from before. Models that keep no sketches of their features get these, too.
    block : int
        How many of these rows make a block.

    Returns
    -------
    Models
        With the reference in their state. Those of a temporal detector are left as they are: they have none.
    """
    if detector.temporal:
        return models
    plain = own_models(models)
    known = detector.sketches(plain)
    if known is None and panel is not None:
        known = sketched(panel)
    anchor = Anchor.begin(known, len(models))
    if panel is not None and block:
        anchor = _usual(anchor, detector, plain, panel, block)
    elif f"{ANCHOR}blocks" in models.state:
        anchor = anchor.like(Anchor.from_state(models.state))
    return replace(models, state={**models.state, **_as_reference(plain), **anchor.to_state()})


def _usual(anchor: Anchor, detector: Detector, models: Models, panel: Panel, block: int) -> Anchor:
    """Count in past rows, cut into blocks; what is left over of an asset's is not used."""
    alerts = detector.score_panel(models, panel, p_values=False)[0].alert
    for part, rows in cuts(panel, block):
        anchor = anchor.absorb(anchor.seen(part, alerts[rows]), np.diff(part.offsets) == block)
    return anchor


def learn_blocks(detector: Detector, models: Models, panel: Panel, rule: Rule | None = None) -> Lesson:
    """Let models learn a block of rows each, or hold it back.

    A block is learned if the reference, which is the model that was last vouched for, takes it for normal. If not, the
    model becomes the reference again: what crept in before it was noticed is forgotten.

    Parameters
    ----------
    detector : Detector
        One that is incremental. A temporal one learns every row, since it goes on from where it was left.
    models : Models
        Those of the panel's assets; without a reference in their state (`vouched`) they are their own.
    panel : Panel
        The block of each asset: features, as the detector gets them. Assets without rows stay as they are.
    rule : Rule, optional
        Which blocks are learned.

    Returns
    -------
    Lesson

    Notes
    -----
    What comes out is a function of an asset's model and block alone. Beside the update it costs one more scoring of the
    rows, and a sort of them. A block should span what repeats itself, such as a day; see docs/adapting.md.

    Raises
    ------
    ParameterError
        If the detector cannot learn from new rows.
    """
    rule = rule or Rule()
    if detector.temporal:
        why, none = np.full(panel.n_assets, LEARNED, np.int8), np.empty((panel.n_assets, 0))
        all_ = np.arange(panel.n_assets)
        return Lesson(((all_, detector.update_panel(models, panel)),), {}, why, none, none, models)
    beside: dict[str, Ragged] = {}
    if f"{REFERENCE}rows" not in models.state:
        models = vouched(detector, models)
        beside = {name: e for name, e in models.state.items() if name.startswith((REFERENCE, ANCHOR))}
    reference, anchor = _reference(models), Anchor.from_state(models.state)
    why, found, bounds = verdicts(detector, reference, anchor, panel, rule)
    sizes = np.diff(panel.offsets)
    learned = (why == LEARNED) & (sizes > 0)
    there, back = np.flatnonzero(learned), np.flatnonzero(~learned & (sizes > 0))
    own = own_models(models)
    if len(there) < len(models):
        own, panel = own.take(there), panel.take_assets(there)
    parts = (there, detector.update_panel(own, panel)), (back, reference.take(back))
    anchor = anchor.absorb(found, learned & (anchor.blocks < rule.enough))
    return Lesson(parts, beside | anchor.usual(), why, found, bounds, models)


def verdicts(
    detector: Detector, reference: Models, anchor: Anchor, panel: Panel, rule: Rule
) -> tuple[NDArray[np.int8], Floats, Floats]:
    """Return `why`, `found` and `bounds` of a `Lesson`: what becomes of a block of each asset, held against models."""
    found = anchor.seen(panel, detector.score_panel(reference, panel, p_values=False)[0].alert)
    sizes = np.diff(panel.offsets)
    bounds = anchor.bounds(rule.reach, rule.first, rule.few)
    bounds[:, :-1] = np.maximum(bounds[:, :-1], rule.least)
    chance = tolerated(sizes, detector.contamination, rule.level) / np.maximum(sizes, 1)
    bounds[:, -1] = np.maximum(bounds[:, -1], chance)
    over = found > bounds
    why = np.where(over[:, -1], ALERTS, np.where(over.any(axis=1), DRIFT, LEARNED)).astype(np.int8)
    return why, found, bounds


def cuts(panel: Panel, block: int) -> Iterator[tuple[Panel, NDArray[np.int64]]]:
    """Cut each asset's rows into blocks; give the first one of each, the second, and so on, and which rows they are."""
    sizes = np.diff(panel.offsets)
    for start in range(0, int(sizes.max(initial=0)), block):
        stops = np.minimum(sizes, start + block)
        ends = [np.arange(at + start, at + stop) for at, stop in zip(panel.offsets, stops, strict=False)]
        rows = np.concatenate(ends).astype(np.int64)
        yield panel.take_rows(rows), rows


def own_models(models: Models) -> Models:
    """Return models with the detector's own entries alone."""
    names = {name: name for name in models.state if not name.startswith(BESIDE)}
    return replace(models, state=Renamed(models.state, names))


def _as_reference(models: Models) -> dict[str, Ragged]:
    entries = {f"{REFERENCE}{name}": entry for name, entry in models.state.items()}
    entries[f"{REFERENCE}threshold"] = Ragged.of_rows(models.threshold.reshape(-1, 1))
    entries[f"{REFERENCE}rows"] = Ragged.of_rows(models.rows.reshape(-1, 1))
    return entries


def _reference(models: Models) -> Models:
    """Return the models that were last vouched for."""
    names = {name.removeprefix(REFERENCE): name for name in models.state if name.startswith(REFERENCE)}
    rows, threshold = (models.state[names.pop(name)].values for name in ("rows", "threshold"))
    return Models(rows, threshold, Renamed(models.state, names))
