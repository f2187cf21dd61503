"""Find one reading among many, as a person would ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from tocsin.errors import ColumnError, ParameterError, UnknownAssetError, did_you_mean
from tocsin.panel import Panel
from tocsin.tables.times import restore_times


def only_asset(panels: Iterable[Panel], asset: Any) -> Panel:
    """Return the readings of one asset; None is the only one there is, and texts that read the same are equal.

    Raises
    ------
    ParameterError
        If the asset is None and there are several.
    UnknownAssetError
        If there are no readings of it.
    """
    seen: list[str] = []
    found = None
    for panel in panels:
        keys = [str(key) for key in panel.keys.to_pylist()]
        seen += keys
        if asset is None and len(seen) > 1:
            raise ParameterError(f"which asset? say one of {', '.join(seen[:5])}, ...")
        if asset is None:
            found = panel
        elif str(asset) in keys:
            return panel.take_assets(np.array([keys.index(str(asset))]))
    if found is None:
        raise UnknownAssetError(f"no readings of asset {asset!r} in the source{did_you_mean(str(asset), seen)}")
    return found


def nearest(panel: Panel, at: Any, time_type: pa.DataType | None) -> int:
    """Return the row of one asset whose time is nearest to `at`; without a time zone it is in that of the source."""
    if panel.times is None or time_type is None:
        raise ColumnError("the fleet has no time column, so there is no reading at a time; leave `at` out")
    try:
        if pa.types.is_timestamp(time_type) or pa.types.is_date(time_type):
            target = _moment(at, getattr(time_type, "tz", None) or "UTC")
        else:
            target = round(Decimal(str(at)))
    except (ValueError, TypeError, ArithmeticError, pl.exceptions.PolarsError):
        raise ParameterError(f"{at!r} is not a time such as {restore_times(panel.times[:1], time_type)[0]}") from None
    target = min(max(target, int(panel.times[0])), int(panel.times[-1]))
    return int(np.argmin(np.abs(panel.times - target)))


def _moment(at: Any, zone: str) -> int:
    """Return a datetime, a date, or text of either as nanoseconds since 1970 UTC."""
    series = pl.Series([at])
    if series.dtype == pl.String:
        series = series.str.to_datetime()
    if series.dtype == pl.Date:
        series = series.cast(pl.Datetime)
    if not isinstance(series.dtype, pl.Datetime):
        raise TypeError
    if series.dtype.time_zone is None:
        series = series.dt.replace_time_zone(zone, ambiguous="earliest")
    return int(series.dt.cast_time_unit("ns").to_physical().item())
