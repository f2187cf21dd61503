"""Detecting in one long series: learn what is usual, then say where it is not, in bounded memory."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import is_number
from tocsin.errors import EmptyDataError, OutputError, ParameterError, did_you_mean
from tocsin.fleet.decomposing import Seasons, chunk_for, residuals, seasons, spans_of
from tocsin.fleet.detection import SCHEMA, Detection, Worst, judged
from tocsin.fleet.passes import CHUNK, Meter, Passes, refuse_infinite, robust_usual, survey, usual
from tocsin.fleet.report import Progress
from tocsin.kernels.variance import BLOCK
from tocsin.tables.results import ResultWriter
from tocsin.tables.series import open_series

Method = Literal["zscore", "mad", "stl", "mstl"]
METHODS: tuple[str, ...] = get_args(Method)

DECOMPOSING = 40
"""What decomposing costs in passes that merely look at each sample, by which progress is told."""
COMMON = 0.05
"""A share of samples that is too large to be called strange; it is noted."""
ROBUST_SEASONAL = 13
"""Cycles that a robust fit of "stl" smooths over. Over the 7 that are usual a spike bends its neighbours so much that
they all lose their weight in the next pass, and then nothing is left but to take the spike for the season."""
ROUNDING = 1e-12
"""A residual's share of the size of the values below which it says nothing."""


def detect(  # noqa: PLR0913 - one parameter a choice
    source: Any,
    method: Method = "stl",
    *,
    period: int | Sequence[int] | None = None,
    threshold: float = 5.0,
    robust: bool = False,
    column: str | None = None,
    infinite: Literal["error", "missing"] = "error",
    parameters: Mapping[str, Any] | None = None,
    chunk: int | None = None,
    threads: int | None = None,
    most: int = 1_000_000,
    out: str | Path | None = None,
    decomposition: str | Path | None = None,
    progress: Progress | None = None,
    tmp: Path | None = None,
    **reading: Any,
) -> Detection:
    """Find the samples of one long series that lie far from what is expected.

    Parameters
    ----------
    source : path, glob, URL, array, or data frame
        A ``.npy`` file, a raw file (``.f32``, ``.f64``, or any with ``dtype=``), a table in any format that fleets are
        read from, or an array, series or data frame. NaN is a missing sample.
    method : {"stl", "mstl", "mad", "zscore"}, default "stl"
        What a sample is measured against. "zscore": mean and standard deviation (`ZScore`). "mad": median and
        median absolute deviation (`MAD`). "stl": trend and season (`tocsin.stl`), its residual measured as by "mad".
        "mstl": the same with several seasons.
    period : int or sequence of int, optional
        Samples in a season, for "stl" one, for "mstl" any number. By default found in 1,048,576
        samples from the first that is not missing.
    threshold : float, default 5.0
        How many scales from what is expected a sample must be to be found.
    robust : bool, default False
        Whether trend and season are fitted so that strange samples do not bend them; many times slower. A phase is
        smoothed over 13 cycles then ("stl"), unless `parameters` say otherwise. Without it a large spike also shows,
        less, one period before and after its place.
    column : str, optional
        The column of a table; not needed where only one is numeric.
    infinite : {"error", "missing"}, default "error"
        Whether infinite samples are refused or taken as missing.
    parameters : mapping, optional
        More parameters of `tocsin.stl` or `tocsin.mstl`, such as ``{"seasonal": 13}``.
    chunk : int, optional
        Samples that a core works on at a time, rounded up to a multiple of 4,096. A robust fit has its own.
    threads : int, optional
        How many cores to use; default all.
    most : int, default 1,000,000
        How many samples are kept in memory: of more those with the highest scores. A file gets all.
    out : path, optional
        A file for all samples that are found, besides the frame in the result; its suffix tells the format.
    decomposition : path, optional
        A file for all samples' trend, season (or seasons, as in seasonal_24) and residual, in the precision of the
        series; ``.npy`` has a row a sample.
    progress : callable, optional
        Called with the samples done and the samples in all.
    tmp : Path, optional
        Where to set numbers aside if they are many; by default the system's folder for temporary files.
    **reading
        How to read: ``dtype`` of a raw file, and ``separator``, ``header`` and ``null_values`` of text.

    Returns
    -------
    Detection

    Raises
    ------
    TocsinError
        If the series cannot be used, a parameter makes no sense, or a result cannot be written; nothing is left under
        the names of `out` and `decomposition` then.

    Notes
    -----
    Neither `chunk` nor `threads` changes a number of "zscore" and "mad", which are those of the detectors of that name
    fitted to the whole series. Scores of "stl" and "mstl" change by at most 1e-9 of the largest value in the series,
    in scales (with single precision its rounding comes on top). Those of a robust fit do not change, but near the
    ends of its chunks differ from those of a fit to the whole, see `tocsin.features.spans`.

    Cost on one core, where the file is in the system's cache: 2 ns a sample for "zscore", 11 for "mad", 40 for "stl"
    and 160 for "mstl" with two seasons; more near the ends of the series, near missing samples, with a period of many
    thousands, and with `robust`. Memory does not grow with the series but with the period: some 400 MB at 200 samples,
    700 MB at 10,000, over 1 GB at 86,400. The residuals of "stl" and "mstl" take as much room in `tmp` as the series
    itself does.

    Examples
    --------
    >>> import numpy as np
    >>> hours = np.arange(24 * 60)
    >>> x = np.sin(hours * 2 * np.pi / 24) + 0.1 * np.random.default_rng(0).normal(size=len(hours))
    >>> x[700] += 1
    >>> detect(x, period=24).found["index"].to_list()
    [700]
    """
    _check(method, threshold, infinite, parameters, chunk, most)
    started = clock.perf_counter()
    decomposes = method in ("stl", "mstl")
    if not decomposes and (period is not None or robust or parameters or decomposition is not None):
        raise ParameterError(f"method {method!r} knows no seasons; take 'stl' for period, robust and decomposition")
    with ExitStack() as stack:
        found_writer = stack.enter_context(ResultWriter(out, SCHEMA)) if out is not None else None
        parts_writer = stack.enter_context(ResultWriter(decomposition)) if decomposition is not None else None
        series = stack.enter_context(open_series(source, column=column, tmp=tmp, **reading))
        _check_targets(series.paths, out, decomposition)
        series = series.without_infinite() if infinite == "missing" else series
        size = None if chunk is None else -(-chunk // BLOCK) * BLOCK
        work = 2 if method == "zscore" else 10 + decomposes * DECOMPOSING
        passes = Passes(series, size or CHUNK, threads, Meter(progress, len(series), work))
        moments, notes = _surveyed(passes), list(series.remarks)
        watched, known = passes, Seasons((), found=False, remark=None)
        if decomposes:
            known = seasons(series, period, several=method == "mstl")
            how = {"robust": robust} | ({"seasonal": ROBUST_SEASONAL} if robust and method == "stl" else {})
            how |= parameters or {}
            spans = spans_of(len(series), method, known.periods, how)
            each = [f"seasonal_{each}" for each in known.periods] if method == "mstl" else ["seasonal"]
            # The weights of a robust fit depend on what is read with a chunk, so there it is always the same one.
            robustly = how["robust"] or how.get("outer_iter")
            chunks = replace(passes, chunk=chunk_for(spans) if robustly or size is None else size)
            names = ["trend", *each, "resid"]
            rest = residuals(chunks, spans, names, parts_writer, stack, tmp, DECOMPOSING)
            watched = replace(passes, series=rest)
            notes += [remark for remark in (known.remark, *rest.remarks) if remark]
        location = _usual(watched, moments, method)
        worst = Worst(most)
        for frame in passes.run(lambda *place: judged(series, watched.series, place, location, threshold)):
            if frame is None:
                continue
            worst.add(frame)
            if found_writer is not None:
                found_writer.write(frame.to_arrow())
        for writer in filter(None, (found_writer, parts_writer)):
            writer.complete()  # so that neither appears without the other
    if moments[2] == 0.0:
        notes.append(f"the series is constant: all its samples are {moments[1]:.6g}")
    if worst.count > COMMON * moments[0]:
        share = worst.count / moments[0]
        notes.append(
            f"{share:.0%} of the samples were found, too many to be strange; raise threshold or take another method"
        )
    if worst.count > most:
        notes.append(f"{worst.count:,} samples were found; the {most:,} with the highest scores are kept in memory")
    return Detection(
        worst.frame(), worst.count, method, threshold, len(series), len(series) - int(moments[0]), series.column,
        *location, known.periods, known.found, notes, clock.perf_counter() - started,
    )  # fmt: skip


def _surveyed(passes: Passes) -> NDArray[np.float64]:
    """Return weight, mean and squares of a series in which there is something."""
    moments = survey(passes)
    if not np.isfinite(moments).all():
        refuse_infinite(passes)
    if not moments[0]:
        raise EmptyDataError(f"all {len(passes.series):,} samples of {passes.series.name} are missing (NaN)")
    return moments


def _usual(watched: Passes, moments: NDArray[np.float64], method: str) -> tuple[float, float]:
    """Return the centre and scale by which the watched series is measured, given the moments of the series itself."""
    if method == "zscore":
        return usual(moments)
    center, scale = robust_usual(watched, int(moments[0]))
    if method == "mad":
        return center, scale
    # A residual this small is rounding, and a series without noise has no other.
    size = math.sqrt(moments[1] ** 2 + moments[2] / moments[0])
    return center, max(scale, ROUNDING * size)


def _check(method: str, threshold: Any, infinite: str, parameters: Any, chunk: Any, most: Any) -> None:
    """Raise a `ParameterError` for values that make no sense."""
    if method not in METHODS:
        raise ParameterError(f"no method {method!r}{did_you_mean(str(method), METHODS)}")
    if not (is_number(threshold) and math.isfinite(threshold) and threshold >= 0):
        raise ParameterError(f"threshold must be a number of scales from 0 on, such as 5, not {threshold!r}")
    if infinite not in ("error", "missing"):
        raise ParameterError(f"infinite must be 'error' or 'missing', not {infinite!r}")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise ParameterError(f"parameters must be a dict, such as {{'seasonal': 13}}, not {parameters!r}")
    for name, value in (("chunk", chunk), ("most", most)):
        if value is not None and not (isinstance(value, int | np.integer) and value >= 1):
            raise ParameterError(f"{name} must be a whole number of samples from 1 on, not {value!r}")


def _check_targets(inputs: Sequence[str], out: str | Path | None, decomposition: str | Path | None) -> None:
    """Raise an `OutputError` where a result would replace the series, or one the other."""
    read = {Path(path).expanduser().resolve() for path in inputs}
    for target in (out, decomposition):
        if target is not None and Path(target).expanduser().resolve() in read:
            raise OutputError(f"cannot write {target}: it is the series that is read; name another file")
    if out is not None and decomposition is not None:
        first, second = (Path(target).expanduser().resolve() for target in (out, decomposition))
        if first == second:
            raise OutputError(f"cannot write {decomposition}: what is found goes there; name another file")
