"""ECOD gives PyOD's numbers, row by row, in both forms, and the paper's where these are asked for."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.reference import ecod as reference
from tocsin import ECOD, Panel
from tocsin.errors import ParameterError, TocsinError

FORMS = ("exact", "sketch")
PYOD_WARNS = pytest.mark.filterwarnings("ignore:(Precision loss|invalid value):RuntimeWarning")


@pytest.fixture(scope="module")
def pyod():
    """Return PyOD's ECOD; it warns at import and at use, of nothing that matters here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyod.models.ecod import ECOD as PyOD

        yield PyOD


def samples():
    """Yield (name, training rows, new rows): ties, constants, few rows, and plain noise."""
    rng = np.random.default_rng(7)
    for rows in (1, 2, 3, 4, 5, 8, 50, 256, 257, 700):
        for width in (1, 4):
            yield f"normal {rows}x{width}", rng.normal(size=(rows, width)), 2 * rng.normal(size=(6, width))
            three = rng.integers(0, 3, (rows, width)).astype(float)
            yield f"ties {rows}x{width}", three, rng.integers(-1, 4, (9, width)).astype(float)
            coins = rng.integers(0, 2, (rows, width)).astype(float)
            yield f"coins {rows}x{width}", coins, rng.integers(-1, 3, (6, width)).astype(float)
            flat = rng.normal(size=(rows, width))
            flat[:, 0] = 7.3
            yield f"constant {rows}x{width}", flat, np.vstack([flat[:1], flat[:1] + 1, flat[:1] - 1])


SAMPLES = list(samples())


@PYOD_WARNS
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "X", "new"), SAMPLES, ids=[name for name, _, _ in SAMPLES])
def test_equals_pyod(pyod, form, name, X, new):
    theirs, ours = pyod(contamination=0.1).fit(X), ECOD(0.1, form=form).fit(X)
    np.testing.assert_allclose(ours.decision_scores_, theirs.decision_scores_, rtol=0, atol=1e-9)
    assert ours.threshold_ == pytest.approx(theirs.threshold_, abs=1e-9)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    if form == "exact" or len(X) <= 256:
        alone = [theirs.decision_function(row[None])[0] for row in new]
        np.testing.assert_allclose(ours.decision_function(new), alone, rtol=0, atol=1e-9)


def adbench(need):
    for path in sorted(need("adbench").glob("*.npz")):
        with np.load(path, allow_pickle=False) as content:
            yield path.stem, content["X"].astype(np.float64), content["y"].ravel()


@PYOD_WARNS
def test_adbench(pyod, need):
    """Training scores are PyOD's on all sets, a few new rows too; the sketch ranks rows as the exact form does."""
    names = []
    for name, X, y in adbench(need):
        theirs, exact, sketch = pyod().fit(X), ECOD(0.1, form="exact").fit(X), ECOD(0.1).fit(X)
        np.testing.assert_allclose(exact.decision_scores_, theirs.decision_scores_, rtol=0, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(sketch.decision_scores_, theirs.decision_scores_, rtol=0, atol=1e-9, err_msg=name)
        new = X[:: max(1, len(X) // 3)][:3] * 1.01
        alone = [theirs.decision_function(row[None])[0] for row in new]
        np.testing.assert_allclose(exact.decision_function(new), alone, rtol=0, atol=1e-9, err_msg=name)
        both = [roc_auc_score(y, form.decision_function(X)) for form in (exact, sketch)]
        assert both[1] == pytest.approx(both[0], abs=0.001), name
        names.append(name)
    assert len(names) == 22


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_definition_with_missing_values(seed, summed):
    rng = np.random.default_rng(seed)
    X = np.round(rng.gamma(2, size=(rng.integers(2, 60), 5)), int(rng.integers(0, 4)))
    X[rng.random(X.shape) < 0.2] = np.nan
    X[:, 4] = np.nan
    new = np.round(rng.gamma(2, size=(12, 5)), 1)
    new[rng.random(new.shape) < 0.2] = np.nan
    detector = ECOD(form="exact", tails="sum" if summed else "larger").fit(X)
    expected = reference.scores(X, X, new=False, summed=summed)
    np.testing.assert_allclose(detector.decision_scores_, expected, atol=1e-9)
    np.testing.assert_allclose(
        detector.decision_function(new), reference.scores(X, new, new=True, summed=summed), atol=1e-9
    )
    np.testing.assert_allclose(
        detector.contributions(new),
        [reference.contributions(X, row, new=True, summed=summed) for row in new],
        atol=1e-9,
    )


@pytest.mark.parametrize("tails", ["larger", "sum"])
def test_training_scores_are_scores_of_learned_rows(tails):
    X = np.random.default_rng(4).gamma(2, size=(400, 3))
    detector = ECOD(form="exact", tails=tails).fit(X)
    scores, _ = detector._score(detector.model_.state, Panel.of_matrix(X), 0, learned=True)
    np.testing.assert_allclose(scores, detector.decision_scores_, atol=1e-12)


@pytest.mark.parametrize("tails", ["larger", "sum"])
@pytest.mark.parametrize("form", FORMS)
def test_a_score_depends_on_its_row_alone(form, tails):
    rng = np.random.default_rng(3)
    detector = ECOD(form=form, tails=tails).fit(rng.normal(size=(900, 7)))
    new = rng.standard_t(2, size=(700, 7))
    together = detector.decision_function(new)
    alone = [detector.decision_function(row[None])[0] for row in new[::50]]
    np.testing.assert_array_equal(together[::50], alone)
    np.testing.assert_array_equal(detector.decision_function(new[::-1])[::-1], together)


@given(st.integers(0, 2**32), st.sampled_from([0.02, 0.05, 0.2]), st.integers(257, 3000))
def test_tail_error_of_a_sketch(seed, error, rows):
    """A contribution is off by no more than the log of the stated relative error of a tail."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=rows), rng.standard_cauchy(rows), rng.integers(0, 9, rows)])
    new = np.vstack([X[::17], rng.normal(size=(40, 3)) * 4])
    exact, sketch = ECOD(form="exact").fit(X), ECOD(tail_error=error).fit(X)
    gap = np.abs(sketch.contributions(new) - exact.contributions(new))
    assert gap.max() <= -np.log(1 - error) + 1e-9
    assert sketch.tail_errors(sketch.model_).max() <= error


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_model_is_small(dtype):
    X = np.random.default_rng(0).normal(size=(1440, 100)).astype(dtype)
    model = ECOD().fit(X).model_
    assert model.nbytes <= 120_000 * (1 if dtype == np.float64 else 0.5)
    assert len(pickle.dumps(X)) > 4 * model.nbytes


@pytest.mark.parametrize("parameters", [{}, {"form": "exact"}, {"tails": "sum"}, {"half_life": 400.0}])
def test_updates_learn_like_a_fit(parameters):
    """Learning in parts gives the model of all rows: exactly if all are kept, else within the stated error."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(3000, 4)) ** 3
    X[rng.random(X.shape) < 0.05] = np.nan
    parts = ECOD(**parameters).fit(X[:500])
    for start in range(500, 3000, 250):
        parts.partial_fit(X[start : start + 250])
    new = rng.normal(size=(200, 4)) ** 3
    assert parts.model_.rows.tolist() == [3000]
    assert parts.tail_errors(parts.model_).max() <= (0 if parameters.get("form") == "exact" else 0.05)
    if "half_life" not in parameters:
        whole = ECOD(**{**parameters, "form": "exact"}).fit(X)
        bound = 1e-9 if parameters.get("form") == "exact" else -np.log(0.95) * 4 + 1e-9
        assert np.abs(parts.decision_function(new) - whole.decision_function(new)).max() <= bound


def test_half_life_forgets_and_does_not_care_how_rows_are_cut():
    rng = np.random.default_rng(6)
    first, then = rng.normal(0, 1, (1000, 3)), rng.normal(20, 1, (3000, 3))
    one, many = (ECOD(half_life=200).fit(first) for _ in range(2))
    frozen = ECOD().fit(first).partial_fit(then)
    one.partial_fit(then)
    for start in range(0, 3000, 100):
        many.partial_fit(then[start : start + 100])
    new = np.array([[20.0, 20, 20], [0, 0, 0], [10, 10, 10]])
    assert one.decision_function(new)[1] > one.threshold_ > one.decision_function(new)[0]
    assert frozen.decision_function(new)[1] < frozen.threshold_
    gap = np.abs(one.decision_function(new) - many.decision_function(new))
    assert gap.max() <= 3 * 2 * -np.log(0.95)


@given(st.integers(0, 2**32))
def test_merged_models_keep_the_bound(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2400, 3)) * [1, 10, 100]
    detector = ECOD()
    panels = [Panel.of_matrix(part) for part in np.split(X, 4)]
    models = [detector.fit_panel(panel)[0] for panel in panels]
    left = detector.merge_models(models[0], models[1])
    merged = detector.merge_models(left, detector.merge_models(models[2], models[3]))
    assert merged.rows.tolist() == [2400]
    assert detector.tail_errors(merged).max() <= 0.05
    new = Panel.of_matrix(rng.normal(size=(100, 3)) * [2, 20, 200])
    expected = ECOD(form="exact").fit(X).contributions(new.values.T)
    gap = np.abs(detector.attribute_panel(merged, new).contribution - expected)
    assert gap.max() <= -np.log(0.95) + 1e-9


def test_p_value_is_the_share_of_training_scores_at_least_as_high():
    rng = np.random.default_rng(8)
    X, new = rng.normal(size=(800, 3)), rng.normal(size=(300, 3)) * 2
    for form, error in (("exact", 1e-12), ("sketch", 0.051)):
        detector = ECOD(form=form).fit(X)
        scores = detector.decision_function(new)
        expected = ((detector.decision_scores_[None, :] >= scores[:, None]).sum(1) + 1) / 801
        np.testing.assert_allclose(detector.p_values(new), expected, rtol=error)


def test_p_values_of_training_rows_are_shares_of_training_rows():
    X = np.random.default_rng(8).normal(size=(800, 3))
    detector = ECOD(form="exact")
    _, scores = detector.fit_panel(Panel.of_matrix(X))
    expected = (scores.score[None, :] >= scores.score[:, None]).mean(1)
    np.testing.assert_allclose(scores.p_value, expected, rtol=1e-12)


@pytest.mark.parametrize("change", [{"tail_error": 0.01}, {"form": "exact"}])
def test_models_learned_otherwise_are_refused(change):
    X = np.random.default_rng(0).normal(size=(800, 3))
    with pytest.raises(ParameterError, match="learned with another tail_error or form"):
        ECOD().fit(X).set_params(**change).predict(X)


def test_models_stay_small_when_they_learn():
    X = np.random.default_rng(0).normal(size=(20_000, 20)).astype(np.float32)
    detector = ECOD().fit(X[:1440])
    fresh = detector.model_.nbytes
    for start in range(1440, 20_000, 60):
        detector.partial_fit(X[start : start + 60])
    assert detector.model_.nbytes < 8 * fresh


def test_extrapolation_tells_far_from_farther_and_changes_nothing_inside():
    X = np.random.default_rng(9).normal(size=(1000, 2))
    plain, extended = ECOD().fit(X), ECOD(extrapolate=True).fit(X)
    top = X.max(0)
    new = np.array([top * 1.01, top * 1000, -top * 1000])
    assert np.ptp(plain.decision_function(new[:2])) == 0
    near, far, low = extended.decision_function(new)
    assert plain.decision_function(new[:1])[0] < near < far - 5
    assert low > near
    np.testing.assert_array_equal(plain.decision_function(X), extended.decision_function(X))
    for constant in (0.0, 5.0):
        flat = ECOD(extrapolate=True).fit(np.full((50, 1), constant))
        assert np.isfinite(flat.decision_function([[constant + 1], [constant]])).all()


def test_of_features_beyond_their_range_the_farthest_is_named_first():
    X = np.random.default_rng(11).normal(size=(600, 6)) * [1, 10, 100, 1000, 1, 1]
    detector = ECOD().fit(X)
    row = X.max(0) * 1.2
    for cause in range(6):
        broken = row.copy()
        broken[cause] *= 5
        told = detector.explain(broken[None], top=6)
        assert told["feature"][0] == f"x{cause}"
        assert told["contribution"].n_unique() == 1
        assert told.height == 6


def test_single_and_double_precision_agree():
    rng = np.random.default_rng(10)
    X = rng.normal(size=(600, 5)).astype(np.float32)
    single, double = ECOD().fit(X), ECOD().fit(X.astype(np.float64))
    np.testing.assert_array_equal(single.decision_scores_, double.decision_scores_)
    np.testing.assert_array_equal(single.decision_function(X.astype(np.float64)), double.decision_function(X))


def test_a_feature_that_is_constant_contributes_nothing_while_it_stays_so():
    X = np.column_stack([np.full(500, 2.5), np.random.default_rng(0).normal(size=500)])
    contributions = ECOD().fit(X).contributions([[2.5, 0.1], [2.6, 0.1]])
    assert contributions[0, 0] == pytest.approx(0.0, abs=1e-12)
    assert contributions[1, 0] == pytest.approx(np.log(501))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"contamination": 0.0}, "contamination must be above 0 and at most 0.5, not 0.0"),
        ({"contamination": 0.6}, "contamination"),
        ({"form": "exakt"}, "form must be 'sketch' or 'exact', not 'exakt'"),
        ({"tails": "both"}, "tails must be"),
        ({"tail_error": 0.0}, "tail_error must be above 0"),
        ({"half_life": -1.0}, "half_life must be a positive number of rows"),
        ({"infinite": "drop"}, "infinite must be"),
        ({"contamination": "0.1"}, "contamination must be above 0 and at most 0.5, not '0.1'"),
        ({"extrapolate": "no"}, "extrapolate must be True or False, not 'no'"),
        ({"half_life": "7d"}, "half_life must be a positive number of rows, not '7d'"),
    ],
)
def test_parameters_that_make_no_sense(parameters, said):
    with pytest.raises(ParameterError, match=said):
        ECOD(**parameters).fit(np.zeros((5, 2)))


def test_infinite_values_are_refused_or_missing():
    X = np.random.default_rng(0).normal(size=(300, 2))
    X[3, 1] = np.inf
    with pytest.raises(TocsinError, match="infinite"):
        ECOD().fit(X)
    taken = ECOD(infinite="missing").fit(X)
    X[3, 1] = np.nan
    np.testing.assert_array_equal(taken.decision_scores_, ECOD().fit(X).decision_scores_)
    assert taken.contributions([[0.0, -np.inf]])[0, 1] == 0.0


def test_assets_without_rows_and_models_without_panels():
    panel = Panel(np.zeros((2, 0)), np.zeros(3, np.int64), pa.array(["a", "b"]), ("x", "y"))
    models, scores = ECOD().fit_panel(panel)
    assert models.threshold.tolist() == [np.inf, np.inf]
    assert len(scores.score) == 0
    new = Panel(np.ones((2, 2)), np.array([0, 1, 2]), pa.array(["a", "b"]), ("x", "y"))
    assert ECOD().score_panel(models, new)[0].score.tolist() == [0.0, 0.0]
    with pytest.raises(TocsinError, match="2 models for a panel of 1 assets"):
        ECOD().score_panel(models, Panel.of_matrix([[1.0, 2.0]]))
