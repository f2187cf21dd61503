"""Find one reading among many, as a person would ask for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from tocsin.errors import ColumnError, ParameterError
from tocsin.panel import Panel
from tocsin.tables.times import restore_times


def position(keys: pa.Array, asset: Any) -> int | None:
    """Return where an asset is among keys; texts that read the same count as equal."""
    if asset is None:
        if len(keys) == 1:
            return 0
        raise ParameterError(f"which asset? say one of {', '.join(map(str, keys.to_pylist()[:5]))}, ...")
    texts = [str(key) for key in keys.to_pylist()]
    return texts.index(str(asset)) if str(asset) in texts else None


def nearest(panel: Panel, at: Any, time_type: pa.DataType | None) -> int:
    """Return the row whose time is nearest to `at`."""
    if panel.times is None or time_type is None:
        raise ColumnError("the fleet has no time column, so there is no reading at a time; leave `at` out")
    try:
        if pa.types.is_timestamp(time_type) or pa.types.is_date(time_type):
            series = pl.Series([at]) if not isinstance(at, str) else pl.Series([at]).str.to_datetime(time_zone="UTC")
            target = series.dt.cast_time_unit("ns").to_physical().item()
        else:
            target = int(float(at))
    except (ValueError, TypeError, pl.exceptions.PolarsError):
        raise ParameterError(f"{at!r} is not a time such as {restore_times(panel.times[:1], time_type)[0]}") from None
    return int(np.argmin(np.abs(panel.times - target)))
