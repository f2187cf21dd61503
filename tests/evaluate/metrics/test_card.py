"""A score card holds each metric's value, and says why one has none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tocsin import score_card
from tocsin.errors import ColumnError, DataError, ParameterError
from tocsin.evaluate.metrics.card import fleet_card
from tocsin.evaluate.metrics.catalog import metric, metrics
from tocsin.evaluate.metrics.pointwise import FBeta

LABELS = np.array([0, 0, 0, 1, 1, 0, 0, 1, 0, 0])
SCORES = np.array([1, 2, 1, 5, 1, 4, 1, 6, 2, 1.0])


def test_a_card_has_all_metrics_as_they_are_alone():
    card = score_card(LABELS, SCORES, SCORES > 3)
    assert card["metric"].to_list() == list(metrics())
    for row in card.iter_rows(named=True):
        alone = metric(row["metric"])
        value, note = alone.grade(LABELS, SCORES if alone.needs == "scores" else SCORES > 3)
        assert (row["value"], row["note"]) == (value, note)
        assert (row["better"], row["together"]) == (alone.better, alone.together)


def test_what_is_not_given_and_what_is_not_judged_is_told():
    card = score_card(LABELS, alerts=SCORES > 3, only=["auroc", "recall"])
    assert card["note"].to_list() == ["no scores were given", ""]
    assert card["value"].is_nan().to_list() == [True, False]
    gone = np.where(SCORES == 2, np.nan, SCORES)
    card = score_card(LABELS, gone, SCORES > 1.5, only=["precision"])
    assert card.row(0) == ("precision", 2 / 3, "high", "pooled", "2 rows are not judged")


def test_rows_in_no_order_have_only_the_metrics_for_which_it_does_not_matter():
    card = score_card(LABELS, SCORES, SCORES > 3, ordered=False)
    assert card["metric"].to_list() == [name for name, kind in metrics().items() if not kind.ordered]


def test_metrics_with_parameters_and_series_of_a_panel():
    card = score_card(LABELS, SCORES, SCORES > 3, [0, 5, 10], only=[FBeta(2.0), "auroc"])
    assert card["value"].to_list() == [
        FBeta(2.0)(LABELS, SCORES > 3),
        np.mean([metric("auroc")(LABELS[:5], SCORES[:5]), metric("auroc")(LABELS[5:], SCORES[5:])]),
    ]
    assert card.schema["value"] == pl.Float64


def test_mistakes_are_told():
    with pytest.raises(ParameterError, match="give scores or alerts to hold against the labels"):
        score_card(LABELS)
    with pytest.raises(DataError, match="10 labels but 9 alerts; give one a row"):
        score_card(LABELS, SCORES, SCORES[1:] > 3)
    with pytest.raises(ParameterError, match="no metric 'recal'; did you mean 'recall'"):
        score_card(LABELS, SCORES, only=["recal"])


def test_a_fleets_scores_in_any_order_are_held_against_the_truth_asset_by_asset():
    keys, times = np.repeat(["b", "a"], 10), np.tile(np.arange(10), 2)
    scores = pl.DataFrame({"key": keys, "time": times, "score": np.tile(SCORES, 2)})
    scores = scores.with_columns(alert=pl.col("score") > 3)
    faults = [("a", "x0", 3, 4), ("a", "x1", 7, 7), ("b", "x0", 5, 5), ("b", "x1", 6, 8)]
    truth = pl.DataFrame(faults, schema=["asset", "feature", "onset", "end"], orient="row")
    labels = np.concatenate([LABELS, [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]])
    expected = score_card(labels, np.tile(SCORES, 2), np.tile(SCORES, 2) > 3, [0, 10, 20])
    shuffled = scores.sample(fraction=1.0, shuffle=True, seed=1)
    assert fleet_card(shuffled, truth).equals(expected)
    assert fleet_card(shuffled, truth, only=["event_recall"])["value"].item() == 1.0
    with pytest.raises(ColumnError, match="scores table has no column 'alert'"):
        fleet_card(scores.drop("alert"), truth)
    with pytest.raises(ColumnError, match="truth has no column 'end'"):
        fleet_card(scores, truth.drop("end"))
