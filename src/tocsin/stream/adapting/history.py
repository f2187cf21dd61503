"""The readings of the last days beside a store, as Parquet, for models that are learned anew at night."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tocsin.errors import DataError, OutputError
from tocsin.kernels.arrivals import NEVER
from tocsin.stream.ordering import Arrivals
from tocsin.stream.roster import Roster
from tocsin.tables.columns import Columns
from tocsin.tables.failures import plain_errors
from tocsin.tables.readings import Readings, open_readings

ASSET, TIME, SENSOR, VALUE = "@asset", "@time", "@sensor", "@value"
STAMP = pa.timestamp("ns", "UTC")
AT_ONCE = 2_000_000
"""How many rows are written at once."""
SUFFIX = ".parquet"


class History:
    """Readings as they came, in files that are each named by their first and last number in the journal.

    A file is written beside its place and renamed, so that it is there as a whole or not at all; written again, it says
    the same. Only the stream writes, in one thread.

    Parameters
    ----------
    folder : Path
        Where the files are; it is made with the first one.
    features : tuple of str
        The fleet's.
    dtype : dtype
        That of its panels.
    long : bool, default False
        Whether a row is one sensor's value.
    age : timedelta, optional
        How much older than the newest reading a file's newest one may be; by default whatever.
    size : int, optional
        How many bytes all files may have; the oldest go first.
    """

    def __init__(
        self,
        folder: Path,
        features: tuple[str, ...],
        dtype: Any,
        *,
        long: bool = False,
        age: timedelta | None = None,
        size: int | None = None,
    ) -> None:
        self.folder, self.features, self.dtype, self.long = folder, features, np.dtype(dtype), long
        self._age, self._size = age, size
        self._newest: dict[str, int] = {}

    # Writing ---------------------------------------------------------------------------------------------------------

    def write(self, first: int, last: int, entries: Iterable[Arrivals], roster: Roster) -> None:
        """Write the rows of the entries `first` to `last`; then let go of files that are too old or too many.

        Raises
        ------
        OutputError
            If the folder cannot be written; the file is then not there.
        """
        path = self.folder / f"{first:012d}-{last:012d}{SUFFIX}"
        draft = path.with_name(f".{path.name}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            rows = 0
            with pq.ParquetWriter(draft, self._schema, compression="zstd", use_dictionary=[ASSET]) as writer:
                for table in self._tables(entries, roster):
                    writer.write_table(table)
                    rows += table.num_rows
            if rows:
                with draft.open("rb") as written:
                    os.fsync(written.fileno())
                draft.replace(path)
            self._retain()
        except OSError as error:
            raise OutputError(f"cannot write past readings to {self.folder}: {error.strerror or error}") from None
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    @property
    def _schema(self) -> pa.Schema:
        if self.long:
            return pa.schema([(ASSET, pa.string()), (TIME, STAMP), (SENSOR, pa.string()), (VALUE, pa.float64())])
        own = pa.from_numpy_dtype(self.dtype)
        return pa.schema([(ASSET, pa.string()), (TIME, STAMP), *((name, own) for name in self.features)])

    def _tables(self, entries: Iterable[Arrivals], roster: Roster) -> Iterable[pa.Table]:
        waiting, rows = list[Arrivals](), 0
        for entry in entries:
            waiting.append(entry)
            rows += len(entry.slots)
            if rows >= AT_ONCE:
                yield self._table(waiting, roster)
                waiting, rows = [], 0
        if rows:
            yield self._table(waiting, roster)

    def _table(self, entries: Sequence[Arrivals], roster: Roster) -> pa.Table:
        some = [entry for entry in entries if len(entry.slots)]
        slots = np.concatenate([entry.slots for entry in some])
        times = pa.array(np.concatenate([entry.times for entry in some])).cast(STAMP)
        values = np.concatenate([entry.values for entry in some], axis=1)
        return pa.table([roster.keys(slots), times, *self._columns_of(values)], schema=self._schema)

    def _columns_of(self, values: NDArray[Any]) -> list[pa.Array]:
        if not self.long:
            return [pa.array(row.astype(self.dtype, copy=False)) for row in values]
        names = pl.Series(self.features, dtype=pl.String).gather(values[0].astype(np.int64))
        return [names.to_arrow().cast(pa.string()), pa.array(values[1])]

    def _retain(self) -> None:
        """Remove what is too old or too much; never the newest file."""
        files, newest = [], []
        for file in self.files():
            with suppress(DataError):  # the next night says which file is damaged
                newest.append(self._newest_of(file))
                files.append(file)
        sizes = [file.stat().st_size for file in files]
        least, total = max(newest, default=NEVER), sum(sizes)
        if self._age is not None:
            least -= self._age // timedelta(microseconds=1) * 1000
        for file, stamp, size in list(zip(files, newest, sizes, strict=True))[:-1]:
            over = self._size is not None and total > self._size
            if not over and (self._age is None or stamp >= least):
                continue
            file.unlink(missing_ok=True)
            self._newest.pop(file.name, None)
            total -= size

    def _newest_of(self, file: Path) -> int:
        """Return the time of a file's newest row, in nanoseconds."""
        if file.name in self._newest:
            return self._newest[file.name]
        with plain_errors(str(file)):
            found = pl.scan_parquet(file).select(pl.col(TIME).max().to_physical()).collect().item()
            self._newest[file.name] = NEVER if found is None else found
        return self._newest[file.name]

    # Reading ---------------------------------------------------------------------------------------------------------

    def files(self, *, after: int = 0, until: int | None = None, since: int | None = None) -> list[Path]:
        """Return the files of entries after one number and up to another, that have rows since a time, in order."""
        found = []
        for file in sorted(self.folder.glob(f"[0-9]*{SUFFIX}")):
            first, last = (int(number) for number in file.name.removesuffix(SUFFIX).split("-"))
            inside = first > after and (until is None or last <= until)
            if inside and (since is None or self._newest_of(file) >= since):
                found.append(file)
        return found

    def open(self, files: Sequence[Path]) -> Readings:
        """Open the readings of some files; see `tocsin.tables.readings.open_readings`."""
        named = {"sensor": SENSOR, "value": VALUE} if self.long else {}
        columns = Columns(ASSET, TIME, self.features, **named)
        return open_readings(list(files), columns, expect=self.features, infinite="missing")
