"""What holds of every protocol, found by discovery: a new one is tested by being there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.evaluate.protocols.folders import WRITERS
from tocsin import ECOD, MAD, Recipe, ZScore
from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.protocols.cases import Answer
from tocsin.evaluate.protocols.catalog import protocol, protocols
from tocsin.evaluate.protocols.running import answers

NAMES = list(protocols())


def test_all_that_were_asked_for_are_there():
    assert {"adbench", "msl", "nab", "skab", "tep", "ucr"} <= set(NAMES) == set(WRITERS)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    kind = protocols()[name]
    text = inspect.getdoc(kind)
    assert kind.name == name == name.lower()
    assert re.search(r"A case is .*Figures?: .*References", text, re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_cases_are_whole_and_the_same_each_time(name, folder):
    found = protocol(name, folder(name))
    cases, again = list(found.cases()), list(found.cases())
    assert [case.name for case in cases] == [case.name for case in again]
    assert len({case.name for case in cases}) == len(cases) >= 2
    for case, twin in zip(cases, again, strict=True):
        assert case.training.equals(twin.training)
        assert case.test.equals(twin.test)
        wanted = {*case.features} if case.time is None else {*case.features, case.time}
        assert set(case.training.columns) == set(case.test.columns) == wanted
        assert case.labels.dtype == np.int8
        assert case.labels.shape == (len(case.test),)
        assert set(case.labels) <= {0, 1}
        if case.training_labels is not None:
            assert case.training_labels.shape == (len(case.training),)
        if case.time is not None:
            assert case.test[case.time].is_sorted()
            assert case.training[case.time].is_sorted()
            assert name == "tep" or case.training[case.time][-1] <= case.test[case.time][0]
    assert any(case.labels.any() for case in cases)


@pytest.mark.parametrize("name", NAMES)
def test_the_labels_themselves_are_the_best_answer(name, folder):
    found = protocol(name, folder(name))
    right = found.judge((case, Answer(case.labels.astype(float), case.labels == 1)) for case in found.cases())
    wrong = found.judge((case, Answer(1.0 - case.labels, case.labels == 0)) for case in found.cases())
    blind = found.judge((case, Answer(0.0 * case.labels, case.labels > 1)) for case in found.cases())
    best = {"nab": 40, "msl": 0.7}.get(name, 1.0)  # the first rows of a window count most, and a buffer is not labelled
    assert right.value >= best
    assert wrong.value < right.value
    assert blind.value < right.value
    assert right.cases["anomalous"].to_list() == [int(case.labels.sum()) for case in found.cases()]


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_is_run_on_all_cases(name, folder):
    found = protocol(name, folder(name))
    outcome = found.run(MAD(contamination=0.002))
    guesses = ((case, np.random.default_rng(0).random(len(case.labels))) for case in found.cases())
    chance = found.judge((case, Answer(guess, guess > 0.95)) for case, guess in guesses)
    assert outcome.value > chance.value
    assert outcome.notes == []
    assert outcome.protocol == name
    assert outcome.seconds > 0
    assert outcome.table()["figure"].to_list() == list(outcome.figures)
    assert outcome[next(iter(outcome.figures))] == outcome.value
    card = outcome.card()
    assert set(card.filter(pl.col("value").is_not_nan())["metric"]) >= {"auroc", "f1", "false_alarm_rate"}
    assert ("mean_delay" in card["metric"]) == all(case.time is not None for case in found.cases())
    alone = found.run(lambda case: MAD(contamination=0.002))
    assert alone.table().equals(outcome.table())
    assert alone.cases.drop("seconds").equals(outcome.cases.drop("seconds"))
    with pytest.raises(ParameterError, match=f"{name} has no figure 'figur'"):
        outcome["figur"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_stands_before_it_and_rows_without_a_score_rank_last(name, folder):
    found = protocol(name, folder(name))
    outcome = found.run(ZScore(), Recipe.of_dict({"steps": [{"step": "smooth", "size": 5}]}))
    begin = {"tep": 4, "adbench": 4}.get(name, 0)  # those whose rows do not go on after those of training
    assert set(outcome.cases["unscored"]) == {begin}
    assert bool(outcome.notes) == bool(begin)


@pytest.mark.parametrize("name", ["skab", "nab", "ucr", "msl"])
def test_what_is_learned_on_the_way_changes_only_later_scores(name, folder):
    cases = list(protocol(name, folder(name)).cases())
    once = dict(enumerate(answer for _, answer in answers(cases, ECOD())))
    often = dict(enumerate(answer for _, answer in answers(cases, ECOD(), update_every=50)))
    for place in once:
        assert np.array_equal(once[place].score[:50], often[place].score[:50])
        assert not np.array_equal(once[place].score[50:], often[place].score[50:])


@pytest.mark.parametrize("name", NAMES)
def test_without_a_path_it_is_found_where_the_environment_says(name, folder, monkeypatch, tmp_path):
    root = folder(name)
    first = next(protocol(name, root).cases())
    monkeypatch.setenv("TOCSIN_DATA", str(root.parent))
    assert next(protocol(name).cases()).test.equals(first.test)
    monkeypatch.delenv("TOCSIN_DATA")
    with pytest.raises(ParameterError, match=f"no path is given; give the folder of .*TOCSIN_DATA .* holds {name}/$"):
        next(protocol(name).cases())
    with pytest.raises(DataError, match=r"no folder .*nowhere; give the folder of"):
        next(protocol(name, tmp_path / "nowhere").cases())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"^no .* in .*empty"):
        next(protocol(name, tmp_path / "empty").cases())


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_of_answers_are_told(name, folder):
    found = protocol(name, folder(name))
    with pytest.raises(DataError, match=r"no case of .* was answered"):
        found.judge([])
    with pytest.raises(DataError, match="rows to score but 3 scores"):
        found.judge((case, [1.0, 2.0, 3.0]) for case in found.cases())


def test_names_and_settings_that_are_not_there_are_told():
    with pytest.raises(ParameterError, match="no protocol 'skabb'; did you mean 'skab'"):
        protocol("skabb")
    with pytest.raises(ParameterError, match="protocol 'msl' has no setting 'bufer'; did you mean 'buffer'"):
        protocol("msl", bufer=3)


def test_the_page_of_protocols_lists_them_all():
    page = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in NAMES)
