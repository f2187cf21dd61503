"""The shapes that pass between rooms: readings in, scores and contributions out.

Everything in Tocsin is a function of a panel, so that one kernel serves one asset and ten thousand alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from tocsin.errors import DataError, EmptyDataError


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Readings of one or more assets, grouped by asset, times ascending inside each.

    Parameters
    ----------
    values : ndarray of shape (n_features, n_rows), float32 or float64
        Feature-major and C-contiguous: one feature of one asset is one run of memory. NaN is a missing value.
    offsets : ndarray of shape (n_assets + 1,), int64
        Asset ``i`` has the rows ``offsets[i]:offsets[i + 1]``.
    keys : pyarrow.Array of length n_assets
        What each asset is called.
    features : tuple of str
        What each feature is called.
    times : ndarray of shape (n_rows,), int64, optional
        When each row was read: nanoseconds since 1970 UTC, or any ascending integer.
    labels : ndarray of shape (n_rows,), int8, optional
        What is known of each row: 1 anomalous, 0 normal, -1 not known.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    keys: pa.Array
    features: tuple[str, ...]
    times: NDArray[np.int64] | None = None
    labels: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        """Hold the buffers to the contract; the cost does not depend on the number of rows."""
        values, offsets = self.values, self.offsets
        if values.ndim != 2 or values.dtype not in (np.float32, np.float64) or not values.flags.c_contiguous:
            raise DataError("panel values must be C-contiguous float32 or float64 of shape (n_features, n_rows)")
        if offsets.dtype != np.int64 or len(offsets) != len(self.keys) + 1:
            raise DataError("panel offsets must be int64, one more than there are keys")
        if offsets[0] != 0 or offsets[-1] != values.shape[1] or bool((np.diff(offsets) < 0).any()):
            raise DataError("panel offsets must rise from 0 to the number of rows")
        if len(self.features) != values.shape[0]:
            raise DataError(f"panel has {values.shape[0]} features but {len(self.features)} feature names")
        if self.times is not None and (self.times.dtype != np.int64 or self.times.shape != values.shape[1:]):
            raise DataError("panel times must be int64, one a row")
        if self.labels is not None and (self.labels.dtype != np.int8 or self.labels.shape != values.shape[1:]):
            raise DataError("panel labels must be int8, one a row")

    @classmethod
    def of_matrix(
        cls,
        X: ArrayLike,
        features: Sequence[str] | None = None,
        key: Any = "",
        *,
        infinite: Literal["error", "missing"] = "error",
        y: ArrayLike | None = None,
    ) -> Self:
        """Make a panel of one asset from a row-major matrix of shape (n_rows, n_features), and labels `y` of its rows.

        Masked values are missing. Infinite values are refused, or on request taken as missing: no reading is infinite.
        """
        matrix = unmasked(X)
        if matrix.dtype == object or matrix.dtype.kind in "USV":
            try:
                matrix = matrix.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise DataError(f"X must be numeric: {error}") from None
        if matrix.dtype.kind == "c":
            raise DataError("X must be real: complex data not supported")
        if matrix.ndim != 2:
            hint = "; reshape one feature with X.reshape(-1, 1)" if matrix.ndim == 1 else ""
            raise DataError(f"X must have 2 dimensions (rows, features), not {matrix.ndim}{hint}")
        rows, width = matrix.shape
        if rows == 0 or width == 0:
            raise EmptyDataError(f"X has {rows} rows and {width} features; at least one of each is needed")
        dtype = np.float32 if matrix.dtype == np.float32 else np.float64
        values = np.ascontiguousarray(matrix.T, dtype=dtype)
        if not values.flags.writeable:  # pandas lends its own so, and all kernels would be compiled once more for it
            values = values.copy()
        if np.isinf(values).any():
            if infinite == "error":
                raise DataError("X has infinite values; infinite='missing' takes them as missing")
            values = np.where(np.isinf(values), dtype(np.nan), values)
        names = tuple(features) if features is not None else tuple(f"x{i}" for i in range(width))
        labels = None if y is None else labels_of(y, rows)
        return cls(values, np.array([0, rows], np.int64), pa.array([key]), names, labels=labels)

    @property
    def n_features(self) -> int:
        """How many features a row has."""
        return int(self.values.shape[0])

    @property
    def n_rows(self) -> int:
        """How many rows all assets have together."""
        return int(self.values.shape[1])

    @property
    def n_assets(self) -> int:
        """How many assets there are."""
        return len(self.keys)

    @property
    def missing(self) -> int:
        """How many values are NaN; costs one look at each."""
        return sum(int(np.count_nonzero(np.isnan(feature))) for feature in self.values)

    @property
    def asset_of_row(self) -> NDArray[np.int64]:
        """The index of each row's asset, shape (n_rows,)."""
        return np.repeat(np.arange(self.n_assets, dtype=np.int64), np.diff(self.offsets))

    def astype(self, dtype: Any) -> Panel:
        """Return the panel in single or double precision, itself where it is so already."""
        return self if self.values.dtype == dtype else replace(self, values=self.values.astype(dtype))

    def take_rows(self, rows: NDArray[np.int64]) -> Panel:
        """Return a panel of the given ascending rows; assets left without any stay, with none."""
        offsets = np.searchsorted(rows, self.offsets).astype(np.int64)
        return self._picked(rows, offsets, self.keys)

    def take_assets(self, assets: NDArray[np.int64]) -> Panel:
        """Return a panel of the given assets, in that order."""
        counts = np.diff(self.offsets)[assets]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        starts = np.repeat(self.offsets[assets] - offsets[:-1], counts)
        rows = starts + np.arange(offsets[-1])
        return self._picked(rows, offsets, self.keys.take(pa.array(assets)))

    def _picked(self, rows: NDArray[np.int64], offsets: NDArray[np.int64], keys: pa.Array) -> Panel:
        times = None if self.times is None else self.times[rows]
        labels = None if self.labels is None else self.labels[rows]
        values = np.ascontiguousarray(self.values[:, rows])
        return Panel(values, offsets, keys, self.features, times, labels)


def unmasked(values: ArrayLike) -> NDArray[Any]:
    """Return an array whose masked numbers are NaN, as missing ones are everywhere here.

    >>> unmasked(np.ma.array([1, 2], mask=[False, True])).tolist()
    [1.0, nan]
    """
    if np.ma.isMaskedArray(values) and values.dtype.kind in "fiub":
        return np.ma.filled(values.astype(np.float32 if values.dtype == np.float32 else np.float64), np.nan)
    return np.asarray(values)


def labels_of(y: ArrayLike, n_rows: int) -> NDArray[np.int8]:
    """Return labels as a panel holds them: 1 anomalous, 0 normal, -1 for what is missing.

    >>> labels_of([0, 1, np.nan], 3).tolist()
    [0, 1, -1]

    Raises
    ------
    DataError
        If there is not one a row, or one is neither 0 nor 1 nor missing.
    """
    given = unmasked(y)
    try:
        numbers = given.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError("labels must be 0 (normal) or 1 (anomalous), not text") from None
    if numbers.shape != (n_rows,):
        raise DataError(f"{n_rows} rows need as many labels, not an array of shape {numbers.shape}")
    unknown = np.isnan(numbers)
    odd = ~unknown & (numbers != 0.0) & (numbers != 1.0)
    if odd.any():
        raise DataError(f"labels must be 0 (normal) or 1 (anomalous), not {numbers[odd][0]:g}")
    return np.where(unknown, -1.0, numbers).astype(np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One number a row of a panel, higher is more anomalous, and how rare so high a number is.

    Parameters
    ----------
    score : ndarray of shape (n_rows,), float64
        The detector's score.
    p_value : ndarray of shape (n_rows,), float64
        The share of the asset's own training scores that are at least as high, the row itself counted once, in (0, 1].
    alert : ndarray of shape (n_rows,), bool
        Whether the score passes the model's threshold.
    """

    score: NDArray[np.float64]
    p_value: NDArray[np.float64]
    alert: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """The features that weigh most in each row's score, heaviest first.

    Parameters
    ----------
    feature : ndarray of shape (n_rows, top), int32
        Index of the feature; -1 where a row has fewer than `top` features with a part in its score.
    contribution : ndarray of shape (n_rows, top), float64
        What it adds to the score. For an additive detector all that a row's features add sum to its score.
    part : ndarray of shape (n_rows, top), int8, optional
        Where a detector looks at several parts of a feature, such as its trend and its season: the index of the part
        in `Detector.parts`; -1 where `feature` is.
    """

    feature: NDArray[np.int32]
    contribution: NDArray[np.float64]
    part: NDArray[np.int8] | None = None

    def of_rows(self, rows: NDArray[np.int64]) -> Contributions:
        """Return the contributions to some rows."""
        part = None if self.part is None else self.part[rows]
        return Contributions(self.feature[rows], self.contribution[rows], part)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What stands behind contributions; every array has their shape, (n_rows, top).

    Parameters
    ----------
    low, high : ndarray, float64
        The normal range: the asset's own 5th and 95th percentile in training.
    above : ndarray, bool
        Whether the value is unusual for being high; otherwise it is low.
    tail : ndarray, float64
        The probability of a value at least as extreme, on that side.
    limit : ndarray, float64
        The nearest value with which the row would not have been an alert; NaN where no value of this feature alone
        would have sufficed.
    change : ndarray, float64, optional
        Of a detector with parts: how far the named part of the feature is from what is usual of it.
    cycle : ndarray of shape (n_rows, top, 2), int64, optional
        Of a detector with parts: how many readings the feature's cycle has and how many nanoseconds it takes; 0 where
        there is no cycle, or the readings have no times.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    above: NDArray[np.bool_]
    tail: NDArray[np.float64]
    limit: NDArray[np.float64]
    change: NDArray[np.float64] | None = None
    cycle: NDArray[np.int64] | None = None

    def of_rows(self, rows: NDArray[np.int64]) -> Evidence:
        """Return what stands behind some rows' contributions."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(self, **{name: array[rows] for name, array in arrays.items() if array is not None})
