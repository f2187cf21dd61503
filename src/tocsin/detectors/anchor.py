"""What an asset's blocks of rows are usually like, so that a model that goes on learning does not drift away unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.sketches import Sketches
from tocsin.kernels import drift as kernels
from tocsin.models import Ragged
from tocsin.panel import Panel

Floats = NDArray[np.float64]

PREFIX = "anchor_"
"""How its entries in a model's state begin."""
VALUES = 64
"""How many values stand for a distribution; distances err by 1/64 at the most."""


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """Where models were when somebody last vouched for them, and how far blocks of rows usually are from there.

    It is kept in a model's state: 64 values and two numbers a feature, and three more.

    Attributes
    ----------
    sketches : Sketches
        What each feature was like, cells asset by feature; a cell that is not known has no weight.
    blocks : ndarray of shape (n_assets,)
        From how many blocks it is known what is usual.
    means, squares : ndarray of shape (n_assets, n_features + 1), or (n_assets, 1) where no feature is known
        The mean of what was `seen` of them, and the sum of the squared deviations from it.
    """

    sketches: Sketches
    blocks: Floats
    means: Floats
    squares: Floats

    @classmethod
    def begin(cls, sketches: Sketches | None, n_assets: int) -> Self:
        """Take what models keep of their features as what is normal; with None there are no distances."""
        known = sketches or Sketches.at_grid(np.zeros(0, np.int64), 1.0, np.float64)
        shares = (np.arange(VALUES) + 0.5) / VALUES
        values = np.stack([known.quantiles(share) for share in shares], axis=1)
        there = ~np.isnan(values[:, 0])
        found = Sketches.at_grid(np.where(there, VALUES, 0), 1.0, known.cells.knots.dtype)
        found.cells.knots[:] = values[there].reshape(-1)
        shape = (n_assets, len(there) // max(n_assets, 1) + 1)
        return cls(found, np.zeros(n_assets), np.zeros(shape), np.zeros(shape))

    def seen(self, panel: Panel, alerts: NDArray[np.bool_]) -> Floats:
        """Return how far each asset's rows are from it, and last the share of them that alert; the shape of `means`.

        A distance is that of Kolmogorov and Smirnov, NaN where nothing is known. Costs a sort of the rows and some
        0.3 µs a feature.
        """
        found = np.empty_like(self.means)
        if cells := len(self.sketches.cells.totals):
            apart, like = np.empty(cells), panel.astype(self.sketches.cells.knots.dtype)
            kernels.apart(like.values, like.offsets, self.sketches.cells, apart)
            found[:, :-1] = apart.reshape(panel.n_assets, panel.n_features)
        count = np.empty(panel.n_assets, np.int64)
        kernels.counts(alerts, panel.offsets, count)
        found[:, -1] = count / np.maximum(np.diff(panel.offsets), 1)
        return found

    def bounds(self, reach: float, first: float, few: int) -> Floats:
        """Return up to where it is usual: `reach` standard deviations beyond the mean.

        Where fewer than `few` blocks are known it is `first` for distances, and 0 for the share of alerts.
        """
        spread = np.sqrt(self.squares / (np.maximum(self.blocks, 2.0)[:, None] - 1.0))
        unknown = np.full(self.means.shape[1], first)
        unknown[-1] = 0.0
        return np.where(self.blocks[:, None] < few, unknown, self.means + reach * spread)

    def absorb(self, found: Floats, taken: NDArray[np.bool_]) -> Anchor:
        """Count in what was seen of the blocks that were `taken`, shape (n_assets,)."""
        found = np.where(np.isnan(found), self.means, found)
        blocks, change = self.blocks + taken, found - self.means
        means = self.means + change / np.maximum(blocks, 1.0)[:, None]
        squares = self.squares + change * (found - means)
        chosen = taken[:, None]
        means, squares = np.where(chosen, means, self.means), np.where(chosen, squares, self.squares)
        return replace(self, blocks=blocks, means=means, squares=squares)

    def like(self, other: Anchor) -> Anchor:
        """Return it with what is usual of blocks taken from another anchor of the same assets."""
        return replace(self, blocks=other.blocks, means=other.means, squares=other.squares)

    def put(self, assets: NDArray[np.int64], usual: Anchor) -> Anchor:
        """Return it with what is usual of the blocks of some assets taken from an anchor of these."""
        blocks, means, squares = self.blocks.copy(), self.means.copy(), self.squares.copy()
        blocks[assets], means[assets], squares[assets] = usual.blocks, usual.means, usual.squares
        return replace(self, blocks=blocks, means=means, squares=squares)

    def take(self, assets: NDArray[np.int64]) -> Anchor:
        """Return the anchors of some assets, in that order."""
        return Anchor.from_state({name: entry.take(assets) for name, entry in self.to_state().items()})

    def to_state(self) -> dict[str, Ragged]:
        """Return the arrays that `from_state` reads."""
        return {**self.sketches.to_state(len(self.blocks), PREFIX, at_grid=True, whole=True), **self.usual()}

    def usual(self) -> dict[str, Ragged]:
        """Return those of the arrays that change as blocks are seen."""
        n_assets = len(self.blocks)
        return {
            f"{PREFIX}blocks": Ragged.of_rows(self.blocks.reshape(n_assets, 1)),
            f"{PREFIX}means": Ragged.of_rows(self.means),
            f"{PREFIX}squares": Ragged.of_rows(self.squares),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Ragged]) -> Self:
        """Undo `to_state`."""
        blocks = state[f"{PREFIX}blocks"].values
        means, squares = (state[f"{PREFIX}{name}"].values.reshape(len(blocks), -1) for name in ("means", "squares"))
        return cls(Sketches.from_state(state, 1.0, PREFIX), blocks, means, squares)
