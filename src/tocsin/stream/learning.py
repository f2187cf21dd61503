"""How models go on learning from a stream: when, and from which rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tocsin.stream.adapting.policy import Rule

Ints = NDArray[np.int64]
GOLDEN = (5.0**0.5 - 1.0) / 2.0
"""Its multiples, modulo 1, are spread evenly, however many are taken."""


@dataclass(frozen=True, slots=True)
class Learning:
    """When an asset's model learns: each time that a block of its rows is whole.

    So it learns the same whatever the cutting into batches: a row is scored by the model that has learned all whole
    blocks before it.

    Parameters
    ----------
    online : bool, default True
        Whether models learn at all.
    first : int, default 256
        From how many rows an asset without a model gets its first one.
    least, most : int, default 64, 512
        A block is an eighth of the rows that a model has learned, within these bounds.
    rule : Rule
        Which blocks are learned, and which are held back.
    """

    online: bool = True
    first: int = 256
    least: int = 64
    most: int = 512
    rule: Rule = field(default_factory=Rule)

    def block(self, rows: Ints) -> Ints:
        """Return the length of the next block of models that have learned so many rows."""
        return np.clip(rows // 8, self.least, self.most)

    def first_block(self, rows: Ints, slots: Ints) -> Ints:
        """Return the length of the first block of models in some slots: up to twice as long as the next ones.

        Else the models of a fleet whose assets send as often as each other would all learn in the same moment, and
        alerts would wait for that.
        """
        block = self.block(rows)
        return block + (block * (slots * GOLDEN % 1.0)).astype(np.int64)
