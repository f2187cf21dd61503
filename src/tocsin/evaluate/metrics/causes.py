"""Whether explanations name the right cause: of made-up or labelled faults it is known which feature is at fault."""

from __future__ import annotations

from typing import Literal

import polars as pl

from tocsin.errors import ParameterError
from tocsin.evaluate.incidents import require
from tocsin.evaluate.metrics.base import Grade, ratio
from tocsin.evaluate.truth import Findings
from tocsin.features.settings import check_whole

_OF = {
    "explained": (pl.col("peak_cause").is_not_null(), "no fault has an explanation of its strongest row"),
    "found": (pl.col("found"), "no fault was found"),
    "all": (pl.lit(value=True), "there are no faults"),
}


def hit_rate(findings: Findings, k: int = 1, of: Literal["explained", "found", "all"] = "explained") -> Grade:
    """Return the share of faults whose cause is among the first `k` features that are named.

    The feature at fault is looked for in the explanation of the row with the highest score within the fault, whether
    that is an alert or not. Range 0 to 1, by chance `k` over the number of features. A feature counts once, however
    many parts or features made of it are named.

    Parameters
    ----------
    findings : Findings
        What `tocsin.evaluate.truth.match` returns. Where only alerts are explained, a fault that was not found has no
        explanation: score with ``explain=k, explain_all=True`` for those of all faults.
    k : int, default 1
        How many features may be named; rows must be explained by at least as many.
    of : {"explained", "found", "all"}, default "explained"
        Of which faults: the default, whose strongest row is explained, is what to report of scores with `explain_all`:
        it asks how good explanations are, not how many faults pass a threshold, and leaves out none that is hard to
        find. Of those found it is higher: what is plain is easily explained. Of all, those without explanation count as
        not named.

    Returns
    -------
    Grade
        The value, NaN if there is no such fault, and a note: of how many faults it is.

    Raises
    ------
    ColumnError
        If findings have no causes.
    ParameterError
        If `k` is no whole number of at least 1, or `of` is none of these.

    Examples
    --------
    >>> from tocsin import Fleet, synth
    >>> from tocsin.evaluate.truth import match
    >>> readings, truth = synth.fleet(assets=8, features=4, rows=400, seed=1, faulty=1.0, kinds=["shift"])
    >>> training, later = synth.split(readings)
    >>> fleet = Fleet(key="asset", time="time").fit(training)
    >>> hit_rate(match(fleet.score(later, explain=3, explain_all=True), truth), 3)
    Grade(value=1.0, note='of 8 faults')
    """
    check_whole("k", k, 1)
    if of not in _OF:
        raise ParameterError(f"of must be 'explained', 'found' or 'all', not {of!r}")
    faults = findings.faults
    require(faults, "table of faults", ("found", "peak_cause", "peak_rank"))
    chosen, why = _OF[of]
    asked = faults.filter(chosen)
    hits = int((asked["peak_rank"] <= k).sum())
    value, note = ratio(hits, len(asked), why)
    if note:
        return Grade(value, note)
    left_out = f"; {len(faults) - len(asked)} more are left out" if len(asked) < len(faults) else ""
    return Grade(value, f"of {len(asked)} {'fault' if len(asked) == 1 else 'faults'}{left_out}")
