"""A fleet on disk: a folder with `fleet.json` and Arrow files, which no one ever sees half written.

`fleet.json` names the files it belongs to, and they are never changed. A save writes new ones beside them and then
replaces `fleet.json`, in one step; whoever has the old files open keeps reading them. Processes that save to one folder
take turns. Opening a fleet maps the models and runs no code that comes from the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from tocsin.errors import FleetError, OutputError
from tocsin.fleet.models import COLUMNS

FORMAT_VERSION = 2
"""Since 2 a fleet may have a recipe, and a label among its columns."""
HEADER = "fleet.json"
DIGEST = b"tocsin.digest"


class Header(BaseModel):
    """What `fleet.json` says."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["tocsin.fleet"] = "tocsin.fleet"
    format_version: int = FORMAT_VERSION
    written: datetime
    detector: str
    parameters: dict[str, str | int | float | bool | None]
    columns: dict[str, Any]
    recipe: dict[str, Any] | None = None
    features: list[str]
    dtype: Literal["float32", "float64"]
    version: int
    assets: int
    models: str
    alerts: str


def check_folder(path: Path) -> None:
    """Raise an `OutputError` where a fleet could not be saved; ask before work that takes long.

    Raises
    ------
    OutputError
        If the folder holds something else, or it or the one that it would be made in cannot be written.
    """
    try:
        free = not path.exists() or (path / HEADER).is_file()
        if not free and (not path.is_dir() or not all(map(_ours, path.iterdir()))):
            raise OutputError(f"{path} exists and is not a fleet; choose another path or remove it")
        above = next(each for each in (path, *path.absolute().parents) if each.exists())
    except OSError as error:
        raise OutputError(f"cannot write the fleet to {path}: {error.strerror or error}") from None
    if not above.is_dir():
        raise OutputError(f"cannot write the fleet to {path}: {above} is not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write the fleet to {path}: {above} is not yours to write in")


def save(path: Path, models: pa.Table, alerts: pa.Table, **header: Any) -> None:
    """Write a fleet to a folder, which may hold an older one.

    Raises
    ------
    OutputError
        If the folder holds something else or cannot be written; what was there is left as it was.
    """
    check_folder(path)
    stamp = uuid.uuid4().hex[:12]
    names = {"models": f"models-{stamp}.arrow", "alerts": f"alerts-{stamp}.arrow"}
    filled = Header(written=datetime.now(UTC), assets=models.num_rows, **header, **names)
    models = models.replace_schema_metadata({**(models.schema.metadata or {}), DIGEST: _digest(filled)})
    fresh = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            try:
                _write(path / names["models"], models)
                _write(path / names["alerts"], alerts)
                draft = path / f".{HEADER}.{stamp}"
                draft.write_text(filled.model_dump_json(indent=2) + "\n", encoding="utf-8")
                draft.replace(path / HEADER)
            finally:
                _sweep(path)
    except OSError as error:
        raise OutputError(f"cannot write the fleet to {path}: {error.strerror or error}") from None
    finally:
        if fresh:
            with suppress(OSError):  # it holds a fleet
                path.rmdir()


def load(path: Path) -> tuple[Header, pa.Table, pa.Table]:
    """Open a fleet: its header, its models mapped from disk, and its training alerts.

    Raises
    ------
    FleetError
        If there is no fleet, it is damaged, or a newer Tocsin wrote it.
    """
    header = _header(path)
    try:
        models, alerts = _map(path / header.models), _map(path / header.alerts)
    except FileNotFoundError as error:
        if _header(path) != header:  # a save has come between
            return load(path)
        raise FleetError(f"{path} is damaged: {Path(error.filename or header.models).name} is missing") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise FleetError(f"{path} is damaged: {header.models} cannot be read ({_first_line(error)})") from None
    if models.num_rows != header.assets:
        raise FleetError(f"{path} is damaged: {models.num_rows} models where {HEADER} says {header.assets}")
    state = models.schema.types[len(COLUMNS) :]
    if tuple(models.column_names[: len(COLUMNS)]) != COLUMNS or not all(map(pa.types.is_large_list, state)):
        raise FleetError(f"{path} is damaged: {header.models} holds no models")
    return header, models, alerts


def verify(path: Path, header: Header, models: pa.Table) -> None:
    """Raise a `FleetError` if a header does not say how the models were learned: they would be misread."""
    if (models.schema.metadata or {}).get(DIGEST) not in (None, _digest(header)):
        raise FleetError(f"{path} is damaged: {HEADER} does not say how {header.models} was learned; restore it")


def _digest(header: Header) -> bytes:
    """Return a digest of all that models depend on; it is kept with the models, which would misread another header."""
    settled = header.model_dump_json(include={"detector", "parameters", "columns", "recipe", "features", "dtype"})
    return hashlib.sha256(settled.encode()).hexdigest().encode()


def _header(path: Path) -> Header:
    file = path / HEADER
    if not path.exists():
        raise FleetError(f"no fleet at {path}: no such folder")
    if not file.is_file():
        raise FleetError(f"{path} is not a fleet: it has no {HEADER}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise FleetError(f"{file} cannot be read: {_first_line(error)}") from None
    if not isinstance(content, dict) or content.get("format") != "tocsin.fleet":
        raise FleetError(f"{path} is not a fleet: {HEADER} is of another kind")
    version = content.get("format_version")
    if not isinstance(version, int):
        raise FleetError(f"{file} is damaged: format_version is {version!r}")
    if version > FORMAT_VERSION:
        raise FleetError(f"{path} has format {version}, this Tocsin reads up to {FORMAT_VERSION}; upgrade Tocsin")
    try:
        header = Header.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FleetError(f"{file} is damaged: {where}: {first['msg']}") from None
    if any(Path(name).name != name for name in (header.models, header.alerts)):
        raise FleetError(f"{file} is damaged: it names files outside its folder")
    return header


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _map(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process saves to the folder, and hold them off; where there are no such locks, go on."""
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _sweep(path: Path) -> None:
    """Remove what former and failed saves left: files of ours that `fleet.json` does not name."""
    with suppress(OSError):
        header = path / HEADER
        named = header.read_text(encoding="utf-8") if header.exists() else ""
        for file in path.iterdir():
            if _ours(file) and file.name not in named:
                with suppress(OSError):
                    file.unlink()


def _ours(file: Path) -> bool:
    return re.fullmatch(rf"((models|alerts)-\w{{12}}\.arrow|\.{re.escape(HEADER)}\.\w{{12}})", file.name) is not None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
