"""Made-up fleets with known faults, of any size, from a seed."""

from tocsin.synth.fleet import fleet, pumps, split
from tocsin.synth.made_up import MadeUp
from tocsin.synth.sensors import Sensor

__all__ = ["MadeUp", "Sensor", "fleet", "pumps", "split"]
