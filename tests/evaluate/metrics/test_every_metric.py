"""What holds of every metric, found by discovery: a new one is tested by being there."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path

import numpy as np
import pytest

from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.metrics.base import Averaged, Pooled
from tocsin.evaluate.metrics.catalog import metric, metrics

NAMES = list(metrics())
ROWS = 120


def labelled(rows: int = ROWS) -> np.ndarray:
    """Return labels with three events beyond the first quarter."""
    labels = np.zeros(rows, np.int8)
    for start, stop in ((40, 50), (70, 71), (90, 105)):
        labels[start:stop] = 1
    return labels


def guess(name: str, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return scores or alerts that are right a little more often than by chance."""
    scores = np.round(np.random.default_rng(seed).random(len(labels)) + 0.4 * (labels == 1), 2)
    return scores if metric(name).needs == "scores" else scores > 0.8


def test_all_that_were_asked_for_are_there():
    wanted = {
        "accuracy", "affiliation_precision", "affiliation_recall", "auroc", "average_precision", "event_recall", "f1",
        "f_beta", "false_alarm_rate", "mean_delay", "median_delay", "missed_alarm_rate", "nab_low_fn", "nab_low_fp",
        "nab_standard", "precision", "range_auc_pr", "range_auc_roc", "recall", "vus_pr", "vus_roc",
    }  # fmt: skip
    assert wanted <= set(NAMES)


def test_no_metric_adjusts_alerts_by_the_labels():
    labels, alerts = labelled(), np.zeros(ROWS, np.bool_)
    alerts[95] = True
    assert not [name for name in NAMES if re.search(r"adjust|_pa$|^pa_|pa_f1", name)]
    assert metric("f1")(labels, alerts) == pytest.approx(2 / (2 + 25))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    found = metrics()[name]
    text = inspect.getdoc(found)
    assert found.name == name == name.lower()
    assert found.needs in ("scores", "alerts")
    assert issubclass(found, Averaged) == (found.together == "mean")
    assert issubclass(found, Pooled) == (found.together == "pooled")
    assert "Range" in text
    assert re.search("[Cc]ost", text)
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    assert f"| `{name}` |" in page.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_right_is_best_and_all_values_are_in_bounds(name):
    chosen, labels = metric(name), labelled()
    exact = type(chosen)(buffer=0) if hasattr(chosen, "buffer") else chosen  # a buffer asks for more than the labels
    right = exact(labels, labels)
    assert right == (chosen.bounds[1] if chosen.better == "high" else chosen.bounds[0])
    for seed in range(5):
        value = chosen(labels, guess(name, labels, seed))
        assert chosen.bounds[0] <= value <= chosen.bounds[1]
        assert value <= right if chosen.better == "high" else value >= right


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_judged_counts_neither_way(name):
    chosen, labels = metric(name), labelled()
    given = guess(name, labels).astype(float)
    at = [3, 60, 95, 119]
    unknown = labels.astype(float)
    unknown[at] = np.nan
    without = given.copy()
    without[at] = np.nan
    changed = given.copy()
    changed[at] = 1.0 - changed[at]
    minus = np.where(np.isnan(unknown), -1, labels)
    masked = np.ma.masked_array(labels, mask=np.isnan(unknown))
    values = [chosen(one, given) for one in (unknown, minus, masked)]
    values += [chosen(labels, without), chosen(unknown, changed)]
    assert values == [values[0]] * 5
    assert not math.isnan(values[0])
    if not chosen.ordered:
        known = np.setdiff1d(np.arange(ROWS), at)
        assert values[0] == pytest.approx(chosen(labels[known], given[known]), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_matters_only_where_it_says_so(name):
    chosen, labels = metric(name), labelled()
    same = []
    for seed in range(8):
        mixed, given = np.random.default_rng(seed).permutation(ROWS), guess(name, labels, seed)
        same.append(chosen(labels[mixed], given[mixed]) == pytest.approx(chosen(labels, given), abs=1e-12))
    assert all(same) != chosen.ordered


@pytest.mark.parametrize("name", NAMES)
def test_only_the_ranks_of_scores_matter(name):
    chosen, labels = metric(name), labelled()
    given = guess(name, labels)
    value = chosen(labels, given)
    if chosen.needs == "scores":
        assert chosen(labels, np.exp(20 * given) - 7) == value
        assert chosen(labels, given.astype(np.float32)) == value
        top = np.where(given == given.max(), np.inf, np.where(given == given.min(), -np.inf, given))
        assert chosen(labels, top) == value
    else:
        assert chosen(labels.tolist(), given.astype(int).tolist()) == value


@pytest.mark.parametrize("name", NAMES)
def test_scores_that_are_all_the_same_are_no_better_than_chance(name):
    chosen, labels = metric(name), labelled()
    value = chosen(labels, np.ones(ROWS))
    if name in ("auroc", "average_precision"):
        assert value == pytest.approx({"auroc": 0.5, "average_precision": labels.mean()}[name])
    assert not math.isnan(value)


@pytest.mark.parametrize(
    ("name", "rows", "chance"),
    [
        ("auroc", 20, 0.5), ("average_precision", 20, 0.008), ("affiliation_precision", 20, 0.5),
        ("affiliation_recall", 20, 0.96), ("vus_roc", 1, 0.94), ("vus_roc", 20, 0.76), ("vus_roc", 200, 0.56),
        ("vus_pr", 1, 0.017), ("vus_pr", 20, 0.025), ("vus_pr", 200, 0.097),
    ],
)  # fmt: skip
def test_what_chance_gets_is_what_is_said_of_it(name, rows, chance):
    labels = ((np.arange(100_000) + 1_000) % 2_500 < rows).astype(np.int8)
    scores = np.random.default_rng(0).random((10, len(labels)))
    given = scores if metric(name).needs == "scores" else scores < 0.01
    assert np.mean([metric(name)(labels, own) for own in given]) == pytest.approx(chance, rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_no_anomaly_has_a_value_or_a_reason(name):
    chosen = metric(name)
    labels = np.zeros(ROWS, np.int8)
    value, note = chosen.grade(labels, guess(name, labels))
    if name in ("accuracy", "false_alarm_rate", "precision", "incident_precision"):
        assert not math.isnan(value)
    else:
        assert math.isnan(value)
        assert re.search("no judged row is anomalous|no anomaly after", note)


@pytest.mark.parametrize("name", NAMES)
def test_all_anomalous_has_a_value_or_a_reason(name):
    chosen = metric(name)
    labels = np.ones(ROWS, np.int8)
    value, note = chosen.grade(labels, guess(name, labels))
    if chosen.needs == "scores" or name == "false_alarm_rate":
        assert math.isnan(value)
        assert note == "no judged row is normal"
    else:
        assert not math.isnan(value)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_judge_has_a_reason(name):
    for labels, given in (([], []), ([-1, -1], [1, 0]), ([0, 1], [np.nan, np.nan])):
        value, note = metric(name).grade(labels, given)
        assert math.isnan(value)
        assert note


@pytest.mark.parametrize("name", NAMES)
def test_no_alert_has_a_value_or_a_reason(name):
    chosen, labels = metric(name), labelled()
    if chosen.needs == "scores":
        return
    value, note = chosen.grade(labels, np.zeros(ROWS, np.bool_))
    if name in ("precision", "affiliation_precision", "incident_precision", "mean_delay", "median_delay"):
        assert math.isnan(value)
        assert re.search("no judged row is an alert|no event was found", note)
    else:
        assert value in (0.0, 1.0, 1 - labels.mean())


@pytest.mark.parametrize("name", NAMES)
def test_several_series_are_taken_together_as_it_says(name):
    chosen = metric(name)
    parts = [labelled(), np.repeat([0, 1, 0, 1], [30, 30, 20, 3]), np.zeros(30, np.int8), np.zeros(0, np.int8)]
    offsets = np.cumsum([0, *map(len, parts)])
    averaged = []
    for seed in range(0, 40, 4):
        given = [guess(name, part, seed + at) for at, part in enumerate(parts)]
        value, note = chosen.grade(np.concatenate(parts), np.concatenate(given), offsets)
        each = [chosen(part, own) for part, own in zip(parts, given, strict=True)]
        averaged.append(value == pytest.approx(np.nanmean(each), rel=1e-9))
        assert ("left out 2 of 4 series" in note) == (chosen.together == "mean")
    assert all(averaged) == (chosen.together == "mean")


@pytest.mark.parametrize("name", NAMES)
def test_a_series_without_rows_changes_nothing(name):
    chosen, labels = metric(name), labelled()
    given = guess(name, labels)
    alone = chosen.grade(labels, given)
    assert chosen.grade(labels, given, [0, ROWS]) == alone
    assert chosen.grade(labels, given, [0, 0, ROWS]).value == alone.value


@pytest.mark.parametrize("name", NAMES)
def test_mistakes_are_told(name):
    chosen, labels = metric(name), labelled()
    with pytest.raises(DataError, match=f"120 labels but 119 {chosen.needs}; give one a row"):
        chosen(labels, guess(name, labels)[1:])
    with pytest.raises(DataError, match="labels must be 1 or 0, or -1 where not known; row 40 has 2"):
        chosen(labels * 2, guess(name, labels))
    for wrong in (["a"] * ROWS, ["1"] * ROWS, labels + 0j, [object()] * ROWS, np.zeros(ROWS, "datetime64[s]")):
        with pytest.raises(DataError, match="labels must be real numbers, not "):
            chosen(wrong, guess(name, labels))
    with pytest.raises(DataError, match=f"{chosen.needs} must have one dimension, not 2"):
        chosen(labels, guess(name, labels)[:, None])
    for offsets in ([0, 60], [0, 60, 50, ROWS], [0], [0.0, 120.0], [5, ROWS]):
        with pytest.raises(
            DataError, match="offsets must be whole numbers that rise from 0 to the number of rows, 120"
        ):
            chosen(labels, guess(name, labels), offsets)
    if chosen.needs == "alerts":
        with pytest.raises(DataError, match="alerts must be 1 or 0, or -1 where not known; row 0 has"):
            chosen(labels, np.full(ROWS, 0.5))


def test_a_metric_that_is_not_there_is_named():
    with pytest.raises(ParameterError, match="no metric 'vus_pc'; did you mean 'vus_pr'"):
        metric("vus_pc")
