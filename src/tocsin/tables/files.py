"""From what the user named, a file, folder, glob or URL, to the files that are read and what they are."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tocsin.errors import DataError, EmptyDataError, ParameterError, did_you_mean
from tocsin.tables.columns import FILE_KEY

_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".dat": "csv",
    ".data": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".ipc": "ipc",
    ".feather": "ipc",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
}
_PACKED = {".gz", ".zst", ".zstd"}
_TITLES = {"csv": "CSV", "parquet": "Parquet", "ipc": "Arrow IPC", "ndjson": "NDJSON"}
_ENDS = {"parquet": (b"PAR1", b"PAR1"), "ipc": (b"ARROW1", b"ARROW1")}
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Files:
    """Files of one format, in the order in which they are read.

    Parameters
    ----------
    paths : tuple of str
        Sorted by name; a single URL, which may be a glob of its own, if `remote`.
    format : str
        ``"csv"``, ``"parquet"``, ``"ipc"`` or ``"ndjson"``.
    name : str
        What the user called them.
    remote : bool
        Whether they are read over the network.
    partitioned : bool
        Whether folders such as ``site=north`` carry a column.
    left_out : tuple of str
        Files in the folder that are no tables or empty.
    """

    paths: tuple[str, ...]
    format: str
    name: str
    remote: bool = False
    partitioned: bool = False
    left_out: tuple[str, ...] = ()


def stem(path: str) -> str:
    """Return a file's name without folders and without the suffixes of its format.

    Examples
    --------
    >>> stem("logs/pump.7.csv.gz")
    'pump.7'
    """
    name = PurePosixPath(path.replace(os.sep, "/")).name
    for suffixes in (_PACKED, set(_FORMATS)):
        base, dot, last = name.rpartition(".")
        if base and dot + last.lower() in suffixes:
            name = base
    return name


def format_of_suffix(path: str) -> str | None:
    """Return the format that a name promises, None if it says nothing."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path.replace(os.sep, "/")).suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def find_files(source: str | Path | Sequence[str | Path], key: str | None) -> Files:
    """Find what `source` names, one path or several, and look at the first and last bytes of each file.

    Raises
    ------
    DataError
        If there is no such file, it may not be read, it is no table, formats are mixed, or with `key` ``"@file"``
        two files have one stem.
    EmptyDataError
        If there is no table in a folder, or only empty files.
    """
    sources = [source] if isinstance(source, str | Path) else list(source)
    if not sources:
        raise EmptyDataError("no path given to read from")
    name = str(sources[0]) if len(sources) == 1 else f"{sources[0]} and {len(sources) - 1} more"
    if any("://" in str(each) for each in sources):
        if len(sources) > 1:
            raise DataError("several paths of which one is a URL; give URLs one at a time, or as a glob")
        address = name.split("?", 1)[0]
        return Files((name,), format_of_suffix(address) or "parquet", name, remote=True)
    looked = [_look(str(each)) for each in sources]
    found = list(dict.fromkeys(file for files, _, _ in looked for file in files))
    explicit = any(named for _, named, _ in looked)
    partitioned = any(parted for _, _, parted in looked)
    formats: dict[str, str] = {}
    empty, other = [], []
    for file in found:
        if Path(file).stat().st_size == 0:
            empty.append(file)
        elif kind := format_of_file(file, explicit=explicit):
            formats[file] = kind
        else:
            other.append(file)
    if not formats:
        if empty:
            raise EmptyDataError(f"{empty[0]} is empty: no header and no rows")
        what = f"; {len(other)} other files are there" if other else ""
        raise EmptyDataError(f"no CSV, Parquet, Arrow or NDJSON file in {name}{what}")
    _refuse_mixed(name, formats)
    if key == FILE_KEY:
        _refuse_twins(formats)
    left_out = tuple(f"{Path(file).name} (empty)" for file in empty) + tuple(Path(file).name for file in other)
    return Files(tuple(formats), next(iter(formats.values())), name, partitioned=partitioned, left_out=left_out)


def _look(name: str) -> tuple[list[str], bool, bool]:
    """Return the files that a path names, whether it names them itself, and whether their folders carry a column."""
    path = Path(name).expanduser()
    if path.is_dir():
        found = [str(p) for p in sorted(path.rglob("*")) if p.is_file() and not _hidden(p.relative_to(path))]
        return found, False, any("=" in part for p in found for part in Path(p).relative_to(path).parts[:-1])
    if path.exists():
        return [str(path)], True, False
    found = sorted(p for p in glob.glob(str(path), recursive=True) if Path(p).is_file())  # noqa: PTH207
    if not found:
        raise nothing_there(name, path)
    return found, True, False


def format_of_file(path: str, *, explicit: bool) -> str | None:
    """Return the format of a file by its first bytes, then by its name; None if it is no table and nobody said so.

    Raises
    ------
    DataError
        If it may not be read, or is not what its name says.
    """
    promised = format_of_suffix(path)
    try:
        with Path(path).open("rb") as file:
            head = file.read(4096)
            file.seek(-min(8, len(head)), os.SEEK_END)
            tail = file.read()
    except PermissionError:
        raise DataError(f"cannot read {path}: permission denied; ask for read access or copy it") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    for kind, (start, end) in _ENDS.items():
        if head.startswith(start):
            if not tail.endswith(end):
                raise DataError(f"cannot read {path}: it starts as {_TITLES[kind]} but ends too early; write it again")
            return kind
    if promised in _ENDS:
        raise DataError(f"cannot read {path}: it is called {_TITLES[promised]} but is not; rename it after what it is")
    if promised is None and not explicit:
        return None
    if head.startswith((_GZIP, _ZSTD)):
        return promised or "csv"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"cannot read {path}: it is UTF-16 text; save it as UTF-8")
    if b"\0" in head:
        raise DataError(f"cannot read {path}: it is binary and not a table; give CSV, Parquet, Arrow IPC or NDJSON")
    if promised == "ndjson" and head.lstrip().startswith(b"["):
        raise DataError(f"cannot read {path}: it is one JSON array; write one object a line (NDJSON)")
    return promised or ("ndjson" if head.lstrip().startswith(b"{") else "csv")


def _hidden(relative: Path) -> bool:
    return any(part.startswith((".", "_")) for part in relative.parts)


def nothing_there(name: str, path: Path) -> DataError:
    """Return the error for a path that does not exist, with what is there in its place."""
    if glob.has_magic(name):
        return EmptyDataError(f"no file matches {name}; check the pattern and the folder it starts from")
    folder = path.parent
    if not folder.is_dir():
        return DataError(f"no such file: {name}; there is no folder {str(folder)!r} either")
    return DataError(f"no such file: {name}" + did_you_mean(path.name, sorted(p.name for p in folder.iterdir())))


def _refuse_mixed(name: str, formats: dict[str, str]) -> None:
    counts = Counter(formats.values())
    if len(counts) > 1:
        shown = " and ".join(f"{number} {_TITLES[kind]}" for kind, number in counts.most_common())
        raise DataError(f"{name} has files of several formats, {shown}; name one with a glob such as *.csv")


def _refuse_twins(paths: Sequence[str] | dict[str, str]) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        twin = seen.setdefault(stem(path), path)
        if twin != path:
            raise DataError(f"{twin} and {path} would both be asset {stem(path)!r}; rename one of them")


def left_out_remark(files: Files) -> str:
    """Return a sentence on the files of a folder that are not read."""
    shown = ", ".join(files.left_out[:5]) + (", ..." if len(files.left_out) > 5 else "")
    plural = "s" if len(files.left_out) > 1 else ""
    return f"{len(files.left_out)} file{plural} in {files.name} left out: {shown}"


def is_paths(source: object) -> bool:
    """Tell whether a source is a path, or several."""
    return isinstance(source, str | Path) or (
        isinstance(source, list | tuple) and all(isinstance(each, str | Path) for each in source)
    )


def check_source(source: object) -> None:
    """Refuse what is neither a path nor a table, with a hint for what comes close."""
    if is_paths(source):
        return
    if hasattr(source, "__array__") and not hasattr(source, "columns"):
        raise ParameterError("a bare array has no column names; put it into a data frame first")
    raise ParameterError(f"readings come from a path, a glob, a URL or a data frame, not from {type(source).__name__}")
