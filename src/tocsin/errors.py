"""What can go wrong, as a tree that callers can catch at the level they care for.

::

    TocsinError               anything a user can cause; the message says what, where and what to do
    ├── DataError             the readings cannot be used as they are
    │   ├── ColumnError       a column is missing, ambiguous or of the wrong kind
    │   └── EmptyDataError    nothing is left to learn from or to score
    ├── FleetError            a fleet folder cannot be opened or does not fit the request
    │   └── UnknownAssetError readings of an asset that the fleet has no model of
    ├── ParameterError        a parameter has a value that makes no sense (also a ``ValueError``)
    ├── NotFittedError        a detector or fleet is asked before it has learned
    ├── OutputError           a result cannot be written
    ├── StoreError            a store cannot be opened or used
    │   ├── StoreBusyError    another stream writes to it
    │   └── StoreFullError    it has reached its size; space may come back
    └── UnavailableError      a server does not answer; it may come back, and whoever can wait tries again

"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TocsinError(Exception):
    """Anything a user can cause; its message is one line that says what to do next."""


class DataError(TocsinError):
    """The readings cannot be used as they are."""


class ColumnError(DataError):
    """A column is missing, ambiguous or of the wrong kind."""


class EmptyDataError(DataError):
    """Nothing is left to learn from or to score."""


class FleetError(TocsinError):
    """A fleet folder cannot be opened or does not fit the request."""


class UnknownAssetError(FleetError):
    """Readings of an asset that the fleet has no model of."""


class ParameterError(TocsinError, ValueError):
    """A parameter has a value that makes no sense."""


class NotFittedError(TocsinError):
    """A detector or fleet is asked before it has learned."""


class OutputError(TocsinError):
    """A result cannot be written."""


class StoreError(TocsinError):
    """A store cannot be opened or used."""


class StoreBusyError(StoreError):
    """Another stream writes to the store."""


class StoreFullError(StoreError):
    """The store has reached its size; what was being written is not in it.

    Parameters
    ----------
    message : str
    limit : int, optional
        How many bytes it may hold, if room can only come of what is deleted in it; else it may come back by itself.
    """

    def __init__(self, message: str, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class UnavailableError(TocsinError):
    """A server does not answer; it may come back."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error sentence: a near match of `name`, else what there is.

    Examples
    --------
    >>> did_you_mean("turbine", ["turbine_id", "power"])
    "; did you mean 'turbine_id'?"
    >>> did_you_mean("id", ["ID", "Date"])
    "; did you mean 'ID'?"
    >>> did_you_mean("q", ["a", "b"])
    '; there are: a, b'
    """
    names = sorted(known)
    folded = {each.casefold(): each for each in reversed(names)}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    if not names:
        return "; there are none"
    shown = ", ".join(names[:8])
    return f"; there are: {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")
