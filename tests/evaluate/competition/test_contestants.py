"""Who takes part in a competition, and who does not."""

from __future__ import annotations

import re

import pytest

from tocsin import Recipe, catalog
from tocsin.errors import ParameterError
from tocsin.evaluate.competition.contestants import contestants
from tocsin.features import Standardise


@pytest.mark.parametrize(("name", "kind"), catalog().items(), ids=catalog())
def test_every_detector_states_variants_that_it_takes_and_that_differ(name, kind):
    assert kind.variants[0] == {}
    assert len({repr(variant) for variant in kind.variants}) == len(kind.variants)
    for variant in kind.variants:
        kind(**variant).check_parameters()


def test_all_take_part_that_can():
    found, skipped = contestants()
    assert {each.detector for each in found} == set(catalog()) - set(skipped)
    assert skipped == {"lightgbm": "LightGBM learns from labels, and there are none"}
    assert len({str(each) for each in found}) == len(found)
    labelled, skipped = contestants(labelled=True)
    assert ({each.detector for each in labelled}, skipped) == (set(catalog()), {})
    assert not [each for each in labelled if each.detector == "lightgbm" and each.windows]


def test_windows_stand_before_those_that_look_at_rows_alone():
    found, _ = contestants(["mad", "ewma"])
    assert [str(each) for each in found] == ["mad", "mad on windows", "ewma", "ewma(gain=0.05)"]
    own = Recipe([Standardise()])
    assert [each.recipe for each in contestants(["mad"], recipe=own)[0]] == [own]


def test_settings_take_the_place_of_variants():
    found, _ = contestants(["pca(components=5),mad", "mad"], windows=False, common={"contamination": 0.02})
    assert [str(each) for each in found] == ["pca(components=5)", "mad"]
    assert found[0].make().get_params()["contamination"] == 0.02
    assert found[0].make().get_params()["components"] == 5


def test_seeds_are_for_those_in_which_chance_has_a_part():
    forest, fixed, mad = contestants(["isolationforest(trees=10),isolationforest(seed=4),mad"], windows=False)[0]
    assert [each.seeded for each in (forest, fixed, mad)] == [True, False, False]
    assert forest.make(7).get_params()["seed"] == 7
    assert fixed.make(7).get_params()["seed"] == 4


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["pcaa"], "no detector 'pcaa'; did you mean 'pca'"),
        (["pca(component=2)"], "PCA has no setting 'component'; did you mean 'components'"),
        (["pca(components=-2)"], "components"),
        (["lightgbm"], "LightGBM learns from labels"),
    ],
)
def test_mistakes(names, told):
    with pytest.raises(ParameterError, match=re.escape(told)):
        contestants(names)
