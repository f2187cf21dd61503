"""Panels do not depend on how the input is ordered, stored or cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.panel import Panel
from tocsin.tables import Columns, Readings, open_readings

KEYED = Columns(key="key", time="at")


def made(assets: int, ticks: int, width: int = 3, seed: int = 0) -> pl.DataFrame:
    """Return a wide table in key order; some values are missing."""
    rng = np.random.default_rng(seed)
    rows = assets * ticks
    values = rng.standard_normal((width, rows))
    values[rng.random((width, rows)) < 0.05] = np.nan
    data = {f"f{i}": pl.Series(values[i]).fill_nan(None) for i in range(width)}
    keys = [f"asset-{i // ticks}" for i in range(rows)]
    return pl.DataFrame({"key": keys, "at": [i % ticks for i in range(rows)], **data})


def by_asset(panels: list[Panel]) -> dict[object, tuple[np.ndarray, np.ndarray | None]]:
    """Return values and times of each asset, in the order of the panels."""
    found: dict[object, tuple[np.ndarray, np.ndarray | None]] = {}
    for panel in panels:
        for i, key in enumerate(panel.keys.to_pylist()):
            assert key not in found, "an asset is in one panel only"
            part = slice(panel.offsets[i], panel.offsets[i + 1])
            found[key] = panel.values[:, part], None if panel.times is None else panel.times[part]
    return found


def same(one: list[Panel], other: list[Panel], *, order: bool = True) -> None:
    first, second = by_asset(one), by_asset(other)
    assert list(first) == list(second) if order else set(first) == set(second)
    for key, (values, times) in first.items():
        np.testing.assert_array_equal(values, second[key][0])
        np.testing.assert_array_equal(times, second[key][1])


def panels_of(source: object, columns: Columns = KEYED, *, target: int | None = None, **options: object) -> list[Panel]:
    return list(open_readings(source, columns, **options).panels(target))


def test_first_appearance_is_the_order_of_assets() -> None:
    frame = pl.DataFrame({"key": ["b", "a", "b", "c", "a"], "at": [2, 1, 1, 1, 0], "x": [1.0, 2.0, 3.0, 4.0, 5.0]})
    (panel,) = panels_of(frame)
    assert panel.keys.to_pylist() == ["b", "a", "c"]
    assert panel.offsets.tolist() == [0, 2, 4, 5]
    assert panel.values.tolist() == [[3.0, 1.0, 5.0, 2.0, 4.0]]
    assert panel.times is not None
    assert panel.times.tolist() == [1, 2, 0, 1, 1]


@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(1, 9), st.sampled_from([1, 7, None]))
def test_any_permutation_gives_the_same_panels(random: object, assets: int, ticks: int, target: int | None) -> None:
    frame = made(assets, ticks)
    places = list(range(frame.height))
    random.shuffle(places)  # type: ignore[attr-defined]
    shuffled = frame[places]
    same(panels_of(frame), panels_of(shuffled, target=target), order=False)


@pytest.mark.parametrize("order", ["key", "time", "random"])
@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv", ".ndjson"])
@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_storage_and_memory_do_not_matter(tmp_path: Path, order: str, suffix: str, memory: int) -> None:
    frame = made(7, 50)
    if order != "key":
        frame = (
            frame.sort("at", maintain_order=True) if order == "time" else frame.sample(fraction=1, shuffle=True, seed=3)
        )
    path = tmp_path / f"readings{suffix}"
    writers = {".parquet": "write_parquet", ".arrow": "write_ipc", ".csv": "write_csv", ".ndjson": "write_ndjson"}
    getattr(frame, writers[suffix])(path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for target in (1, 60, None):
        same(panels_of(frame), panels_of(path, target=target, memory_limit=memory, tmp=scratch))
        assert not list(scratch.iterdir())


@pytest.mark.parametrize("step", [1, 10, 49, 1000])
def test_row_groups_may_cut_assets(tmp_path: Path, step: int) -> None:
    frame = made(7, 50)
    frame.write_parquet(tmp_path / "r.parquet", row_group_size=step)
    for target in (1, 75, None):
        same(panels_of(frame), panels_of(tmp_path / "r.parquet", target=target))


def test_target_rows_bound_panels() -> None:
    sizes = [panel.n_rows for panel in panels_of(made(7, 50), target=120)]
    assert sizes == [100, 100, 100, 50]


def test_panels_can_be_taken_twice(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    made(3, 5).write_csv(path)
    readings: Readings = open_readings(path, KEYED)
    same(list(readings.panels()), list(readings.panels()))
    assert readings.notes.lines() == []
