"""Series from whatever holds them: checked once, so that what follows sees only numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError, EmptyDataError
from tocsin.panel import unmasked

LARGEST = 1e300
"""The largest value that can be decomposed: sums of many of them are still finite."""


def as_series(x: ArrayLike | Any, first: int = 0, *, blank: bool = False) -> NDArray[Any]:
    """Return a series of shape (n,) or several of shape (n_series, n) as an array of real numbers.

    Takes arrays, lists and the series of Polars and pandas; NaN is a missing value, and so is a null there and what a
    masked array masks. Single and double precision are left as they are, anything else becomes double. `first` is the
    place of the first value in errors, and `blank` allows series of nothing but missing values.

    Raises
    ------
    DataError
        If there is anything but real, finite numbers up to 1e300, more than two dimensions, or a data frame.
    EmptyDataError
        If there is nothing, or a series of nothing but missing values.
    """
    values = as_numbers(x, "x")
    if values.ndim not in (1, 2):
        raise DataError(f"x must have the shape (n,), or (n_series, n) for several series, not {values.shape}")
    if values.size == 0:
        raise EmptyDataError(f"x of shape {values.shape} is empty; there is nothing to decompose")
    _check_values(values, first, blank=blank)
    return values


def as_numbers(x: ArrayLike | Any, name: str) -> NDArray[Any]:
    """Return real numbers as an array of any shape, of single or double precision; `name` says in errors what they are.

    Raises
    ------
    DataError
        If they are not real numbers, form no array, or are a data frame.
    """
    if hasattr(x, "columns"):
        raise DataError(
            f"{name} is a data frame; give one of its columns, or {name}.to_numpy().T to take each as a series"
        )
    try:
        values = unmasked(x)
    except ValueError:
        raise DataError(f"{name} must be one series, or several of the same length; its rows are not alike") from None
    if values.dtype == object:
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{name} must be real numbers, but some of it is not") from None
    if values.dtype.kind not in "biuf":
        what = "complex" if values.dtype.kind == "c" else f"of type {values.dtype}"
        raise DataError(f"{name} must be real numbers, but it is {what}")
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _check_values(values: NDArray[Any], first: int, *, blank: bool) -> None:
    """Refuse values that are infinite or too large, and series without any value unless they may be blank."""
    rows = np.atleast_2d(values)
    # Of a row with a missing value both are NaN: one quick look at all tells which rows need a closer one.
    highest, lowest = rows.max(axis=1).astype(np.float64), rows.min(axis=1).astype(np.float64)
    for index in np.flatnonzero(~((highest <= LARGEST) & (lowest >= -LARGEST))):
        row = rows[index]
        of = f" of series {index}" if values.ndim == 2 else ""
        infinite = np.isinf(row)
        if infinite.any():
            raise DataError(
                f"value {first + int(infinite.argmax())}{of} is infinite; make it NaN to take it as missing"
            )
        large = np.abs(row.astype(np.float64, copy=False)) > LARGEST
        if large.any():
            place = int(large.argmax())
            raise DataError(
                f"value {first + place}{of} is {row[place]:.3g}, and sums of such values overflow; "
                f"divide the series so that none is above {LARGEST:g}"
            )
        if not blank and np.isnan(row).all():
            raise EmptyDataError(f"all values{of or ' of x'} are missing; there is nothing to decompose")


def sums(series: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sum of each series, which is not finite where any of its values is not: one quick look at all."""
    with np.errstate(over="ignore", invalid="ignore"):
        total: NDArray[np.float64] = series.sum(axis=1, dtype=np.float64)
    return total
