"""Make up a long series, take it apart, and find what is strange in it."""

import numpy as np

import tocsin
from tocsin.synth import MadeUp, Sensor
from tocsin.synth.parts import Level, Noise, Season, Trend

parts = (Level(20.0), Trend(1e-4), Season(2.0, period=144), Noise(0.3))
series = MadeUp([Sensor("temperature", parts)], rows=50_000, seed=1).series()
series[[12_345, 40_000]] += np.array([2.5, -3.0])

apart = tocsin.stl(series, period=144)
print(f"the trend rises by {apart.trend[-1] - apart.trend[0]:.1f}, and the season by up to {apart.seasonal.max():.1f}")

found = tocsin.detect(series, threshold=6.0)
print(f"a season of {found.periods[0]} samples was found, and samples that do not fit it:")
for row in found.found.iter_rows(named=True):
    print(
        f"  {row['index']}: {row['value']:.2f} where {row['expected']:.2f} was expected, {row['score']:.0f} scales off"
    )
