"""Ensembles combine p-values as their authors do, and pass on what their members say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tocsin import ECOD, MAD, Ensemble, Panel
from tocsin.detectors.ensemble import combined
from tocsin.errors import DataError, ParameterError


def readings(rows=200, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, 3))


P_VALUES = np.random.default_rng(0).uniform(1e-4, 0.99, (3, 50))


@pytest.mark.parametrize(("how", "name"), [("fisher", "fisher"), ("stouffer", "stouffer")])
def test_combined_as_scipy_does(how, name):
    scores, shares = combined(P_VALUES, how)
    np.testing.assert_allclose(10.0**-scores, stats.combine_pvalues(P_VALUES, method=name).pvalue, rtol=1e-9)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)


def test_smallest_and_cauchy():
    scores, shares = combined(P_VALUES, "minimum")
    np.testing.assert_allclose(10.0**-scores, np.minimum(1.0, 3 * P_VALUES.min(axis=0)))
    np.testing.assert_array_equal(shares.argmax(axis=0), P_VALUES.argmin(axis=0))
    statistic = np.tan((0.5 - P_VALUES) * np.pi).mean(axis=0)
    np.testing.assert_allclose(10.0 ** -combined(P_VALUES, "cauchy")[0], stats.cauchy.sf(statistic), rtol=1e-9)


@pytest.mark.parametrize("how", ["fisher", "stouffer", "minimum", "cauchy"])
def test_the_ends_are_finite_and_shares_are_whole(how):
    p_values = np.array([[1.0, 1.0, 1e-9, 1e-9], [1.0, 1e-9, 1.0, 1e-9]])
    scores, shares = combined(p_values, how)
    assert np.isfinite(scores).all()
    assert scores[3] > scores[0]
    assert scores[0] >= 0.0
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    assert (shares >= 0.0).all()


def test_contributions_are_those_of_the_members():
    X, new = readings(), readings(seed=1)
    detector = Ensemble(detectors="ecod,mad", combine="minimum").fit(X)
    scores, parts = detector.decision_function(new), detector.contributions(new)
    members = [ECOD().fit(X), MAD().fit(X)]
    lead = np.argmin([each.p_values(new) for each in members], axis=0)
    for row in range(len(new)):
        own = members[lead[row]].contributions(new)[row]
        np.testing.assert_allclose(parts[row], scores[row] * own / own.sum(), atol=1e-12)


def test_what_it_is_follows_from_its_members():
    assert Ensemble(detectors="ecod,mad").incremental
    assert not Ensemble(detectors="ecod,autoencoder").incremental
    assert not Ensemble(detectors="ecod").temporal
    assert Ensemble(detectors="ecod,stl").temporal
    assert not Ensemble(detectors="autoencoder").temporal
    assert Ensemble(detectors="autoencoder(kind=convolutional)").temporal
    assert Ensemble(detectors="lightgbm, ecod").supervised
    with pytest.raises(DataError, match="Ensemble learns from labels"):
        Ensemble(detectors="lightgbm,ecod").fit(readings())
    X = readings()
    usual, odd = Ensemble(detectors="lightgbm,ecod").fit(X, X[:, 0] > 1.0).decision_function([[0.0] * 3, [3.0, 0, 0]])
    assert odd > usual + 0.5


def test_a_member_with_parts_joins():
    X = readings()
    detector = Ensemble(detectors="stl,zscore").fit(X)
    new = readings(20, seed=1)
    new[7, 1] = 9.0
    np.testing.assert_allclose(detector.contributions(new).sum(axis=1), detector.decision_function(new))
    told = detector.explain(new, top=1).filter(row=7)
    assert told["feature"].item() == "x1"
    assert told["limit"].item() is None
    assert detector.partial_fit(new).model_.rows.tolist() == [220]


def test_merged_models_are_those_of_all_rows():
    X, more = readings(), readings(seed=1)
    detector = Ensemble(detectors="mad,zscore")
    parts = [detector.fit_panel(Panel.of_matrix(each))[0] for each in (X, more)]
    merged = detector.merge_models(*parts)
    assert merged.rows.tolist() == [400]
    whole, _ = detector.fit_panel(Panel.of_matrix(np.concatenate([X, more])))
    row = Panel.of_matrix([[0.3, 4.0, -0.2]])
    told = [detector.score_panel(models, row)[0].score for models in (merged, whole)]
    np.testing.assert_allclose(*told, rtol=0.1)


def test_settings_of_members():
    detector = Ensemble(detectors=" ECOD(tail_error=0.02, form=exact) , mad(half_life=None),ecod(extrapolate=True)")
    first, second, third = detector.members
    assert (first.tail_error, first.form, second.half_life, third.extrapolate) == (0.02, "exact", None, True)


@pytest.mark.parametrize(
    ("detectors", "said"),
    [
        ("", "detectors must be names as in"),
        ("ecod,", "detectors must be names as in"),
        ("ecod mad", "detectors must be names as in"),
        ("ecod(", "detectors must be names as in"),
        ("ecodd", "no detector 'ecodd'; did you mean 'ecod'"),
        ("ecod(tailerror=1)", "ECOD has no setting 'tailerror'; did you mean 'tail_error'"),
        ("ecod(exact)", "'exact' is no setting of ECOD; write name=value"),
        ("ecod(tail_error=7)", "tail_error must be above 0 and at most 0.5"),
        (["ecod", "mad"], "detectors must be text such as"),
        (None, "detectors must be text such as"),
        ("ensemble", "an ensemble cannot be a member of an ensemble"),
    ],
)
def test_text_that_names_no_detectors(detectors, said):
    with pytest.raises(ParameterError, match=said):
        Ensemble(detectors=detectors).fit(readings())


def test_no_other_way_to_combine():
    with pytest.raises(ParameterError, match="combine must be one of fisher, stouffer, minimum, cauchy, not 'mean'"):
        Ensemble(combine="mean").fit(readings())


def test_models_of_other_detectors_are_refused():
    detector = Ensemble(detectors="ecod").fit(readings())
    with pytest.raises(ParameterError, match="learned with other detectors"):
        detector.set_params(detectors="ecod,mad").predict(readings())
