"""Made-up fleets with known faults, to try things on and to measure how well faults are found."""

from tocsin.synth.fleet import fleet, split

__all__ = ["fleet", "split"]
