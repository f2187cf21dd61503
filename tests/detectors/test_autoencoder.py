"""Autoencoders learn how features hang together, each asset by itself, and say clearly where they cannot."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest

from tocsin import Autoencoder, Fleet, Panel
from tocsin.detectors import autoencoder
from tocsin.errors import DataError, ParameterError
from tocsin.kernels.autoencoder import Layout


def together(rows=240, seed=0):
    """Return four features that follow one load."""
    rng = np.random.default_rng(seed)
    load = rng.uniform(-1.0, 1.0, rows)
    return np.column_stack([load, load**2, -load, np.sin(2 * load)]) + rng.normal(0.0, 0.02, (rows, 4))


def panel_of(matrices, names=None):
    values = np.ascontiguousarray(np.concatenate(matrices).T)
    offsets = np.cumsum([0, *(len(each) for each in matrices)])
    keys = pa.array(names or [f"pump {i}" for i in range(len(matrices))])
    return Panel(values, offsets, keys, tuple("abcd"[: len(values)]))


def waves(rows, seed):
    noise = np.random.default_rng(seed).normal(0.0, 0.05, (rows, 2))
    phase = 2 * np.pi * np.arange(rows) / 8
    return np.column_stack([np.sin(phase), np.cos(phase)]) + noise


def test_an_unusual_combination_of_usual_values_is_seen():
    detector = Autoencoder(code=1).fit(together())
    row = np.array([[0.5, 0.8, -0.5, np.sin(1.0)]])  # the second one should be 0.25
    assert detector.predict(row).tolist() == [1]
    assert detector.explain(row, top=1)["feature"].item() == "x1"
    assert 0.1 < detector.decision_function(together(seed=1)).mean() < 1.5


def test_a_convolution_sees_what_is_unusual_at_its_time_and_goes_on_where_it_was_left():
    X = waves(480, 0)
    detector = Autoencoder(kind="convolutional", code=4).fit(X)
    later = waves(480 + 64, 1)[480:]
    later[20] = later[24]  # half a cycle off
    scores = detector.decision_function(later)
    assert scores.argmax() == 20
    assert detector.predict(later)[20] == 1
    # Rows go on from the last that were learned, and one by one they say the same.
    panel = Panel.of_matrix(np.concatenate([X[-15:], later]))
    nets = autoencoder.Net.of_state(detector.model_.state, detector._layout(2))
    nets = nets._replace(past=np.full_like(nets.past, np.nan))
    np.testing.assert_array_equal(nets.weigh(panel, nets.errors(panel))[15:], scores)


def test_limits_of_a_convolution_hold_with_the_rows_before():
    X = waves(240, 0)
    X[::40, 0] += 1.5
    detector = Autoencoder(0.05, kind="convolutional", window=8, epochs=5).fit(X)
    told = detector.explain(X, top=2).drop_nulls("limit")
    assert len(told) > 3
    for line in told.iter_rows(named=True):
        rows = X[: line["row"] + 1].copy()
        assert detector.predict(rows)[-1] == 1
        rows[-1, int(line["feature"][1:])] = line["limit"]
        assert detector.predict(rows)[-1] == 0


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_a_network_does_not_depend_on_the_company_it_is_trained_in(kind):
    matrices = [together(240, seed) for seed in range(19)]
    detector = Autoencoder(kind=kind, window=4, patch=2, epochs=3)
    models, scores = detector.fit_panel(panel_of(matrices))
    order = np.random.default_rng(0).permutation(19)
    shuffled, _ = detector.fit_panel(panel_of([matrices[i] for i in order]))
    single, own = detector.fit_panel(panel_of([matrices[17]]))
    for name, entry in models.take(order).state.items():
        np.testing.assert_array_equal(entry.values, shuffled.state[name].values)
    np.testing.assert_array_equal(models.take(np.array([17])).state["weights"].values, single.state["weights"].values)
    np.testing.assert_array_equal(scores.score[17 * 240 : 18 * 240], own.score)


def test_each_asset_stops_by_itself_with_its_best_weights():
    layout = Layout(1, 1, 4, 6, 1)
    start = autoencoder._first_weights(layout, 0)
    training = np.stack([together(96, seed).T for seed in range(16)]).astype(np.float32)
    validation = np.stack([together(32, seed + 50).T for seed in range(16)]).astype(np.float32)
    validation[3] = np.random.default_rng(0).normal(size=(4, 32))  # nothing that is learned helps here
    patient, good = autoencoder.train(layout, 32, start, training, validation, 0.01, 30, 30)
    hasty, _ = autoencoder.train(layout, 32, start, training, validation, 0.01, 30, 1)
    few, _ = autoencoder.train(layout, 32, start, training, validation, 0.01, 5, 30)
    assert good.all()
    loss = autoencoder._loss(layout)
    for lane in range(16):
        reached = [
            float(loss(each[lane], validation[lane])) for each in (patient, hasty, few, start[None].repeat(16, 0))
        ]
        assert reached[0] <= min(reached[1:])
    assert float(loss(patient[0], validation[0])) < 0.5 * float(loss(few[0], validation[0]))
    assert (patient[3] != hasty[3]).any()


def test_an_asset_that_diverges_is_named_and_harms_no_other():
    layout = Layout(1, 1, 4, 6, 1)
    start = autoencoder._first_weights(layout, 0)
    training = np.stack([together(96, seed).T for seed in range(16)]).astype(np.float32)
    alone, _ = autoencoder.train(layout, 32, start, training, training, 0.01, 3, 3)
    training[5] *= 1e25  # its squares are infinite
    found, good = autoencoder.train(layout, 32, start, training, training, 0.01, 3, 3)
    assert np.flatnonzero(~good).tolist() == [5]
    others = np.arange(16) != 5
    np.testing.assert_array_equal(found[others], alone[others])
    with pytest.raises(
        DataError, match=r"the training of asset 'pump 0' diverged .and 1 more asset.; lower learning_rate"
    ):
        Autoencoder(learning_rate=1e30).fit_panel(panel_of([together(), together(seed=1)]))


def test_the_seed_says_what_is_drawn():
    first, again, other = (Autoencoder(epochs=2, seed=seed).fit(together()).decision_scores_ for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_missing_values_count_for_nothing():
    X = together()
    X[::3, 1] = np.nan
    detector = Autoencoder(epochs=5).fit(X)
    parts = detector.contributions(X)
    assert (parts[::3, 1] == 0.0).all()
    assert (parts[1::3, 1] > 0.0).all()


def test_constant_and_unseen_features():
    X = together()
    X[:, 1], X[:, 2] = 3.0, np.nan
    detector = Autoencoder(epochs=5).fit(X)
    usual, moved, appeared = np.tile(X[:1], (3, 1))
    moved[1], appeared[2] = 3.1, 1e6
    assert detector.predict([usual, moved, appeared]).tolist() == [0, 1, 0]
    assert detector.explain([moved], top=1)["feature"].item() == "x1"


def test_scoring_needs_no_extra(monkeypatch):
    detector = Autoencoder(epochs=2).fit(together())
    scores = detector.decision_function(together(seed=1))
    autoencoder._program.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "jax"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jax", None)
    np.testing.assert_array_equal(detector.decision_function(together(seed=1)), scores)
    with pytest.raises(
        ParameterError, match=r'Autoencoder needs jax, which is not installed: pip install "tocsin\[deep\]"'
    ):
        Autoencoder().fit(together())


def test_a_fleet_of_them_is_saved_and_opened(tmp_path):
    import polars as pl

    frames = [
        pl.DataFrame(together(240, seed), schema=list("abcd")).with_columns(pump=pl.lit(f"p{seed}")) for seed in (0, 1)
    ]
    readings = pl.concat(frames)
    fleet = Fleet(Autoencoder(kind="convolutional", epochs=3), key="pump").fit(readings)
    fleet.save(tmp_path / "fleet")
    opened = Fleet.load(tmp_path / "fleet")
    assert opened.detector.get_params() == fleet.detector.get_params()
    assert opened.score(readings, explain=1).equals(fleet.score(readings, explain=1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "recurrent"}, "kind must be 'dense' or 'convolutional', not 'recurrent'"),
        ({"hidden": 0}, "hidden must be a whole number of at least 1, not 0"),
        ({"code": 2.5}, "code must be a whole number"),
        ({"window": 10}, "window must be a whole number of patches: 10 is no multiple of 4"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0"),
        ({"validation": 0.9}, "validation must be above 0 and at most 0.5"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"epochs": True}, "epochs must be a whole number"),
    ],
)
def test_parameters_that_make_no_sense(settings, said):
    with pytest.raises(ParameterError, match=said):
        Autoencoder(**settings).fit(together())


def test_a_window_longer_than_a_history_is_refused():
    panel = panel_of([together(30), together(9), together(3)])
    with pytest.raises(DataError, match=r"asset 'pump 1' has 9 rows, fewer than the window of 16 .and 1 more asset"):
        Autoencoder(kind="convolutional").fit_panel(panel)
    with pytest.raises(DataError, match=r"X has 9 rows, fewer than the window of 16; set a smaller window"):
        Autoencoder(kind="convolutional").fit(together(9))


def test_models_of_another_shape_are_refused():
    detector = Autoencoder(epochs=1).fit(together())
    with pytest.raises(ParameterError, match="learned with another kind, hidden, code, window or patch"):
        detector.set_params(hidden=5).predict(together())


def test_assets_without_rows_are_no_trouble():
    panel = panel_of([together(40), together(0), together(50)])
    models, scores = Autoencoder(epochs=2).fit_panel(panel)
    assert len(models) == 3
    assert np.isfinite(scores.score).all()
