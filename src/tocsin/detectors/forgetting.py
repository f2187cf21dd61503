"""Forgetting by half-lives, the same for every detector that learns from new rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import Detector, is_number
from tocsin.errors import ParameterError


class Forgetful(Detector):
    """A detector whose parameter `half_life` says after how many rows what was learned counts half; None never."""

    half_life: float | None

    def check_parameters(self) -> None:
        """Raise a `ParameterError` for values that make no sense."""
        super().check_parameters()
        given = self.half_life
        if given is not None and not (is_number(given) and (0.0 < given <= 1e300 or given == np.inf)):
            raise ParameterError(f"half_life must be a positive number of rows, not {given!r}")

    def _slack(self) -> float:
        return 0.0 if self.half_life is None else 1.0

    def _forgetting(self, offsets: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.half_life is None:
            return super()._forgetting(offsets)
        counts = np.diff(offsets)
        age = np.repeat(offsets[1:], counts) - 1 - np.arange(offsets[-1])
        return 0.5 ** (age / self.half_life), 0.5 ** (counts / self.half_life)
