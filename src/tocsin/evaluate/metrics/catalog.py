"""All metrics there are, by discovery: a new one is one new class in this room."""

from __future__ import annotations

from functools import cache

import tocsin.evaluate.metrics as room
from tocsin.discovery import members_of
from tocsin.errors import ParameterError, did_you_mean
from tocsin.evaluate.metrics.base import Metric


@cache
def metrics() -> dict[str, type[Metric]]:
    """Return every metric by its name.

    >>> metrics()["vus_pr"].__name__
    'VUSPR'
    """
    found = {member.name: member for member in members_of(room, Metric)}
    return dict(sorted(found.items()))


def metric(name: str) -> Metric:
    """Return the metric of that name with its default parameters.

    Raises
    ------
    ParameterError
        If there is none.

    Examples
    --------
    >>> metric("f_beta")
    FBeta(beta=0.5)
    """
    known = metrics()
    if name not in known:
        raise ParameterError(f"no metric {name!r}{did_you_mean(name, known)}")
    return known[name]()
