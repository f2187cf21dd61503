"""What a made-up signal can be made of; a sensor is the sum of its parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import ClassVar, Literal, get_args, get_type_hints

import numpy as np

from tocsin.errors import ParameterError, did_you_mean
from tocsin.kernels import noise, signals
from tocsin.kernels.signals import MARGIN, TAKES, Parts

BLOCK = 16384
"""How many rows are made in one go; fewer where earlier ones are remembered, but more than are remembered."""
FORGOTTEN = 2.0**-26
"""What is left of a value of noise by the time that it no longer counts."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a signal.

    Raises
    ------
    ParameterError
        If a number makes no sense.
    """

    kind: ClassVar[int]

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for field in fields(self):
            value = getattr(self, field.name)
            most = 2**53 if isinstance(value, int) else 1e30
            if not isinstance(value, str) and not (isinstance(value, int | float) and abs(value) < most):
                raise ParameterError(f"{type(self).__name__}: {field.name} must be a finite number, not {value!r}")
        for holds, what in self.demands():
            if not holds:
                raise ParameterError(f"{type(self).__name__}: {what}")

    def demands(self) -> list[tuple[bool, str]]:
        """Return what must hold of the numbers, each with a word on what is wrong where it does not."""
        return []

    def numbers(self, factors: Sequence[str]) -> list[float]:
        """Return what the kernel takes; see `tocsin.kernels.signals.Parts`."""
        return [float(number) for number in astuple(self)]

    @property
    def variance(self) -> float:
        """What it adds to the variance over the rows of one asset."""
        return 0.0


@dataclass(frozen=True, slots=True)
class Level(Part):
    """Where a sensor rests; assets differ by `spread`, a standard deviation."""

    value: float = 0.0
    spread: float = 0.0
    kind: ClassVar[int] = signals.LEVEL


@dataclass(frozen=True, slots=True)
class Trend(Part):
    """Growth by `slope` a row; assets differ by `spread`, a standard deviation."""

    slope: float
    spread: float = 0.0
    kind: ClassVar[int] = signals.TREND


@dataclass(frozen=True, slots=True)
class Season(Part):
    """A sine of a period in rows, which need not be whole; `phase` and its `spread` among assets are shares of it."""

    amplitude: float
    period: float
    phase: float = 0.0
    spread: float = 0.0
    kind: ClassVar[int] = signals.SEASON

    def demands(self) -> list[tuple[bool, str]]:
        """Return what must hold."""
        return [
            (self.period >= 2, f"period must be at least 2 rows, not {self.period:g}"),
        ]

    def numbers(self, factors: Sequence[str]) -> list[float]:
        """Return amplitude, phase, spread and period."""
        return [self.amplitude, self.phase, self.spread, self.period]

    @property
    def variance(self) -> float:
        """Half the square of the amplitude."""
        return self.amplitude**2 / 2


@dataclass(frozen=True, slots=True)
class Noise(Part):
    """Noise of a standard deviation `scale`.

    `memory` is the number of rows after which a share 1/e of a value is left, as in an AR(1) process; 0 is white
    noise. `shape` "heavy" is Student's t with `freedom` degrees of freedom.
    """

    scale: float = 1.0
    shape: Literal["normal", "uniform", "heavy"] = "normal"
    memory: float = 0.0
    freedom: float = 4.0
    kind: ClassVar[int] = signals.NOISE

    def demands(self) -> list[tuple[bool, str]]:
        """Return what must hold."""
        shapes = get_args(get_type_hints(Noise)["shape"])
        return [
            (self.shape in shapes, f"no shape {self.shape!r}{did_you_mean(str(self.shape), shapes)}"),
            (self.scale >= 0, f"scale must not be negative, as {self.scale:g} is"),
            (self.memory >= 0, f"memory must not be negative, as {self.memory:g} is"),
            (self.remembered < MARGIN, f"memory must be below {int(MARGIN / -math.log(FORGOTTEN)):,} rows"),
            (self.freedom > 2, f"freedom must be above 2, so that there is a variance, not {self.freedom:g}"),
        ]

    @property
    def keep(self) -> float:
        """What is kept of a value from row to row."""
        return math.exp(-1.0 / self.memory) if self.memory else 0.0

    @property
    def remembered(self) -> int:
        """After how many rows a value no longer counts."""
        return math.ceil(-math.log(FORGOTTEN) * self.memory)

    def numbers(self, factors: Sequence[str]) -> list[float]:
        """Return shape, scale, what is kept, degrees of freedom and what is remembered."""
        shape = {"normal": noise.NORMAL, "uniform": noise.UNIFORM, "heavy": noise.HEAVY}[self.shape]
        return [float(shape), self.scale, self.keep, self.freedom, self.remembered]

    @property
    def variance(self) -> float:
        """The square of the scale."""
        return self.scale**2


@dataclass(frozen=True, slots=True)
class Shared(Part):
    """A share in a factor that other sensors of the asset have, too; the sensor follows it `delay` rows later.

    Factors are best made with a variance of 1, so that `weight` is a standard deviation.
    """

    factor: str
    weight: float
    delay: int = 0
    kind: ClassVar[int] = signals.SHARED

    def demands(self) -> list[tuple[bool, str]]:
        """Return what must hold."""
        return [
            (0 <= self.delay < MARGIN // 4, f"delay must be 0 to {MARGIN // 4:,} rows, not {self.delay:g}"),
        ]

    def numbers(self, factors: Sequence[str]) -> list[float]:
        """Return the factor's number, weight and delay."""
        if self.factor not in factors:
            raise ParameterError(f"Shared: no factor {self.factor!r}{did_you_mean(self.factor, factors)}")
        return [factors.index(self.factor), self.weight, self.delay]

    @property
    def variance(self) -> float:
        """The square of the weight."""
        return self.weight**2


@dataclass(frozen=True, slots=True)
class Regimes(Part):
    """One of `many` levels from 0 to `size`, each as likely; in each stretch of so many `rows` there is one change."""

    size: float
    rows: int
    many: int = 2
    kind: ClassVar[int] = signals.REGIMES

    def demands(self) -> list[tuple[bool, str]]:
        """Return what must hold."""
        return [
            (self.rows >= 1, f"rows must be at least 1, not {self.rows:g}"),
            (self.many >= 2, f"there must be at least 2 regimes, not {self.many:g}"),
        ]

    @property
    def variance(self) -> float:
        """That of a level drawn evenly."""
        return self.size**2 * (self.many + 1) / (self.many - 1) / 12


@dataclass(frozen=True, slots=True)
class Duty(Part):
    """A level of `size` during a `share` of each period, such as a day's hours of work.

    Work begins at `start`, up to `jitter` earlier or later; all three are shares of the period, which is in rows.
    """

    size: float
    period: float
    start: float = 0.3
    share: float = 0.4
    jitter: float = 0.0
    kind: ClassVar[int] = signals.DUTY

    def demands(self) -> list[tuple[bool, str]]:
        """Return what must hold."""
        fits = 0 <= self.start <= 1 and self.jitter >= 0 and self.share + 2 * self.jitter <= 1
        return [
            (self.period >= 2, f"period must be at least 2 rows, not {self.period:g}"),
            (0 < self.share < 1, f"share must be above 0 and below 1, not {self.share:g}"),
            (fits, "start must be from 0 to 1, and share + 2 jitter at most 1, so that no two days overlap"),
        ]

    def numbers(self, factors: Sequence[str]) -> list[float]:
        """Return size, start, share, jitter and period."""
        return [self.size, self.start, self.share, self.jitter, self.period]

    @property
    def variance(self) -> float:
        """That of a level which is there for a share of the time."""
        return self.size**2 * self.share * (1 - self.share)


@dataclass(frozen=True, slots=True)
class Gaps(Part):
    """Missing readings: in each stretch of so many `rows`, with some `probability`, a run of 1 to `longest`."""

    probability: float
    rows: int = 1000
    longest: int = 20
    kind: ClassVar[int] = signals.GAPS

    def demands(self) -> list[tuple[bool, str]]:
        """Return what must hold."""
        fits = 1 <= self.longest <= self.rows
        return [
            (0 <= self.probability <= 1, f"probability must be from 0 to 1, not {self.probability:g}"),
            (fits, f"longest must be from 1 to rows, {self.rows:g}, not {self.longest:g}"),
        ]


PARTS: dict[str, type[Part]] = {
    kind.__name__.lower(): kind for kind in (Level, Trend, Season, Noise, Shared, Regimes, Duty, Gaps)
}
"""All kinds of parts by name."""


def deviation(parts: Sequence[Part]) -> float:
    """Return the standard deviation that a signal has over the rows of one asset, a trend left aside."""
    return math.sqrt(sum(part.variance for part in parts))


def encode(factors: Mapping[str, Sequence[Part]], sensors: Sequence[Sequence[Part]], digits: Sequence[float]) -> Parts:
    """Return signals as the kernel takes them."""
    names = list(factors)
    every = [*factors.values(), *sensors]
    flat = [part for parts in every for part in parts]
    for name, parts in factors.items():
        if any(isinstance(part, Shared | Gaps) for part in parts):
            raise ParameterError(f"factor {name!r} can have neither a share in another nor gaps")
    numbers = np.zeros((len(flat), TAKES))
    for row, part in zip(numbers, flat, strict=True):
        given = part.numbers(names)
        row[: len(given)] = given
    delay = max((part.delay for part in flat if isinstance(part, Shared)), default=0)
    remembered = max((part.remembered for part in flat if isinstance(part, Noise)), default=0)
    block = max(BLOCK // 4, 1 << (4 * remembered).bit_length()) if remembered else BLOCK
    return Parts(
        np.cumsum([0, *map(len, every)]).astype(np.int64),
        np.array([part.kind for part in flat], np.int64),
        numbers,
        np.array(digits, np.float64),
        len(factors),
        block,
        delay,
    )
