"""Statistics of each sensor over its current minute, hour and day, learned row by row in memory that does not grow.

A minute's values go one by one into moments (Welford, doi:10.1080/00401706.1962.10490022) and a small buffer, which is
sorted into a digest when it is full. When a newer minute begins, the old one is merged into its hour, and an hour into
its day. So an operation is done when a row comes and not when a batch does, and any cutting gives the same bits.

A digest is a list of clusters, ascending, each a mean and a weight. Neighbours become one while their weight together,
as a share of all, is at most ``REACH * sqrt(q * (1 - q))``, `q` being the share before their middle: a merging t-digest
(Dunning and Ertl, arXiv:1902.04023, section 3) with a bound that needs no sine. A cluster thus holds at most 5 % of the
rows at the median, 2.2 % at the 5th percentile, and a quantile lies inside or beside the cluster that it should. In
single precision that is under 400 bytes a sensor, wherever its values lie and however far outliers do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel

MINUTE = 60_000_000_000
"""How many nanoseconds a minute has."""
LEVELS = 3
"""Minute, hour, day."""
CLUSTERS, BUFFER, EXACT = 56, 32, 32
"""How many clusters a digest may have, how many values wait for it, and up to how many it keeps each as it is."""
REACH = (0.15, 0.1, 0.1)
"""How far clusters of a minute, an hour and a day reach; a minute's are written most often."""
LARGEST = 3.4028234e38
SHARES = (0.05, 0.5, 0.95)
FIGURES = 8
"""Of a summary: count, mean, standard deviation, least, greatest, and the three quantiles."""


class Rolling(NamedTuple):
    """The windows of many assets: `A` assets, `C` channels, levels minute, hour and day.

    An hour's figures are without those of its current minute, a day's without those of its current hour. The level that
    has ended last keeps its summary.

    Parameters
    ----------
    minutes : ndarray of shape (A,), int64
        Which minute since 1970 is current; it has a row if the asset has any.
    rows : ndarray of shape (A, 3, 2), int64
        How many rows and alerts each window has.
    moments : ndarray of shape (A, 3, C, 5), float64
        Count, mean, sum of squared deviations, least, greatest.
    sizes, means, weights : ndarray of shapes (A, 3, C), (A, 3, C, CLUSTERS) twice; int32, float32, uint32
        The digests.
    fills, buffers : ndarray of shapes (A, C), (A, C, BUFFER); int32, float32
        Values of the current minute that are not in its digest yet.
    lasts : ndarray of shape (A, 3, 3), int64
        The number of each last full window, its rows and alerts.
    summaries : ndarray of shape (A, 3, C, 8), float64
        What is known of each last full window.
    """

    minutes: NDArray[np.int64]
    rows: NDArray[np.int64]
    moments: NDArray[np.float64]
    sizes: NDArray[np.int32]
    means: NDArray[np.float32]
    weights: NDArray[np.uint32]
    fills: NDArray[np.int32]
    buffers: NDArray[np.float32]
    lasts: NDArray[np.int64]
    summaries: NDArray[np.float64]


class Ended(NamedTuple):
    """Windows that have ended: whose, of which level, which one, rows and alerts, and a summary of each channel."""

    assets: NDArray[np.int64]
    levels: NDArray[np.int64]
    windows: NDArray[np.int64]
    rows: NDArray[np.int64]
    summaries: NDArray[np.float64]


class Scratch(NamedTuple):
    """Where two digests are merged."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    ones: NDArray[np.uint32]


@kernel
def scratch() -> Scratch:
    """Return room for a merge."""
    return Scratch(np.empty(2 * CLUSTERS), np.empty(2 * CLUSTERS), np.ones(BUFFER, np.uint32))


@kernel
def _thin(values: Any, weights: Any, count: int, reach: float, means: Any, sizes: Any) -> int:
    """Write `count` ascending weighted values as clusters; return how many."""
    if count <= EXACT:
        for i in range(count):
            means[i] = np.float32(values[i])
            sizes[i] = np.uint32(weights[i])
        return count
    total = 0.0
    for i in range(count):
        total += weights[i]
    kept, before, bound = 0, 0.0, reach * reach
    weight = weights[0]
    summed = values[0] * weight
    for i in range(1, count):
        together = weight + weights[i]
        middle = before + 0.5 * together
        if together * together <= bound * middle * (total - middle) or kept == CLUSTERS - 1:
            summed += values[i] * weights[i]
            weight = together
            continue
        means[kept] = np.float32(summed / weight)
        sizes[kept] = np.uint32(weight)
        kept += 1
        before += weight
        weight = weights[i]
        summed = values[i] * weight
    means[kept] = np.float32(summed / weight)
    sizes[kept] = np.uint32(weight)
    return kept + 1


@kernel
def _merge(
    means: Any,
    weights: Any,
    size: int,
    other: Any,
    other_weights: Any,
    other_size: int,
    level: int,
    scratch: Scratch,
) -> int:
    """Merge ascending weighted values into a digest, in place; return its new size."""
    i, j = 0, 0
    for k in range(size + other_size):
        if j == other_size or (i < size and means[i] <= other[j]):
            scratch.values[k] = means[i]
            scratch.weights[k] = weights[i]
            i += 1
        else:
            scratch.values[k] = other[j]
            scratch.weights[k] = other_weights[j]
            j += 1
    return _thin(scratch.values, scratch.weights, size + other_size, REACH[level], means, weights)


@kernel
def _flush(rolling: Rolling, asset: int, channel: int, scratch: Scratch) -> None:
    """Sort the buffer of a channel into the digest of its minute."""
    buffer, fill = rolling.buffers[asset, channel], rolling.fills[asset, channel]
    for i in range(1, fill):
        value, j = buffer[i], i
        while j > 0 and buffer[j - 1] > value:
            buffer[j] = buffer[j - 1]
            j -= 1
        buffer[j] = value
    means, weights = rolling.means[asset, 0, channel], rolling.weights[asset, 0, channel]
    size = rolling.sizes[asset, 0, channel]
    rolling.sizes[asset, 0, channel] = _merge(means, weights, size, buffer, scratch.ones, fill, 0, scratch)
    rolling.fills[asset, channel] = 0


@kernel
def _learn(rolling: Rolling, asset: int, channel: int, values: Any, scratch: Scratch) -> None:
    """Add values to the current minute of a channel, one after the other; what is not finite is missing."""
    moments, buffer = rolling.moments[asset, 0, channel], rolling.buffers[asset, channel]
    count, mean, squares, least, greatest = moments[0], moments[1], moments[2], moments[3], moments[4]
    for row in range(len(values)):
        x = float(values[row])
        if x - x != 0.0:
            continue
        count += 1.0
        delta = x - mean
        mean += delta / count
        squares += delta * (x - mean)
        least = x if count == 1.0 else min(least, x)
        greatest = x if count == 1.0 else max(greatest, x)
        fill = rolling.fills[asset, channel]
        buffer[fill] = np.float32(min(max(x, -LARGEST), LARGEST))
        rolling.fills[asset, channel] = fill + 1
        if fill + 1 == BUFFER:
            _flush(rolling, asset, channel, scratch)
    moments[0], moments[1], moments[2], moments[3], moments[4] = count, mean, squares, least, greatest


@kernel
def _quantile(means: Any, weights: Any, size: int, moments: Any, share: float) -> float:
    """Return a quantile by lines between the middles of clusters, NumPy's linear one where each is a single value."""
    target = share * (moments[0] - 1.0)
    before, rank, value = 0.0, 0.0, moments[3]
    for i in range(size):
        middle, x = before + 0.5 * (weights[i] - 1.0), min(max(float(means[i]), moments[3]), moments[4])
        if middle >= target:
            return x if middle == rank else value + (x - value) * ((target - rank) / (middle - rank))
        before += weights[i]
        rank, value = middle, x
    last = moments[0] - 1.0
    return moments[4] if last <= rank else value + (moments[4] - value) * ((target - rank) / (last - rank))


@kernel
def _summarise(rolling: Rolling, asset: int, level: int, out: Any) -> None:
    """Write the figures of each channel of a window, NaN where there are none."""
    for channel in range(out.shape[0]):
        moments, figures = rolling.moments[asset, level, channel], out[channel]
        figures[:] = np.nan
        figures[0] = moments[0]
        if moments[0] == 0.0:
            continue
        figures[1] = moments[1]
        if moments[0] > 1.0:
            figures[2] = np.sqrt(moments[2] / (moments[0] - 1.0))
        figures[3], figures[4] = moments[3], moments[4]
        means, weights = rolling.means[asset, level, channel], rolling.weights[asset, level, channel]
        for which in range(len(SHARES)):
            size = rolling.sizes[asset, level, channel]
            figures[5 + which] = _quantile(means, weights, size, moments, SHARES[which])


@kernel
def _fold(rolling: Rolling, asset: int, level: int, scratch: Scratch) -> None:
    """Empty a window into the next longer one."""
    above = level + 1
    for channel in range(rolling.moments.shape[2]):
        if above < LEVELS:
            one, other = rolling.moments[asset, level, channel], rolling.moments[asset, above, channel]
            total = one[0] + other[0]
            if one[0] > 0.0:
                delta = one[1] - other[1]
                first = other[0] == 0.0
                other[2] += one[2] + delta * delta * (other[0] * one[0] / total)
                other[1] = one[1] if first else other[1] + delta * (one[0] / total)
                other[3] = one[3] if first else min(other[3], one[3])
                other[4] = one[4] if first else max(other[4], one[4])
                other[0] = total
            rolling.sizes[asset, above, channel] = _merge(
                rolling.means[asset, above, channel], rolling.weights[asset, above, channel],
                rolling.sizes[asset, above, channel], rolling.means[asset, level, channel],
                rolling.weights[asset, level, channel], rolling.sizes[asset, level, channel], above, scratch,
            )  # fmt: skip
        rolling.moments[asset, level, channel] = 0.0
        rolling.sizes[asset, level, channel] = 0
    for which in range(2):
        if above < LEVELS:
            rolling.rows[asset, above, which] += rolling.rows[asset, level, which]
        rolling.rows[asset, level, which] = 0


@kernel
def _window(minute: int, level: int) -> int:
    """Return the number of the window of a level that a minute lies in."""
    return minute if level == 0 else minute // 60 if level == 1 else minute // 1440


@kernel
def _end(rolling: Rolling, asset: int, minute: int, ended: Ended, count: int, scratch: Scratch) -> int:
    """End all windows of an asset that do not reach `minute`; return how many have ended so far."""
    for level in range(LEVELS):
        window = _window(rolling.minutes[asset], level)
        if window == _window(minute, level):
            break
        if level == 0:
            for channel in range(rolling.fills.shape[1]):
                _flush(rolling, asset, channel, scratch)
        _summarise(rolling, asset, level, ended.summaries[count])
        ended.assets[count], ended.levels[count], ended.windows[count] = asset, level, window
        ended.rows[count] = rolling.rows[asset, level]
        rolling.lasts[asset, level, 0] = window
        rolling.lasts[asset, level, 1:] = ended.rows[count]
        rolling.summaries[asset, level] = ended.summaries[count]
        _fold(rolling, asset, level, scratch)
        count += 1
    return count


@kernel
def endings(rolling: Rolling, assets: NDArray[np.int64], offsets: NDArray[np.int64], times: NDArray[np.int64]) -> int:
    """Return how many windows the rows will end."""
    count = 0
    for i in range(len(assets)):
        asset = assets[i]
        current, known = rolling.minutes[asset], rolling.rows[asset, 0, 0] > 0
        for row in range(offsets[i], offsets[i + 1]):
            minute = times[row] // MINUTE
            if known and minute > current:
                for level in range(LEVELS):
                    if _window(current, level) == _window(minute, level):
                        break
                    count += 1
            current = minute if not known else max(current, minute)
            known = True
    return count


@kernel
def learn(
    rolling: Rolling,
    assets: NDArray[np.int64],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    scores: NDArray[np.float64],
    alerts: NDArray[np.bool_],
    values: NDArray[Any],
    ended: Ended,
) -> int:
    """Add rows to the windows of their assets; return how many windows have ended, which are written to `ended`.

    Channel 0 is the score, the others are the rows of `values`, shape (C - 1, n_rows). A row older than its asset's
    current minute is counted in that.
    """
    count, room = 0, scratch()
    for i in range(len(assets)):
        asset, row, last = assets[i], offsets[i], offsets[i + 1]
        while row < last:
            minute = times[row] // MINUTE
            if rolling.rows[asset, 0, 0] == 0:
                rolling.minutes[asset] = minute
            elif minute > rolling.minutes[asset]:
                count = _end(rolling, asset, minute, ended, count, room)
                rolling.minutes[asset] = minute
            stop = row + 1
            while stop < last and times[stop] // MINUTE <= rolling.minutes[asset]:
                stop += 1
            rolling.rows[asset, 0, 0] += stop - row
            for which in range(row, stop):
                rolling.rows[asset, 0, 1] += alerts[which]
            _learn(rolling, asset, 0, scores[row:stop], room)
            for channel in range(values.shape[0]):
                _learn(rolling, asset, channel + 1, values[channel, row:stop], room)
            row = stop
    return count


@kernel
def current(rolling: Rolling, asset: int, rows: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Write rows and alerts, shape (3, 2), and figures, shape (3, C, 8), of an asset's windows as they are now.

    The windows are folded on the way, so `rolling` must be a copy.
    """
    room = scratch()
    for channel in range(rolling.fills.shape[1]):
        _flush(rolling, asset, channel, room)
    for level in range(LEVELS):
        rows[level] = rolling.rows[asset, level]
        _summarise(rolling, asset, level, out[level])
        _fold(rolling, asset, level, room)


@kernel
def tail_sizes(rolling: Rolling, assets: NDArray[np.int64], level: int, out: NDArray[np.int64]) -> None:
    """Write how many bytes the digests of a level take, those of a minute with what waits for them."""
    for i in range(len(assets)):
        size = 0
        for channel in range(rolling.fills.shape[1]):
            size += 8 * rolling.sizes[assets[i], level, channel]
            size += 4 * rolling.fills[assets[i], channel] if level == 0 else 0
        out[i] = size


@kernel
def _copy(source: Any, start: int, out: Any, at: int, count: int) -> int:
    for i in range(count):
        out[at + i] = source[start + i]
    return count


@kernel
def write_records(
    rolling: Rolling,
    assets: NDArray[np.int64],
    level: int,
    fixed: NDArray[np.uint32],
    words: NDArray[np.uint32],
    places: NDArray[np.int64],
) -> None:
    """Write what is fixed of each asset, shape (n, any), to `words` from its place on, and its digests after it.

    Of each channel come the means and the weights; of a minute then what waits, channel by channel.
    """
    for i in range(len(assets)):
        asset, at = assets[i], places[i]
        at += _copy(fixed[i], 0, words, at, fixed.shape[1])
        for channel in range(rolling.fills.shape[1]):
            size = rolling.sizes[asset, level, channel]
            at += _copy(rolling.means[asset, level, channel].view(np.uint32), 0, words, at, size)
            at += _copy(rolling.weights[asset, level, channel], 0, words, at, size)
        for channel in range(rolling.fills.shape[1] if level == 0 else 0):
            waiting = rolling.buffers[asset, channel].view(np.uint32)
            at += _copy(waiting, 0, words, at, rolling.fills[asset, channel])


@kernel
def read_digests(
    rolling: Rolling, assets: NDArray[np.int64], level: int, words: NDArray[np.uint32], places: NDArray[np.int64]
) -> None:
    """Read what `write_records` has written after what is fixed, whose sizes are known by then."""
    for i in range(len(assets)):
        asset, at = assets[i], places[i]
        for channel in range(rolling.fills.shape[1]):
            size = rolling.sizes[asset, level, channel]
            at += _copy(words, at, rolling.means[asset, level, channel].view(np.uint32), 0, size)
            at += _copy(words, at, rolling.weights[asset, level, channel], 0, size)
        for channel in range(rolling.fills.shape[1] if level == 0 else 0):
            waiting = rolling.buffers[asset, channel].view(np.uint32)
            at += _copy(words, at, waiting, 0, rolling.fills[asset, channel])
