"""The parameters of STL with their defaults filled in, checked once for all that decomposes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tocsin.errors import ParameterError
from tocsin.kernels import stl as kernels


@dataclass(frozen=True, slots=True)
class Settings:
    """Parameters of STL; the defaults and their meaning are those of `tocsin.stl`."""

    period: int
    seasonal: int = 7
    trend: int | None = None
    low_pass: int | None = None
    seasonal_deg: int = 1
    trend_deg: int = 1
    low_pass_deg: int = 1
    robust: bool = False
    seasonal_jump: int = 1
    trend_jump: int = 1
    low_pass_jump: int = 1
    inner_iter: int | None = None
    outer_iter: int | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_whole("period", self.period, 2)
        _check_window("seasonal", self.seasonal, 3, "an odd number of cycles")
        for name in ("trend", "low_pass"):
            if getattr(self, name) is not None:
                _check_window(
                    name, getattr(self, name), int(self.period) + 1 | 1, "an odd number longer than the period"
                )
        for name in ("seasonal_deg", "trend_deg", "low_pass_deg"):
            if getattr(self, name) not in (0, 1):
                raise ParameterError(f"{name} must be 0 or 1, not {getattr(self, name)!r}")
        if not isinstance(self.robust, bool | np.bool_):
            raise ParameterError(f"robust must be True or False, not {self.robust!r}")
        for name in ("seasonal_jump", "trend_jump", "low_pass_jump"):
            check_whole(name, getattr(self, name), 1)
        for name, least in (("inner_iter", 1), ("outer_iter", 0)):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), least)

    @property
    def windows(self) -> tuple[int, int, int]:
        """How many neighbours the seasonal, trend and low-pass smoothers look at."""
        trend = math.ceil(1.5 * self.period / (1 - 1.5 / self.seasonal)) if self.trend is None else self.trend
        low_pass = self.period + 1 if self.low_pass is None else self.low_pass
        return int(self.seasonal), int(trend) | 1, int(low_pass) | 1

    @property
    def degrees(self) -> tuple[int, int, int]:
        """The degrees of the three smoothers."""
        return int(self.seasonal_deg), int(self.trend_deg), int(self.low_pass_deg)

    @property
    def jumps(self) -> tuple[int, int, int]:
        """How far apart the fits of the three smoothers are."""
        return int(self.seasonal_jump), int(self.trend_jump), int(self.low_pass_jump)

    @property
    def inner(self) -> int:
        """How often the inner loop runs."""
        return int(self.inner_iter) if self.inner_iter is not None else 2 if self.robust else 5

    @property
    def outer(self) -> int:
        """How often the outer loop runs after the first fit."""
        return int(self.outer_iter) if self.outer_iter is not None else 15 if self.robust else 0

    @property
    def align(self) -> int:
        """The distance at which the fits of all smoothers fall on the same points again."""
        return math.lcm(int(self.period) * self.jumps[0], self.jumps[1], self.jumps[2])

    @property
    def reach(self) -> int:
        """How far the ends of a series are felt without an outer loop.

        In each pass the smoothed cycles reach half a window, the moving averages a period, and the other smoothers
        half a window; a jump adds its length.
        """
        seasonal, trend, low_pass = (window // 2 + jump for window, jump in zip(self.windows, self.jumps, strict=True))
        return self.inner * (int(self.period) * seasonal + trend + low_pass)

    def check_length(self, n: int) -> None:
        """Refuse a series shorter than two periods."""
        if n < 2 * self.period:
            raise ParameterError(
                f"period {self.period} is longer than half the series of {n} values; "
                f"give at least {2 * self.period} values" + (f", or a period of at most {n // 2}" if n >= 4 else "")
            )

    def plan(self, n: int, whole: int, *, weighted: bool) -> Any:
        """Prepare the kernels for series of `n` values, each a part of one of `whole` values."""
        self.check_length(n)
        loops = self.inner, self.outer
        return kernels.plan(n, int(self.period), self.windows, self.degrees, self.jumps, loops, whole, weighted)


def check_whole(name: str, value: Any, least: int, *, what: str = "a whole number", most: int = 2**31 - 1) -> None:
    """Refuse anything but a whole number of at least `least`, and of a size that makes sense."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ParameterError(f"{name} must be {what}, not {value!r}")
    if value < least:
        raise ParameterError(f"{name} must be {what} of at least {least}, not {value}")
    if value > most:
        raise ParameterError(f"{name} must be at most {most}, not {value}")


def _check_window(name: str, value: Any, least: int, what: str) -> None:
    """Refuse anything but an odd number of at least `least`."""
    check_whole(name, value, least, what=what)
    if value % 2 == 0:
        raise ParameterError(f"{name} must be odd, not {value}; the nearest are {value - 1} and {value + 1}")
