"""The parameters of STL with their defaults filled in, checked once for all that decomposes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tocsin.errors import ParameterError, did_you_mean
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
        """Refuse what makes no sense, and keep whole numbers as Python's, which do not overflow."""
        self._keep("period", check_whole("period", self.period, 2))
        self._keep("seasonal", _check_window("seasonal", self.seasonal, 3, "an odd number of cycles"))
        for name in ("trend", "low_pass"):
            if (window := getattr(self, name)) is not None:
                what = "an odd number longer than the period"
                self._keep(name, _check_window(name, window, self.period + 1 | 1, what))
        for name in ("seasonal_deg", "trend_deg", "low_pass_deg"):
            if getattr(self, name) not in (0, 1):
                raise ParameterError(f"{name} must be 0 or 1, not {getattr(self, name)!r}")
        if not isinstance(self.robust, bool | np.bool_):
            raise ParameterError(f"robust must be True or False, not {self.robust!r}")
        for name in ("seasonal_jump", "trend_jump", "low_pass_jump"):
            self._keep(name, check_whole(name, getattr(self, name), 1))
        for name, least in (("inner_iter", 1), ("outer_iter", 0)):
            if (loops := getattr(self, name)) is not None:
                self._keep(name, check_whole(name, loops, least))

    def _keep(self, name: str, value: int) -> None:
        object.__setattr__(self, name, value)

    @property
    def windows(self) -> tuple[int, int, int]:
        """How many neighbours the seasonal, trend and low-pass smoothers look at."""
        trend = math.ceil(1.5 * self.period / (1 - 1.5 / self.seasonal)) if self.trend is None else self.trend
        low_pass = self.period + 1 if self.low_pass is None else self.low_pass
        return self.seasonal, trend | 1, low_pass | 1

    @property
    def degrees(self) -> tuple[int, int, int]:
        """The degrees of the three smoothers."""
        return int(self.seasonal_deg), int(self.trend_deg), int(self.low_pass_deg)

    @property
    def jumps(self) -> tuple[int, int, int]:
        """How far apart the fits of the three smoothers are."""
        return self.seasonal_jump, self.trend_jump, self.low_pass_jump

    @property
    def inner(self) -> int:
        """How often the inner loop runs."""
        return self.inner_iter if self.inner_iter is not None else 2 if self.robust else 5

    @property
    def outer(self) -> int:
        """How often the outer loop runs after the first fit."""
        return self.outer_iter if self.outer_iter is not None else 15 if self.robust else 0

    @property
    def align(self) -> int:
        """The distance at which the fits of all smoothers fall on the same points again."""
        return math.lcm(self.period * self.jumps[0], self.jumps[1], self.jumps[2])

    @property
    def reach(self) -> int:
        """How far the ends of a series are felt without an outer loop.

        In each pass the smoothed cycles reach half a window, the moving averages a period, and the other smoothers
        half a window; a jump adds its length.
        """
        seasonal, trend, low_pass = (window // 2 + jump for window, jump in zip(self.windows, self.jumps, strict=True))
        return self.inner * (self.period * seasonal + trend + low_pass)

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
        return kernels.plan(n, self.period, self.windows, self.degrees, self.jumps, loops, whole, weighted)


def refuse_unknown(caller: str, parameters: Iterable[str], instead: Mapping[str, str] | None = None) -> None:
    """Refuse parameters that are not of `Settings`; a caller may take others `instead` of some."""
    instead = instead or {}
    for name in parameters:
        if name in instead:
            raise ParameterError(f"{caller} takes {instead[name]} in place of {name}")
    known = {field.name for field in fields(Settings)} - {"period", *instead} | {*instead.values()}
    if unknown := [name for name in parameters if name not in known]:
        raise ParameterError(f"{caller} has no parameter {unknown[0]!r}{did_you_mean(unknown[0], known)}")


def check_whole(name: str, value: Any, least: int, *, what: str = "a whole number", most: int = 2**31 - 1) -> int:
    """Return a whole number of at least `least`, of a size that makes sense, as Python's own; refuse anything else."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ParameterError(f"{name} must be {what}, not {value!r}")
    if value < least:
        raise ParameterError(f"{name} must be {what} of at least {least}, not {value}")
    if value > most:
        raise ParameterError(f"{name} must be at most {most}, not {value}")
    return int(value)


def _check_window(name: str, value: Any, least: int, what: str) -> int:
    """Return an odd number of at least `least`; refuse anything else."""
    window = check_whole(name, value, least, what=what)
    if window % 2 == 0:
        raise ParameterError(f"{name} must be odd, not {window}; the nearest are {window - 1} and {window + 1}")
    return window
