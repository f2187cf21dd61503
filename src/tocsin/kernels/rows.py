"""Move rows of a panel: those that wait for later ones, those that are joined with them, and what is left as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import kernel


@kernel
def shifted(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    skips: NDArray[np.int64],
    back: int,
    targets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Copy the chosen features to the features `targets` of `out`, without the first `skips` rows of each asset.

    With `back` rows in between, each row gets what the feature was so many rows before, at most `skips`.
    """
    for column in range(len(chosen)):
        source, target = values[chosen[column]], out[targets[column]]
        for asset in range(len(offsets) - 1):
            first, to = offsets[asset] + skips[asset] - back, out_offsets[asset]
            for i in range(out_offsets[asset + 1] - to):
                target[to + i] = source[first + i]


@kernel
def joined(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    kept: NDArray[Any],
    kept_offsets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Write for each asset the rows that were kept, a run a chosen feature, and after them its new ones."""
    width = len(chosen)
    for asset in range(len(offsets) - 1):
        start, count = kept_offsets[asset], (kept_offsets[asset + 1] - kept_offsets[asset]) // width
        for column in range(width):
            to = out_offsets[asset]
            for i in range(count):
                out[column, to + i] = kept[start + column * count + i]
            to += count
            for i in range(offsets[asset + 1] - offsets[asset]):
                out[column, to + i] = values[chosen[column], offsets[asset] + i]


@kernel
def latest(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    kept: NDArray[Any],
    kept_offsets: NDArray[np.int64],
) -> None:
    """Write the last rows of each asset, a run a chosen feature, as many as `kept` has room for."""
    width = len(chosen)
    for asset in range(len(offsets) - 1):
        count = (kept_offsets[asset + 1] - kept_offsets[asset]) // width
        for column in range(width):
            to, source = kept_offsets[asset] + column * count, offsets[asset + 1] - count
            for i in range(count):
                kept[to + i] = values[chosen[column], source + i]


@kernel
def differences(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    lag: int,
    targets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Write how far each value is from that of `lag` rows before, for each row that has so many before it."""
    for column in range(len(chosen)):
        source, target = values[chosen[column]], out[targets[column]]
        for asset in range(len(offsets) - 1):
            first, to = offsets[asset], out_offsets[asset]
            for i in range(out_offsets[asset + 1] - to):
                target[to + i] = np.float64(source[first + lag + i]) - np.float64(source[first + i])


@kernel
def normalised(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    length: int,
    targets: NDArray[np.int64],
    out: NDArray[Any],
    out_offsets: NDArray[np.int64],
) -> None:
    """Write the last `length` values at each row, less their mean and by their standard deviation (``ddof=0``).

    Missing values stay so and count in neither; of values that are all equal each is 0. `targets` has the shape
    (n_chosen, length), the oldest value first. Cost: some 4 ns for each value of each window.
    """
    for asset in range(len(offsets) - 1):
        for column in range(len(chosen)):
            source = values[chosen[column], offsets[asset] : offsets[asset + 1]]
            for row in range(out_offsets[asset + 1] - out_offsets[asset]):
                window, to = source[row : row + length], out_offsets[asset] + row
                origin, total, count = 0.0, 0.0, 0
                for i in range(length):
                    if window[i] == window[i]:
                        origin = np.float64(window[i]) if count == 0 else origin
                        total += window[i] - origin
                        count += 1
                mean, squares = origin + total / max(count, 1), 0.0
                for i in range(length):
                    if window[i] == window[i]:
                        squares += (window[i] - mean) * (window[i] - mean)
                scale = np.sqrt(squares / max(count, 1))
                for i in range(length):
                    distance = window[i] - mean
                    out[targets[column, i], to] = distance / scale if scale > 0.0 else distance * 0.0


@kernel
def standardised(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    centers: NDArray[np.float64],
    scales: NDArray[np.float64],
    targets: NDArray[np.int64],
    out: NDArray[Any],
) -> None:
    """Write each value less its asset's centre of that feature, in units of its scale; both (n_assets, n_chosen)."""
    for column in range(len(chosen)):
        source, target = values[chosen[column]], out[targets[column]]
        for asset in range(len(offsets) - 1):
            center, scale = centers[asset, column], scales[asset, column]
            for row in range(offsets[asset], offsets[asset + 1]):
                target[row] = (source[row] - center) / scale


@kernel
def logarithms(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    floors: NDArray[np.float64],
    targets: NDArray[np.int64],
    out: NDArray[Any],
) -> None:
    """Write the logarithm of each value, of its asset's floor of that feature, (n_assets, n_chosen), where it is lower.

    Of a feature without a floor all are missing.
    """
    for column in range(len(chosen)):
        source, target = values[chosen[column]], out[targets[column]]
        for asset in range(len(offsets) - 1):
            floor = floors[asset, column]
            for row in range(offsets[asset], offsets[asset + 1]):
                value = np.float64(source[row])
                value = floor if value <= floor or floor != floor else value
                target[row] = np.log(value)


@kernel
def masked(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    chosen: NDArray[np.int64],
    kept: NDArray[np.uint8],
    targets: NDArray[np.int64],
    out: NDArray[Any],
) -> None:
    """Copy the features that are kept of an asset, shape (n_assets, n_chosen), and write NaN in place of the others."""
    for column in range(len(chosen)):
        source, target = values[chosen[column]], out[targets[column]]
        for asset in range(len(offsets) - 1):
            for row in range(offsets[asset], offsets[asset + 1]):
                target[row] = source[row] if kept[asset, column] else np.nan


@kernel
def runs(
    source: NDArray[Any],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    places: NDArray[np.int64],
    out: NDArray[Any],
) -> None:
    """Copy runs of rows, each from its start to before its stop, to where its place is in `out`."""
    for i in range(len(starts)):
        shift = places[i] - starts[i]
        for row in range(starts[i], stops[i]):
            out[row + shift] = source[row]
