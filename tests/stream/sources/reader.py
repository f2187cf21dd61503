"""A stream that commits what it reads until it is killed: each commit is a file with readings and positions."""

from __future__ import annotations

import json
import sys
from math import inf
from pathlib import Path
from time import monotonic

import polars as pl
import pyarrow as pa
import pyarrow.ipc

from tests.stream.sources.harness import SHAPE
from tocsin.stream.sources.catalog import open_source


def committed(folder: Path) -> list[pl.DataFrame]:
    """Return the readings of all commits."""
    return [pl.read_ipc(path) for path in sorted(folder.glob("*.arrow"))]


def read(address: str, folder: Path, most: int, rows: float = inf, patience: float = 3600.0) -> None:
    """Read and commit, until so many rows are there and nothing more comes, or nothing has come for too long."""
    source = open_source(address, SHAPE)
    commits = sorted(folder.glob("*.arrow"))
    source.seek(json.loads(pa.ipc.open_file(commits[-1]).schema.metadata[b"positions"]) if commits else {})
    number, there, last = len(commits), sum(frame.height for frame in committed(folder)), monotonic()
    while monotonic() < last + patience:
        if (fetched := source.poll(most, 0.1)) is None:
            if there >= rows:
                break
            continue
        beside = folder / "commit.new"
        table = fetched.frame.to_arrow().replace_schema_metadata({"positions": json.dumps(dict(fetched.positions))})
        with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        beside.rename(folder / f"{number:06}.arrow")
        print(number, flush=True)
        source.committed(fetched.positions)
        number, there, last = number + 1, there + fetched.frame.height, monotonic()
    source.close()


if __name__ == "__main__":
    read(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
