"""What the readers of files raise, in the words of someone who wants to read a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa

from tocsin.errors import ColumnError, DataError, TocsinError

Diagnose = Callable[[], TocsinError | None]


def _nothing_known() -> None:
    return None


@contextmanager
def plain_errors(name: str, diagnose: Diagnose = _nothing_known) -> Iterator[None]:
    """Turn whatever a reader raises into one line about the source called `name`.

    `diagnose` may look at the source again to find out what is wrong with it; it runs only after a failure.
    """
    try:
        yield
    except TocsinError:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError) as error:
        raise _diagnosed(diagnose) or _translated(name, error) from None


def _diagnosed(diagnose: Diagnose) -> TocsinError | None:
    """Return what is found, or nothing where looking again fails as well."""
    try:
        return diagnose()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError):
        return None


def _translated(name: str, error: BaseException) -> TocsinError:
    """Return the best sentence there is for an error whose cause nobody found."""
    first_line = str(error).strip().split("\n", 1)[0].strip()
    if isinstance(error, FileNotFoundError):
        return DataError(f"no such file: {name}")
    if isinstance(error, PermissionError):
        return DataError(f"cannot read {name}: permission denied; ask for read access or copy it")
    if isinstance(error, pl.exceptions.DuplicateError):
        return ColumnError(f"{name} has two columns of one name; rename one of them ({first_line})")
    if isinstance(error, pl.exceptions.NoDataError):
        return DataError(f"{name} is empty")
    if "unexpected end" in first_line or "EOF" in first_line or "incomplete frame" in first_line:
        return DataError(f"cannot read {name}: it ends too early; it seems cut short, so fetch or write it again")
    if "more fields than defined" in first_line:
        return DataError(f"a line of {name} has more fields than its first line; check the separator and the quotes")
    return DataError(f"cannot read {name}: {first_line or type(error).__name__}")
