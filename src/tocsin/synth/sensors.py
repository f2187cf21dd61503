"""The sensors of a made-up pump: what they are called, where they rest, and what moves them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from tocsin.synth.parts import Level, Noise, Part, Season, Shared, deviation


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor's name, the parts that add up to it, and the number of decimals that it tells; None tells all."""

    name: str
    parts: tuple[Part, ...]
    decimals: int | None = None

    @property
    def deviation(self) -> float:
        """The standard deviation over the rows of one asset, a trend left aside."""
        return deviation(self.parts)

    @property
    def level(self) -> float:
        """Where it rests."""
        return sum(part.value for part in self.parts if isinstance(part, Level))

    @property
    def shares(self) -> bool:
        """Whether it follows a factor that others may follow, too."""
        return any(isinstance(part, Shared) for part in self.parts)


class _Pump(NamedTuple):
    """Where a sensor rests, its correlations with the load and with the weather, and the rows it takes to follow."""

    base: float
    spread: float
    load: float
    weather: float
    lag: int = 0


_PUMP = {
    "bearing_temp": _Pump(62.0, 3.5, 0.35, 0.45, lag=6),
    "vibration": _Pump(2.8, 0.35, 0.3, 0.0),
    "motor_current": _Pump(41.0, 3.0, 0.6, 0.0),
    "discharge_pressure": _Pump(6.2, 0.25, 0.4, 0.0),
    "flow": _Pump(118.0, 6.0, 0.6, 0.0),
    "rotor_speed": _Pump(1480.0, 4.0, -0.3, 0.0),
    "oil_temp": _Pump(48.0, 2.5, 0.3, 0.5, lag=9),
    "oil_pressure": _Pump(3.4, 0.12, -0.2, -0.3),
    "winding_temp": _Pump(74.0, 4.5, 0.45, 0.35, lag=4),
    "suction_pressure": _Pump(1.9, 0.1, -0.3, 0.0),
    "supply_voltage": _Pump(398.0, 2.5, -0.1, 0.0),
    "power": _Pump(23.5, 1.8, 0.65, 0.0),
    "gearbox_temp": _Pump(55.0, 3.0, 0.35, 0.4, lag=8),
    "acoustic_level": _Pump(71.0, 1.5, 0.35, 0.0),
    "ambient_temp": _Pump(18.0, 4.0, 0.0, 0.9),
    "humidity": _Pump(55.0, 8.0, 0.0, -0.6),
}


def pump_factors(day: float) -> dict[str, tuple[Part, ...]]:
    """Return the load and the weather, each of variance 1, for a day of so many rows."""
    return {
        "load": (
            Season(math.sqrt(2 * 0.49), day, phase=-0.25, spread=0.25),
            Noise(math.sqrt(0.51), memory=day / 12),
        ),
        "weather": (Season(math.sqrt(2 * 0.36), day, phase=-0.38, spread=0.15), Noise(0.8, memory=day / 4)),
    }


def pump_sensors(count: int) -> list[Sensor]:
    """Return that many sensors of a pump; after the sixteenth they come again as `bearing_temp_2` and so on.

    >>> [sensor.name for sensor in pump_sensors(18)][-3:]
    ['humidity', 'bearing_temp_2', 'vibration_2']
    """
    kinds = [_sensor(name, pump, index) for index, (name, pump) in enumerate(_PUMP.items())]
    chosen = []
    for index in range(count):
        sensor, again = kinds[index % len(kinds)], index // len(kinds)
        chosen.append(replace(sensor, name=f"{sensor.name}_{again + 1}") if again else sensor)
    return chosen


def _sensor(name: str, pump: _Pump, index: int) -> Sensor:
    own = math.sqrt(1.0 - pump.load**2 - pump.weather**2)
    shares = {"load": pump.load, "weather": pump.weather}
    parts = (
        Level(pump.base, 1.5 * pump.spread),
        *(Shared(factor, share * pump.spread, pump.lag) for factor, share in shares.items() if share),
        Noise(own * pump.spread, memory=1.0 + index % 4),
    )
    return Sensor(name, parts, decimals=2 - math.floor(math.log10(pump.spread)))
