"""Where the public data lies: TOCSIN_DATA, else ../shared/data beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl


def find(name: str) -> Path:
    """Return a path inside the data."""
    path = Path(os.environ.get("TOCSIN_DATA") or Path(__file__).parents[3] / "shared" / "data") / name
    if not path.exists():
        raise SystemExit(f"no {path}; set TOCSIN_DATA to the folder of the public data")
    return path


def matrix(frame: pl.DataFrame) -> np.ndarray:
    """Return a table as other libraries want it: C-contiguous, of shape (n_rows, n_features)."""
    return np.ascontiguousarray(frame.to_numpy())
