"""A confirmed change of regime is normal at once, and what was normal before stays so."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin import ECOD, PCA
from tocsin.errors import DataError, ParameterError
from tocsin.stream.adapting.policy import LEARNED, learn_blocks, vouched
from tocsin.stream.adapting.regimes import FEWEST, adopt, begun

DAY = 144


def hours(fleet, day, rows):
    """Return the first rows of a day."""
    panel = fleet.days(day, day + 1)
    places = np.arange(panel.n_rows) - np.repeat(panel.offsets[:-1], np.diff(panel.offsets))
    return panel.take_rows(np.flatnonzero(places < rows))


@pytest.mark.parametrize("half_life", [DAY, 7 * DAY])
@pytest.mark.parametrize(("rows", "most"), [(36, 0.15), (72, 0.05)])
def test_alerts_stop_after_some_hours_of_a_new_regime(fleet, half_life, rows, most):
    detector = ECOD(half_life=half_life)
    new = fleet.shifted(14, 4.0, assets=range(6), features=range(3))
    models = detector.fit_panel(fleet.days(0, 14))[0]
    assert detector.score_panel(models, new.days(15, 16))[0].alert.mean() > 0.9
    models = adopt(detector, models, hours(new, 14, rows))
    assert detector.score_panel(models, new.days(15, 16))[0].alert.mean() < most
    assert detector.score_panel(models, fleet.days(15, 16))[0].alert.mean() < 0.02


@pytest.mark.parametrize(("features", "most"), [(range(3), 1), (range(1), 12)], ids=["all", "one"])
def test_where_a_regime_began_is_found_by_its_alerts(fleet, features, most):
    detector = ECOD(half_life=DAY)
    models = detector.fit_panel(fleet.days(0, 14))[0]
    days = fleet.shifted(15, 4.0, assets=(0, 2, 4), features=features).days(14, 16)
    found = begun(detector, models, days, [None] * 6)
    assert found[1::2].tolist() == [2 * DAY] * 3, "chance explains the alerts of the others"
    assert (abs(found[::2] - DAY) <= most).all()
    early = int(days.times[5])
    assert begun(detector, models, days, [early] * 6)[::2].max() <= 5


def test_a_handful_of_rows_is_too_few(fleet):
    detector = ECOD(half_life=DAY)
    models = vouched(detector, detector.fit_panel(fleet.days(0, 14))[0])
    new = fleet.shifted(14, 4.0, assets=range(6), features=range(3))
    with pytest.raises(DataError, match=f"{FEWEST - 1} of its rows are too few .* {FEWEST} may do"):
        adopt(detector, models, hours(new, 14, FEWEST - 1))
    worse = new.shifted(14, 6.0, assets=range(6))
    adopted = adopt(detector, models, hours(new, 14, FEWEST))
    shares = [detector.score_panel(adopted, days.days(15, 16))[0].alert.mean() for days in (new, worse)]
    assert shares[1] > max(2 * shares[0] - 0.1, 0.1), "a fault of the new regime is seen all the same"


def test_what_follows_is_learned(fleet):
    detector = ECOD(half_life=DAY)
    new = fleet.shifted(14, 4.0, assets=range(6), features=range(3))
    training = fleet.days(0, 14)
    models = vouched(detector, detector.fit_panel(training)[0], training, DAY)
    assert (learn_blocks(detector, models, new.days(14, 15)).why != LEARNED).all()
    models = adopt(detector, models, new.days(14, 15))
    whys = []
    for day in range(15, 19):
        lesson = learn_blocks(detector, models, new.days(day, day + 1))
        models = lesson.models
        whys.append(lesson.why)
    assert np.mean(np.array(whys) == LEARNED) > 0.9


def test_the_others_stay_as_they_were(fleet):
    detector = ECOD(half_life=DAY)
    models = vouched(detector, detector.fit_panel(fleet.days(0, 14))[0])
    panel = fleet.days(14, 15)
    only = panel.take_rows(np.flatnonzero(panel.asset_of_row == 3))
    adopted = adopt(detector, models, only)
    for name, entry in models.state.items():
        assert np.array_equal(adopted.state[name].take(np.arange(3)).values, entry.take(np.arange(3)).values), name
    assert adopted.rows.tolist() == (models.rows + np.diff(only.offsets)).tolist()
    assert adopt(detector, models, panel.take_rows(np.zeros(0, np.int64))) is models


def test_a_detector_that_never_forgets_learns_the_new_regime_alone(fleet):
    for detector in (ECOD(), PCA()):
        new = fleet.shifted(14, 4.0, assets=range(6), features=range(3))
        models = adopt(detector, detector.fit_panel(fleet.days(0, 14))[0], new.days(14, 16))
        assert detector.score_panel(models, new.days(16, 18))[0].alert.mean() < 0.05
        assert (models.rows == 16 * DAY).all()


def test_what_was_known_before_can_be_faded_by_a_detector_that_forgets_alone(fleet):
    detector = ECOD()
    models = detector.fit_panel(fleet.days(0, 2))[0]
    with pytest.raises(ParameterError, match="without half_life weighs all rows alike"):
        detector.update_panel(models, fleet.days(2, 3), before=1.0)
    with pytest.raises(ParameterError, match="before must be 0 or more"):
        ECOD(half_life=9.0).update_panel(models, fleet.days(2, 3), before=-1.0)


@pytest.mark.parametrize("before", [0.5, 2.0])
def test_the_old_weighs_so_many_times_the_new(fleet, before):
    detector = ECOD(half_life=1e6)
    models = detector.fit_panel(fleet.days(0, 14))[0]
    faded = detector.update_panel(models, fleet.days(14, 15), before=before)
    assert faded.state["totals"].values == pytest.approx((1 + before) * DAY, rel=1e-3)
    far = detector.update_panel(models, fleet.days(14, 15), before=1e9)
    plain = detector.update_panel(models, fleet.days(14, 15))
    assert np.array_equal(far.state["totals"].values, plain.state["totals"].values)
