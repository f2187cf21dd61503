"""The readings that a competition is held on: some assets, each in a part to learn from and a later one to judge."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.errors import DataError, EmptyDataError
from tocsin.panel import Panel
from tocsin.tables.columns import Columns
from tocsin.tables.readings import open_readings


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Readings of some assets.

    Attributes
    ----------
    training, judged : Panel
        The first rows of each asset and those that follow, of the same assets in the same order, drawn at random: the
        first ones are a sample, too.
    time_type : pyarrow.DataType or None
        In which type results show times.
    assets, rows : int
        How many assets and rows there were to draw from.
    left_out : dict of str to str
        Why each other column of the source is no feature.
    notes : list of str
        What was skipped or mended while reading.
    """

    training: Panel
    judged: Panel
    time_type: pa.DataType | None
    assets: int
    rows: int
    left_out: dict[str, str]
    notes: list[str]

    def __len__(self) -> int:
        """How many assets were drawn."""
        return self.training.n_assets


def draw(
    source: Any, columns: Columns, *, assets: int, share: float, seed: int, labelled: bool, **reading: Any
) -> Sample:
    """Read everything, keep some assets, and cut each one's rows in time.

    Which assets are drawn depends on the seed and their keys: those whose hashes are smallest. No more than these, and
    the panel that is being read, are held in memory.

    Parameters
    ----------
    source, labelled, **reading
        As in `tocsin.tables.readings.open_readings`.
    columns : Columns
        What the columns mean.
    assets : int
        How many assets to draw at the most.
    share : float
        Which share of each asset's rows comes first.
    seed : int
        Other assets for each number.

    Raises
    ------
    EmptyDataError
        If no asset has two rows.
    """
    readings = open_readings(source, columns, labelled=labelled, **reading)
    kept: list[tuple[int, int, Panel]] = []
    seen = rows = 0
    for panel in readings.panels():
        marks = [zlib.crc32(f"{seed}:{key}".encode()) for key in panel.keys.to_pylist()]
        places = sorted(range(panel.n_assets), key=marks.__getitem__)[:assets]
        kept += [(marks[place], seen + place, panel.take_assets(np.array([place]))) for place in places]
        kept = sorted(kept, key=lambda entry: entry[:2])[:assets]
        seen, rows = seen + panel.n_assets, rows + panel.n_rows
    if not kept:
        raise EmptyDataError("no readings to compete on")
    whole = joined([panel for _, _, panel in kept])
    early = _early(whole, share)
    training, judged = whole.take_rows(np.flatnonzero(early)), whole.take_rows(np.flatnonzero(~early))
    if not judged.n_rows:
        raise EmptyDataError("no asset has a second reading, so none is left to judge; is the key right?")
    notes = readings.notes.lines()
    return Sample(training, judged, readings.time_type, seen, rows, dict(readings.left_out), notes)


def joined(panels: Sequence[Panel]) -> Panel:
    """Return panels of other assets but the same features as one."""
    first = panels[0]
    lengths = np.concatenate([np.diff(panel.offsets) for panel in panels])
    times = [panel.times for panel in panels if panel.times is not None]
    labels = [panel.labels for panel in panels if panel.labels is not None]
    return Panel(
        np.ascontiguousarray(np.concatenate([panel.values for panel in panels], axis=1)),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        pa.concat_arrays([panel.keys for panel in panels]),
        first.features,
        np.concatenate(times) if times else None,
        np.concatenate(labels) if labels else None,
    )


def blocks(panel: Panel, parts: int) -> list[NDArray[np.int64]]:
    """Return runs of assets with about as many rows each, at most `parts`."""
    wanted = np.linspace(0, panel.n_rows, min(parts, panel.n_assets) + 1)[1:-1]
    cuts = np.unique(np.searchsorted(panel.offsets, wanted))
    return [run for run in np.split(np.arange(panel.n_assets), cuts) if len(run)]


def check_labels(sample: Sample, column: str) -> None:
    """Refuse labels by which nothing can be judged.

    Raises
    ------
    DataError
        If no reading to judge is known to be anomalous, or none to be normal.
    """
    labels, learned = sample.judged.labels, sample.training.labels
    assert labels is not None
    assert learned is not None
    for label, kind in ((1, "anomalous"), (0, "normal")):
        if not np.any(labels == label):
            early = np.any(learned == label)
            where = "after the first ones, which are learned from" if early else "of those that were drawn"
            hint = "learn from fewer" if early else "compete without labels, on faults put into readings"
            raise DataError(f"label column {column!r} calls no reading {kind} {where}; {hint}")


def _early(panel: Panel, share: float) -> NDArray[np.bool_]:
    counts = np.diff(panel.offsets)
    place = np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], counts)
    early: NDArray[np.bool_] = place < np.repeat(np.ceil(counts * share - 1e-9), counts)
    return early
