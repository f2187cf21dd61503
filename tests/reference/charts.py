"""Control charts, a reading at a time, as the formulas read."""

from __future__ import annotations

import numpy as np

BOUND = 3.0


class Location:
    """Mean and standard deviation of training, which later readings move by their share."""

    def __init__(self, train, least=0.0):
        x = train[~np.isnan(train)]
        self.seen, self.mean, self.scale, self.least = len(x), x.mean(), x.std(), least
        bounded = np.clip((x - self.mean) / self.scale, -BOUND, BOUND)
        self.lean, self.share = bounded.mean(), (bounded**2).mean()

    def distance(self, x):
        return (x - self.mean) / self.scale

    def learn(self, x):
        self.seen += 1
        share = max(1 / self.seen, self.least)
        bounded = np.clip(self.distance(x), -BOUND, BOUND)
        self.mean += share * self.scale * (bounded - self.lean)
        self.scale *= np.sqrt(1 + share * (bounded**2 / self.share - 1))


def ewma(train, x, gain, *, least=0.0, learns=True):
    """Return what the chart says of x, after it was learned from `train` and went over it first if `learns`."""
    at = Location(train, least)
    variance = lambda t: gain / (2 - gain) * (1 - (1 - gain) ** (2 * t))  # noqa: E731
    z, squares = 0.0, []
    for t, reading in enumerate(train[~np.isnan(train)], 1):
        z = gain * at.distance(reading) + (1 - gain) * z
        squares.append(z * z / variance(t))
    inflation = max(np.mean(squares), 1.0)
    z, t, said = 0.0, 0, []
    for follows, part in ((False, train), (True, x)) if learns else ((False, train),):
        for reading in part:
            said.append(0.0)
            if np.isnan(reading):
                continue
            t += 1
            unit = np.sqrt(variance(t) * inflation)
            z = gain * at.distance(reading) + (1 - gain) * z
            said[-1] = abs(z) / unit
            z = np.clip(z, -10 * unit, 10 * unit)
            if follows:
                at.learn(reading)
    return np.array(said[len(train) :] if learns else said)


def cusum(train, x, allowance, contamination):
    """Return what the chart says of x after training, and the decision interval."""
    at, interval = Location(train), np.inf
    present = train[~np.isnan(train)]

    def run(readings, sums, learns):
        larger = []
        for reading in readings:
            if np.isnan(reading):
                larger.append(0.0)
                continue
            ups = [max(0.0, s + sign * at.distance(reading) - allowance) for s, sign in zip(sums, (1, -1), strict=True)]
            larger.append(max(ups))
            sums[:] = [min(up, 2 * interval) for up in ups]
            if learns:
                at.learn(reading)
        return np.array(larger)

    for _ in range(4):
        ordered, before = np.sort(run(present, [0.0, 0.0], False)), interval
        interval = max(ordered[min(int((1 - contamination) * len(ordered)), len(ordered) - 1)], 1.0)
        if interval > 0.99 * before:
            break
    sums = [0.0, 0.0]
    run(present, sums, False)
    return run(x, sums, True) / interval, interval


def seasonal_naive(train, x, period):
    """Return what the forecast says of x after training, no reading of either missing."""
    sizes = np.abs(train[period:] - train[:-period])
    scale, seen = 1.482602218505602 * np.median(sizes), len(sizes)
    share = np.minimum(sizes / scale, BOUND).mean()
    said = []
    for reading, before in zip(x, np.concatenate([train, x])[len(train) - period :], strict=False):
        said.append(abs(reading - before) / scale)
        seen += 1
        scale *= 1 + (min(said[-1], BOUND) / share - 1) / seen
    return np.array(said)
