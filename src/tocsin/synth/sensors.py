"""What the sensors of a made-up pump are called, where they rest, and what moves them."""

from __future__ import annotations

from typing import NamedTuple


class Sensor(NamedTuple):
    """A sensor that follows its asset's load and the weather, and has a life of its own.

    Parameters
    ----------
    name : str
        What its column is called.
    base, spread : float
        Where it rests, and its standard deviation, in its own unit.
    load, weather : float
        Its correlation with the load and with the weather; their squares sum to at most 1.
    lag : int
        How many rows it takes to follow, as temperatures do.
    """

    name: str
    base: float
    spread: float
    load: float
    weather: float
    lag: int = 0


SENSORS = (
    Sensor("bearing_temp", 62.0, 3.5, 0.35, 0.45, lag=6),
    Sensor("vibration", 2.8, 0.35, 0.3, 0.0),
    Sensor("motor_current", 41.0, 3.0, 0.6, 0.0),
    Sensor("discharge_pressure", 6.2, 0.25, 0.4, 0.0),
    Sensor("flow", 118.0, 6.0, 0.6, 0.0),
    Sensor("rotor_speed", 1480.0, 4.0, -0.3, 0.0),
    Sensor("oil_temp", 48.0, 2.5, 0.3, 0.5, lag=9),
    Sensor("oil_pressure", 3.4, 0.12, -0.2, -0.3),
    Sensor("winding_temp", 74.0, 4.5, 0.45, 0.35, lag=4),
    Sensor("suction_pressure", 1.9, 0.1, -0.3, 0.0),
    Sensor("supply_voltage", 398.0, 2.5, -0.1, 0.0),
    Sensor("power", 23.5, 1.8, 0.65, 0.0),
    Sensor("gearbox_temp", 55.0, 3.0, 0.35, 0.4, lag=8),
    Sensor("acoustic_level", 71.0, 1.5, 0.35, 0.0),
    Sensor("ambient_temp", 18.0, 4.0, 0.0, 0.9),
    Sensor("humidity", 55.0, 8.0, 0.0, -0.6),
)


def sensors(count: int) -> list[Sensor]:
    """Return that many sensors; after the sixteenth they come again as `bearing_temp_2` and so on.

    >>> [sensor.name for sensor in sensors(18)][-3:]
    ['humidity', 'bearing_temp_2', 'vibration_2']
    """
    chosen = []
    for index in range(count):
        sensor, again = SENSORS[index % len(SENSORS)], index // len(SENSORS)
        chosen.append(sensor._replace(name=f"{sensor.name}_{again + 1}") if again else sensor)
    return chosen
