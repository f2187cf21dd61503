"""An anchor knows what blocks are usually like, and comes back from a model's state as it was."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tocsin.detectors.anchor import Anchor
from tocsin.detectors.drift import sketched
from tocsin.panel import Panel


def panel(seed, assets=3, rows=400, shift=0.0):
    values = np.random.default_rng(seed).normal(shift, 1.0, (2, assets * rows))
    return Panel(values, np.arange(assets + 1) * rows, pa.array(range(assets)), ("a", "b"))


def quiet(block):
    return np.zeros(block.n_rows, np.bool_)


def test_distances_are_those_of_the_rows():
    anchor = Anchor.begin(sketched(panel(0, rows=5_000)), 3)
    assert anchor.seen(panel(1), quiet(panel(1)))[:, :2] == pytest.approx(0.05, abs=0.05)
    assert anchor.seen(panel(1, shift=1.0), quiet(panel(1)))[:, :2] == pytest.approx(0.383, abs=0.06)


def test_the_share_of_alerts_comes_last():
    block = panel(1)
    alerts = quiet(block)
    alerts[:100] = alerts[800:810] = True
    anchor = Anchor.begin(sketched(panel(0)), 3)
    assert anchor.seen(block, alerts)[:, -1].tolist() == [0.25, 0.0, 0.025]


def test_usual_is_the_mean_and_some_deviations():
    anchor = Anchor.begin(sketched(panel(0)), 3)
    seen = [anchor.seen(panel(seed), quiet(panel(seed))) for seed in range(1, 9)]
    for found in seen:
        anchor = anchor.absorb(found, np.array([True, True, False]))
    assert anchor.blocks.tolist() == [8, 8, 0]
    expected = np.mean(seen, axis=0) + 4 * np.std(seen, axis=0, ddof=1)
    assert anchor.bounds(4.0, 0.75, 7)[:2] == pytest.approx(expected[:2])
    assert anchor.bounds(4.0, 0.75, 7)[2].tolist() == [0.75, 0.75, 0.0]


def test_what_is_missing_does_not_count():
    block = panel(1)
    block.values[1] = np.nan
    anchor = Anchor.begin(sketched(panel(0)), 3)
    found = anchor.seen(block, quiet(block))
    assert np.isnan(found[:, 1]).all()
    assert np.isfinite(anchor.absorb(found, np.ones(3, np.bool_)).means).all()


def test_without_sketches_it_knows_alerts_alone():
    anchor = Anchor.begin(None, 3)
    assert anchor.seen(panel(1), quiet(panel(1))).shape == (3, 1)


def test_it_comes_back_from_a_state_and_can_be_taken_apart():
    reference = panel(0)
    reference.values[0, :400] = np.nan
    anchor = Anchor.begin(sketched(reference), 3)
    anchor = anchor.absorb(anchor.seen(panel(1), quiet(panel(1))), np.ones(3, np.bool_))
    again = Anchor.from_state(anchor.to_state())
    part = anchor.take(np.array([2, 0]))
    block = panel(2)
    for other, rows in ((again, slice(None)), (part, [2, 0])):
        assert np.array_equal(other.means, anchor.means[rows])
        assert np.array_equal(other.squares, anchor.squares[rows])
    both = block.take_assets(np.array([2, 0]))
    expected = anchor.seen(block, quiet(block))[[2, 0]]
    assert np.array_equal(part.seen(both, quiet(both)), expected, equal_nan=True)


def test_what_is_usual_can_be_put_into_another():
    whole, part = Anchor.begin(sketched(panel(0)), 3), Anchor.begin(sketched(panel(0, assets=1)), 1)
    part = part.absorb(part.seen(panel(1, assets=1), np.zeros(400, np.bool_)), np.ones(1, np.bool_))
    assert whole.put(np.array([1]), part).blocks.tolist() == [0, 1, 0]
    assert np.array_equal(whole.put(np.array([1]), part).means[1], part.means[0])
