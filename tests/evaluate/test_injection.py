"""Known faults in real readings: where they are, how large, in which sensors, and that nothing else changes."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.injection import KINDS, LEAD, inject
from tocsin.evaluate.truth import at_fault
from tocsin.kernels.mad import NORMAL_MEDIAN
from tocsin.panel import Panel

START = int(datetime(2026, 1, 1).timestamp()) * 10**9
MINUTE = 60 * 10**9


def panel(keys=("a", "b", "c"), rows: int = 600, seed: int = 0) -> Panel:
    """Return flow and heat that go together far from 0, a load about 0, a switch that is rarely turned, a constant."""
    random = np.random.default_rng(seed)
    total = rows * len(keys)
    flow = random.normal(50.0, 2.0, total)
    values = np.stack(
        [flow, 2.0 * flow + random.normal(0.0, 1.0, total), random.normal(0.0, 3.0, total),
         (np.arange(total) // 50 % 2).astype(np.float64), np.full(total, 4.0)]
    )  # fmt: skip
    values[0, random.random(total) < 0.05] = np.nan
    offsets = np.arange(len(keys) + 1, dtype=np.int64) * rows
    times = START + np.tile(np.arange(rows), len(keys)) * MINUTE
    return Panel(values, offsets, pa.array(list(keys)), ("flow", "heat", "load", "switch", "fixed"), times)


def test_only_the_rows_and_the_feature_of_a_fault_change():
    rest = panel(seed=1)
    done = inject(rest, panel())
    assert len(done.truth) == 9
    assert not done.left_out
    changed = (done.panel.values != rest.values) & ~np.isnan(rest.values)
    allowed = np.zeros_like(changed)
    for row in done.truth.iter_rows(named=True):
        own = rest.features.index(row["feature"]), slice(row["first_row"], row["last_row"] + 1)
        assert changed[own].any(), row
        allowed[slice(None) if row["kind"] == "process" else own[0], own[1]] = True
    assert not (changed & ~allowed).any()
    np.testing.assert_array_equal(np.isnan(done.panel.values), np.isnan(rest.values))
    np.testing.assert_array_equal(done.panel.labels, allowed.any(axis=0))


def test_the_truth_is_what_labels_and_metrics_take():
    rest = panel(seed=1)
    done = inject(rest, panel(), time_type=pa.timestamp("ns"))
    rows = pl.DataFrame({"key": np.repeat(["a", "b", "c"], 600), "time": pl.Series(rest.times).cast(pl.Datetime("ns"))})
    np.testing.assert_array_equal(at_fault(rows, done.truth), done.panel.labels)


def test_faults_come_after_a_clean_lead_and_never_touch():
    rest = panel(seed=1)
    for seed in range(20):
        truth = inject(rest, panel(), seed).truth
        first = truth.with_columns(row=pl.col("first_row") % 600, last=pl.col("last_row") % 600)
        assert first["row"].min() >= LEAD * 600
        gaps = first.select((pl.col("row") - pl.col("last").shift(1)).over("asset")).to_series().drop_nulls()
        assert gaps.min() > 1
        spikes = truth.filter(pl.col("kind") == "spike").select(pl.col("last_row") - pl.col("first_row")).to_series()
        assert (spikes <= 2).all()


def test_kinds_come_in_turn_in_features_where_they_are_faults():
    able = {
        "stuck": {"flow", "heat", "load"}, "correlation": {"flow", "heat"}, "contact": {"flow", "heat"},
        **{kind: {"flow", "heat", "load", "switch"} for kind in ("spike", "shift", "drift", "variance", "process")},
    }  # fmt: skip
    every = pl.concat([inject(panel(seed=1), panel(), seed).truth for seed in range(30)])
    found = {kind: set(own["feature"]) for (kind,), own in every.group_by("kind")}
    assert found == able
    one = inject(panel(seed=1), panel(), faults=len(KINDS)).truth
    assert all(sorted(own["kind"]) == sorted(KINDS) for _, own in one.group_by("asset"))


def test_a_fault_of_the_process_moves_several_features_the_named_one_most():
    rest, usual = panel(seed=1), panel()
    counts = set()
    for seed in range(10):
        done = inject(rest, usual, seed, kinds=["process"])
        for row in done.truth.iter_rows(named=True):
            asset = row["first_row"] // 600
            own = slice(row["first_row"], row["last_row"] + 1)
            moved = np.nan_to_num(np.nanmean((done.panel.values - rest.values)[:, own], axis=1))
            learned = usual.values[:, asset * 600 : (asset + 1) * 600]
            middle = np.nanmedian(learned, axis=1, keepdims=True)
            spread = NORMAL_MEDIAN * np.nanmedian(np.abs(learned - middle), axis=1)
            deviations = np.abs(moved[:4] / spread[:4])
            assert rest.features[deviations.argmax()] == row["feature"]
            assert (deviations > 0.4).sum() == (deviations > 0.0).sum() >= 2
            counts.add(int((deviations > 0.0).sum()))
    assert counts == {2, 3, 4}
    alone = [Panel(each.values[:1].copy(), each.offsets, each.keys, ("flow",), each.times) for each in (rest, usual)]
    with pytest.raises(DataError, match="no feature varies enough"):
        inject(*alone, kinds=["process"])


def test_sizes_are_in_robust_deviations_and_cover_their_range():
    rest, usual = panel(seed=1), panel()
    every = [inject(rest, usual, seed, kinds=["shift"]) for seed in range(30)]
    sizes = pl.concat([each.truth for each in every])["size"].to_numpy()
    assert (np.abs(sizes).min() < 1.2, np.abs(sizes).max() > 5.0) == (True, True)
    assert (1.0 <= np.abs(sizes).min(), np.abs(sizes).max() <= 6.0) == (True, True)
    assert 0.3 < (sizes > 0).mean() < 0.7
    row = every[0].truth.filter(pl.col("feature") == "load").row(0, named=True)
    asset = row["first_row"] // 600
    load = usual.values[2, asset * 600 : (asset + 1) * 600]
    deviation = NORMAL_MEDIAN * np.median(np.abs(load - np.median(load)))
    added = (every[0].panel.values - rest.values)[2, row["first_row"]]
    assert added == pytest.approx(row["size"] * deviation)


def test_an_asset_has_its_faults_whatever_the_others_are():
    rest, usual = panel(seed=1), panel()
    whole = inject(rest, usual, 3)
    chosen = np.array([2, 0])
    some = inject(rest.take_assets(chosen), usual.take_assets(chosen), 3)
    np.testing.assert_array_equal(some.panel.values, whole.panel.take_assets(chosen).values)
    assert inject(rest, usual, 3).truth.equals(whole.truth)
    assert not inject(rest, usual, 4).truth.equals(whole.truth)


def test_without_times_the_truth_counts_rows():
    rest, usual = panel(seed=1), panel()
    bare = [Panel(each.values, each.offsets, each.keys, each.features) for each in (rest, usual)]
    truth = inject(*bare).truth
    assert truth["onset"].to_list() == (truth["first_row"] % 600).to_list()


def test_assets_without_room_or_without_anything_that_varies_are_named():
    rest, usual = panel(seed=1), panel()
    short = rest.take_rows(np.concatenate([np.arange(10), np.arange(600, 1800)]))
    done = inject(short, usual)
    assert set(done.truth["asset"]) == {"b", "c"}
    assert "10 rows to judge" in done.left_out["a"]
    flat = usual.take_rows(np.arange(600, 1800))
    assert "varies" in inject(rest, flat).left_out["a"]


def test_mistakes():
    rest, usual = panel(seed=1), panel()
    with pytest.raises(ParameterError, match="no fault 'spkie'; did you mean 'spike'"):
        inject(rest, usual, kinds=["spkie"])
    with pytest.raises(ParameterError, match="at least one kind"):
        inject(rest, usual, kinds=[])
    with pytest.raises(ParameterError, match="faults must be"):
        inject(rest, usual, faults=0)
    with pytest.raises(DataError, match="same assets"):
        inject(rest, usual.take_assets(np.array([1, 0, 2])))
    with pytest.raises(DataError, match=r"'a': it has 10 rows .* nor in any of the other 1"):
        inject(panel("ab", rows=10), panel("ab"))
