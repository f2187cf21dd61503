"""One place for how kernels are compiled, so that every number in Tocsin follows the same rules."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit
from numba.extending import overload

F = TypeVar("F", bound=Callable[..., Any])


def _cache_folder() -> str:
    """Return a folder for compiled kernels that changes whenever any kernel's source does.

    Numba looks only at the file of the function it compiles, not at those it calls, and would go on using a stale
    callee.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    digest = hashlib.sha256(sources).hexdigest()[:16]
    if os.environ.get("NUMBA_CACHE_DIR"):
        return str(Path(os.environ["NUMBA_CACHE_DIR"]) / digest)
    if os.access(here, os.W_OK):
        return str(here / "__pycache__" / digest)
    return str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tocsin" / digest)


def _forget_old(folder: Path) -> None:
    """Remove what other states of the source left beside a folder, once it is a week old."""
    for other in folder.parent.glob("[0-9a-f]" * 16):
        with suppress(OSError):
            if time.time() - other.stat().st_mtime > 7 * 86_400:
                shutil.rmtree(other, ignore_errors=True)


_CACHE_FOLDER = _cache_folder()
if not Path(_CACHE_FOLDER).exists():
    _forget_old(Path(_CACHE_FOLDER))


def kernel(function: F) -> F:
    """Compile `function` without the interpreter lock, cached on disk.

    No fast-math flag is set: a sum is taken in the order in which it is written, and NaN and infinity mean what
    IEEE 754 says, so that a row's score does not depend on its place in a vector register.
    """
    return _compiled(function)


def inlined(function: F) -> F:
    """Make `function` a part of each kernel that calls it, so that a chain of calls is compiled once, not per link."""
    return _compiled(function, inline="always")


def borrowing(function: F) -> F:
    """Compile `function` as a kernel that makes no arrays, and so need not count who holds those that it is given.

    In loops that leave at many places counting would take longer than the work.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: F, **how: Any) -> F:
    before = config.CACHE_DIR
    config.CACHE_DIR = _CACHE_FOLDER
    try:
        return cast(F, njit(nogil=True, cache=True, error_model="numpy", **how)(function))
    finally:
        config.CACHE_DIR = before


def by_width(single: F, double: F) -> F:
    """Return one function that runs `single` on float32 arrays and `double` on float64 ones.

    The choice looks at the dtype of the first argument and is made when the caller is compiled.
    """

    def choose(first: Any, *rest: Any) -> Any:
        return (single if first.dtype.itemsize == 4 else double)(first, *rest)

    @overload(choose, strict=False)
    def _choose(first: Any, *rest: Any) -> Any:
        chosen = single if first.dtype.bitwidth == 32 else double
        return lambda first, *rest: chosen(first, *rest)

    return cast(F, choose)
