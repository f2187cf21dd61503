"""The false-alarm budget as a part of what a stream goes on from: by asset in parts, and what the fleet shares."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.detectors.base import Detector
from tocsin.detectors.budget import Budget
from tocsin.fleet.models import ModelTable
from tocsin.insights.base import Store
from tocsin.stream.packing import table_bytes, table_of

Ints = NDArray[np.int64]

SHARED = b"s/budget"
ROWS_PER_DAY = 1440.0
"""How many readings a day an asset is taken to send of whose training no times are known."""
DAY = 86_400_000_000_000


def begin(budget: Budget, detector: Detector, models: ModelTable, spans: Ints, slots: Ints) -> None:
    """Start a budget from what training says; `spans` are the nanoseconds that each model's training took, or 0."""
    plain = models.to_models()
    known = spans > 0
    daily = np.where(known, plain.rows / np.maximum(spans, 1) * DAY, ROWS_PER_DAY)
    budget.begin(detector, plain, rows_per_day=max(float(daily.sum()), 1.0), slots=slots)


def pack(budget: Budget, slots: Ints) -> pa.Table:
    """Return what is known of some assets, a row each."""
    columns = {"slot": pa.array(slots)}
    for name, array in budget.of_slots(slots).items():
        flat = pa.array(np.ascontiguousarray(array).reshape(-1))
        columns[name] = flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
    return pa.table(columns)


def unpack(budget: Budget, table: pa.Table) -> None:
    """Undo `pack`."""
    known: dict[str, NDArray[np.generic]] = {}
    for name in table.column_names[1:]:
        column = table.column(name).combine_chunks()
        wide = pa.types.is_fixed_size_list(column.type)
        known[name] = column.values.to_numpy().reshape(len(column), -1) if wide else column.to_numpy()
    budget.put_slots(table.column("slot").to_numpy(), known)


def put(budget: Budget) -> tuple[bytes, bytes]:
    """Return the put that says what the fleet shares."""
    columns = {
        name: pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), pa.array(array))
        for name, array in budget.shared().items()
    }
    return SHARED, table_bytes(pa.table(columns))


def resume(budget: Budget, store: Store) -> bool:
    """Take up what the fleet shares; return whether the store knows of it."""
    value = store.get(SHARED)
    if value is None:
        return False
    table = table_of(value)
    budget.put_shared({name: table.column(name).combine_chunks().values.to_numpy() for name in table.column_names})
    return True
