"""What trend and seasons leave of one long series, decomposed in chunks with as much around them as is felt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import EmptyDataError, ParameterError, did_you_mean
from tocsin.fleet.passes import CHUNK, Passes
from tocsin.tables.drafts import Draft
from tocsin.tables.results import ResultWriter
from tocsin.tables.series import Series, of_draft

if TYPE_CHECKING:
    from tocsin.features.multispans import SpanMSTL
    from tocsin.features.spans import SpanSTL

LOOKED_AT = 1 << 20
"""Samples, from the first on, in which a period is looked for."""
MOST_SEASONS = 2
"""How many periods are looked for at most."""
MOST = 1 << 21
"""Samples in the longest chunk that is decomposed at once."""

_INSTEAD = "say period=N, samples in a season, or take method='mad' or 'zscore', which need none"


class Seasons(NamedTuple):
    """The periods of a series, and how they came to be known."""

    periods: tuple[int, ...]
    found: bool
    remark: str | None


def seasons(series: Series, period: int | Sequence[int] | None, *, several: bool) -> Seasons:
    """Return the periods that were given, or else those that are found at the beginning of the series."""
    if period is not None:
        from tocsin.features.settings import check_whole

        given: list[Any] = list(period) if isinstance(period, list | tuple | range | np.ndarray) else [period]
        if not given or (len(given) > 1 and not several):
            raise ParameterError(f"method 'stl' takes one period, not {len(given)}; take method='mstl' for several")
        for each in given:
            check_whole("period", each, 2)
        return Seasons(tuple(sorted(map(int, given))), found=False, remark=None)
    from tocsin.features.periods import find_period

    begin = _first_present(series)
    length = min(len(series) - begin, LOOKED_AT)
    values = series.read(begin, begin + length)
    if np.nanmin(values) == np.nanmax(values):
        raise ParameterError(f"no period was found: {series.name} is constant at {values[0]:.6g}; {_INSTEAD}")
    try:
        periods = _several(values, find_period) if several else (find_period(values),)
    except ParameterError:
        raise ParameterError(f"no period was found in {length:,} samples; {_INSTEAD}") from None
    where = f"{length:,} samples from index {begin:,} on" if begin else f"first {length:,} samples"
    remark = f"the period was looked for in the {where}" if length < len(series) else None
    return Seasons(periods, found=True, remark=remark)


def _first_present(series: Series) -> int:
    """Return the index of the first sample of a series that is not missing."""
    for start in range(0, len(series), LOOKED_AT):
        present = ~np.isnan(series.read(start, min(start + LOOKED_AT, len(series))))
        if present.any():
            return start + int(present.argmax())
    raise EmptyDataError(f"all {len(series):,} samples of {series.name} are missing (NaN)")


def _several(x: NDArray[Any], find_period: Callable[[Any], int]) -> tuple[int, ...]:
    """Return the period of a series, then of what that season leaves, and so on until there is none."""
    from tocsin.features.decomposition import stl

    periods = [find_period(x)]
    rest = x.astype(np.float64)
    while len(periods) < MOST_SEASONS:
        rest = rest - stl(rest, periods[-1]).seasonal
        try:
            another = find_period(rest)
        except ParameterError:
            break
        if another in periods or 2 * another >= len(x):
            break
        periods.append(another)
    return tuple(sorted(periods))


def spans_of(length: int, method: str, periods: tuple[int, ...], parameters: dict[str, Any]) -> SpanSTL | SpanMSTL:
    """Return what decomposes a series of that length."""
    from tocsin.features.multispans import SpanMSTL
    from tocsin.features.settings import Settings
    from tocsin.features.spans import SpanSTL

    several = method == "mstl"
    known = {each.name for each in fields(Settings)} - {"period", "seasonal" if several else ""}
    known |= {"windows", "iterate"} if several else set()
    if unknown := [name for name in parameters if name not in known]:
        raise ParameterError(f"{method} has no parameter {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    return SpanMSTL(length, periods, **parameters) if several else SpanSTL(length, periods[0], **parameters)


def chunk_for(spans: SpanSTL | SpanMSTL) -> int:
    """Return a chunk that is long against its surroundings, but not against the memory."""
    return min(max(CHUNK, 8 * spans.context), MOST)


def residuals(
    passes: Passes,
    spans: SpanSTL | SpanMSTL,
    names: Sequence[str],
    writer: ResultWriter | None,
    stack: ExitStack,
    tmp: Path | None,
    weight: float,
) -> Series:
    """Return the residuals as a series, in the precision of their own; write all components if there is a writer.

    `names` are those of the components: trend, seasons, residual.
    """
    series = passes.series

    def work(start: int, stop: int) -> NDArray[Any]:
        first, last = spans.bounds(start, stop)
        trend, seasonal, resid, _ = spans.decompose(series.read(first, last), start, stop)
        parts = [resid] if writer is None else [trend, *np.atleast_2d(seasonal), resid]
        return np.array(parts, series.dtype)

    draft = Draft(series.dtype, stack, tmp)
    for parts in passes.run(work, weight):
        draft.append(parts[-1])
        if writer is not None:
            writer.write(pa.table(dict(zip(names, map(pa.array, parts), strict=True))))
    return of_draft(draft, f"the residuals of {series.name}")
