"""Each benchmark is judged by its published rule, held against another computation of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from tests.evaluate.protocols.folders import WRITERS
from tests.reference import nab as slow
from tocsin import ECOD, KNN, PCA, LightGBM, Recipe, ZScore
from tocsin.errors import DataError, ParameterError
from tocsin.evaluate.metrics.volumes import VUSPR
from tocsin.evaluate.protocols.cases import Answer, Case
from tocsin.evaluate.protocols.catalog import protocol
from tocsin.evaluate.protocols.running import answers


def guessed(cases, seed: int = 0):
    """Return answers that are a little better than chance, with a threshold."""
    rng = np.random.default_rng(seed)
    for case in cases:
        score = rng.random(len(case.labels)) + 0.3 * case.labels
        yield case, Answer(score, score > 0.9, np.full(len(score), 0.9))


def test_skab_pools_all_rows(folder):
    given = list(guessed(protocol("skab", folder("skab")).cases()))
    outcome = protocol("skab").judge(given)
    labels = np.concatenate([case.labels for case, _ in given])
    alerts = np.concatenate([answer.alert for _, answer in given])
    (quiet, false), (missed, hit) = confusion_matrix(labels, alerts)
    assert outcome["f1"] == 2 * hit / (2 * hit + false + missed)
    assert outcome["false_alarm_rate"] == false / (false + quiet)
    assert outcome["missed_alarm_rate"] == missed / (missed + hit)
    assert outcome.cases["rows"].to_list() == [200] * 3


def test_skab_takes_the_folder_of_one_valve_too(folder):
    root = folder("skab")
    whole, part = list(protocol("skab", root).cases()), list(protocol("skab", root / "valve1").cases())
    assert [case.name for case in whole] == [case.name for case in part] == ["valve1/0", "valve1/1", "valve1/2"]


def test_files_are_in_the_order_of_their_numbers(tmp_path):
    WRITERS["skab"](tmp_path / "skab")
    for name in (10, 9):
        (tmp_path / "skab" / "valve1" / f"{name}.csv").write_bytes(
            (tmp_path / "skab" / "valve1" / "0.csv").read_bytes()
        )
    names = [case.name for case in protocol("skab", tmp_path / "skab").cases()]
    assert names == [f"valve1/{name}" for name in (0, 1, 2, 9, 10)]


def test_nab_is_scored_as_its_equations_say(folder):
    found = protocol("nab", folder("nab"))
    given = list(guessed(found.cases()))
    outcome = found.judge(given)
    files, scored = [], []
    for case, answer in given:
        labels = np.concatenate([case.training_labels, case.labels])
        before = len(case.training_labels)
        files.append((labels.tolist(), [False] * before + answer.alert.tolist()))
        scored.append((labels.tolist(), [-1.0] * before + answer.score.tolist()))
    for name, profile in slow.PROFILES.items():
        assert outcome[name] == pytest.approx(slow.score(files, profile), abs=1e-9)
    value, threshold = slow.optimum(scored, slow.PROFILES["nab_standard"])
    assert outcome["optimum"] == pytest.approx(value)
    assert outcome["optimum_severity"] == pytest.approx(value)
    assert outcome.figures["optimum"].note == f"threshold {threshold:.6g}, chosen with the labels in sight"


def test_nab_puts_scores_of_different_scales_on_one(folder):
    found = protocol("nab", folder("nab"))
    given = list(guessed(found.cases()))
    scaled = [
        (case, Answer(scale * answer.score, answer.alert, scale * answer.threshold))
        for scale, (case, answer) in zip((1.0, 100.0, 0.01), given, strict=True)
    ]
    shifted = [
        (case, Answer(answer.score + shift, answer.alert, answer.threshold + shift))
        for shift, (case, answer) in zip((-1.0, 50.0, 3.0), given, strict=True)
    ]
    plain = found.judge(given)
    for other in (found.judge(scaled), found.judge(shifted)):
        assert other["optimum_severity"] == pytest.approx(plain["optimum_severity"])
        assert other["optimum"] < plain["optimum"]
        assert other["nab_standard"] == plain["nab_standard"]


def test_nab_learns_from_15_percent_of_at_most_5000_rows(folder):
    root = folder("nab")
    (root / "data" / "real" / "b.csv").unlink()
    path = root / "data" / "quiet" / "c.csv"
    at = pl.select(pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 5), "1m")).to_series()
    pl.DataFrame({"timestamp": at, "value": np.zeros(len(at))}).write_csv(path)
    assert [len(case.training) for case in protocol("nab", root).cases()] == [750, 60]


@pytest.mark.parametrize(
    ("off", "within", "contest"),
    [
        (-101, False, False),
        (-100, True, False),
        (-99, True, True),
        (109, True, False),
        (108, True, True),
        (110, False, False),
    ],
)
def test_ucr_asks_for_a_location_near_the_anomaly(folder, off, within, contest):
    found = protocol("ucr", folder("ucr"))
    cases = list(found.cases())
    starts = [int(np.flatnonzero(case.labels)[0]) for case in cases]
    outcome = found.judge((case, start + off) for case, start in zip(cases, starts, strict=True))
    assert outcome.cases["located"].to_list() == [within] * 3
    assert outcome.cases["located_contest"].to_list() == [contest] * 3
    assert outcome["located"] == float(within)
    assert outcome.cases["location"].to_list() == [start + off for start in (700, 850, 650)]
    with pytest.raises(DataError, match="004 has 500 rows to score, but the location is row 500"):
        found.judge([(cases[0], 500)])


def test_ucr_forgives_more_where_the_anomaly_is_long():
    def judged(start: int, end: int, location: int) -> tuple[float, float]:
        labels = np.zeros(2000, np.int8)
        labels[start - 1 : end] = 1
        rows = pl.DataFrame({"row": range(2000)})
        case = Case("x", rows, rows, labels, (), facts={"first": 1, "start": start, "end": end})
        outcome = protocol("ucr").judge([(case, location - 1)])
        return outcome["located"], outcome["located_contest"]

    assert judged(1000, 1299, 701) == (0.0, 1.0)
    assert judged(1000, 1299, 700) == (0.0, 0.0)
    assert judged(1000, 1299, 1598) == (0.0, 1.0)
    assert judged(1000, 1299, 1599) == (0.0, 0.0)
    assert judged(1000, 1001, 900) == (1.0, 0.0)


def test_tep_sets_one_threshold_by_the_run_without_a_fault(folder):
    found = protocol("tep", folder("tep"), false_alarms=0.05)
    given = list(guessed(found.cases()))
    outcome = found.judge(given)
    normal, *faults = (answer.score for _, answer in given)
    threshold = np.sort(normal)[-13]  # 12 of 240 rows pass it
    assert (normal > threshold).mean() == 0.05
    shares = [float((score[160:] > threshold).mean()) for score in faults]
    assert outcome["detected"] == pytest.approx(np.mean(shares))
    assert outcome["false_alarms_own"] == pytest.approx((normal > 0.9).mean())
    assert outcome["detected_own"] == pytest.approx(np.mean([(score[160:] > 0.9).mean() for score in faults]))
    assert outcome.cases["detected"].to_list() == [None, *map(pytest.approx, shares)]
    usual = protocol("tep", found.path).judge(given)
    threshold = np.sort(normal)[-3]  # 1 % of 240 rows are 2
    assert usual["detected"] == pytest.approx(np.mean([(score[160:] > threshold).mean() for score in faults]))
    with pytest.raises(DataError, match="is judged by its run without a fault and at least one with; answer both"):
        found.judge(given[1:])


def test_tep_runs_begin_anew(folder):
    case = next(protocol("tep", folder("tep")).cases())
    assert case.training.shape == (300, 53)
    assert case.test["row"][0] == 0


def test_msl_takes_the_period_of_the_first_column_as_its_buffer(folder):
    root = folder("msl")
    wave = np.sin(np.arange(600) / 40 * 2 * np.pi).astype(np.float32)[:, None] * np.ones((1, 3), np.float32)
    np.savez(root / "M-1.npz", train=wave[:300], test=wave[300:])
    found = protocol("msl", root)
    given = list(guessed(found.cases()))
    outcome = found.judge(given)
    assert outcome.cases["buffer"][0] == 40
    assert given[0][0].facts["period"] == 40
    values = [
        VUSPR(buffer=buffer)(case.labels, answer.score)
        for buffer, (case, answer) in zip(outcome.cases["buffer"], given, strict=True)
    ]
    assert outcome.cases["vus_pr"].to_list() == values
    assert outcome["vus_pr"] == np.mean(values)
    fixed = protocol("msl", root, buffer=7).judge(given)
    assert fixed.cases["buffer"].to_list() == [7, 7]
    assert fixed["vus_pr"] != outcome["vus_pr"]
    assert [int(case.labels.sum()) for case, _ in given] == [51, 11 + 31]


def test_adbench_judges_the_scores_of_training(folder):
    found = protocol("adbench", folder("adbench"))
    outcome = found.run(KNN(sample=None))
    for case, area in zip(found.cases(), outcome.cases["auroc"], strict=True):
        X = case.test.to_numpy()
        assert area == pytest.approx(roc_auc_score(case.labels, KNN(sample=None).fit(X).decision_scores_))
    assert outcome.value == pytest.approx(outcome.cases["auroc"].mean())
    few = protocol("adbench", found.path, rows=100).run(KNN())
    assert few.cases["rows"].to_list() == [100, 100]


def test_adbench_splits_as_the_paper_does(folder):
    found = protocol("adbench", folder("adbench"), split="paper", seed=3)
    small, large = found.cases()
    assert (len(small.training), len(small.test)) == (700, 300)
    assert (len(large.training), len(large.test)) == (840, 360)
    assert large.training_labels.sum() == 84
    for case in (small, large):
        assert (case.training.to_numpy().min(axis=0) == 0.0).all()
        assert (case.training.to_numpy().max(axis=0) == 1.0).all()
        assert case.labels.mean() == pytest.approx(case.training_labels.mean(), abs=2e-3)
    assert abs(large.test.to_numpy() - 0.5).max() > 0.5
    other = next(protocol("adbench", found.path, split="paper", seed=4).cases())
    assert not other.training.equals(small.training)
    labelled = found.run(LightGBM())
    assert labelled.value > found.run(ECOD()).value > 0.9


def test_rows_that_cannot_be_learned_rank_last_and_the_others_go_on(folder):
    root = folder("msl")
    np.savez(root / "M-1.npz", train=np.zeros((5, 3)), test=np.zeros((300, 3)))
    window = Recipe.of_dict({"steps": [{"step": "smooth", "size": 20}]})
    outcome = protocol("msl", root).run(PCA(), window)
    assert outcome.cases["unscored"].to_list() == [300, 0]
    assert "fewer than the" in outcome.cases["note"][0]
    assert outcome.cases["auroc"][0] == 0.5
    assert outcome.cases["auroc"][1] > 0.6
    assert outcome.notes[0].startswith("300 rows of 1 case without a score, ranked last, such as M-1: ")
    longer = Recipe.of_dict({"steps": [{"step": "smooth", "size": 700}]})
    with pytest.raises(DataError, match=r"no case can be learned, such as M-1: .*fewer than the"):
        protocol("msl", root).run(PCA(), longer)
    sets = protocol("adbench", folder("adbench")).run(
        ECOD(), Recipe.of_dict({"steps": [{"step": "smooth", "size": 200}]})
    )
    assert sets.cases["unscored"].to_list() == [150, 199]


def test_a_row_without_a_score_ranks_below_all_others():
    rows = pl.DataFrame({"x": np.zeros(4)})
    case = Case("x", rows, rows, np.array([0, 0, 1, 1], np.int8), ("x",))
    outcome = protocol("adbench").judge([(case, [0.1, 0.2, np.nan, 0.3])])
    assert outcome["auroc"] == 0.5
    assert outcome.card(["auroc"])["value"].item() == 0.5
    assert outcome.notes == ["1 row of 1 case without a score, ranked last"]


def test_features_that_begin_late_leave_the_first_rows_without_a_score(folder):
    window = Recipe.of_dict({"steps": [{"step": "smooth", "size": 5}]})
    for case, answer in answers(protocol("adbench", folder("adbench")).cases(), ECOD(), window):
        assert np.flatnonzero(np.isnan(answer.score)).tolist() == [0, 1, 2, 3]
        assert not answer.alert[:4].any()
        assert len(answer.score) == len(case.test)


def test_what_cannot_be_read_in_one_case_does_not_keep_the_others_from_being_scored(folder):
    root = folder("ucr")
    x = np.zeros(1000)
    x[100] = np.inf
    np.savez(root / "005.npz", x=x)
    outcome = protocol("ucr", root).run(ZScore())
    assert outcome.cases["unscored"].to_list() == [0, 500, 0]
    assert outcome.cases["located"].to_list() == [True, False, True]
    assert outcome.cases["location"].to_list()[1] is None
    assert "infinite" in outcome.cases["note"][1]


def test_what_a_benchmark_cannot_do_is_told(folder):
    with pytest.raises(DataError, match="LightGBM learns from labels, but the benchmark has none of the rows to learn"):
        protocol("msl", folder("msl")).run(LightGBM())
    sets = protocol("adbench", folder("adbench"))
    with pytest.raises(ParameterError, match="2_few is scored as it is learned; leave out update_every"):
        sets.run(ECOD(), update_every=10)
    with pytest.raises(ParameterError, match="update_every must be a whole number of at least 1"):
        sets.run(ECOD(), update_every=0)
    supervised = sets.run(LightGBM())
    assert supervised.value > 0.9


def test_cases_are_learned_together_and_scored_alike_however_they_are_gathered(folder, monkeypatch):
    cases = list(protocol("ucr", folder("ucr")).cases())
    together = [answer.score for _, answer in answers(cases, PCA())]
    monkeypatch.setattr("tocsin.evaluate.protocols.running.CELLS", 1)
    alone = [answer.score for _, answer in answers(iter(cases), PCA())]
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


def test_times_that_do_not_ascend_are_refused():
    rows = pl.DataFrame({"row": [1, 0], "x": [0.0, 1.0]})
    with pytest.raises(DataError, match="the times of x must ascend, and none may be missing"):
        Case("x", rows, rows, np.zeros(2, np.int8), ("x",), "row")
    with pytest.raises(DataError, match="x has 2 rows to score but 3 labels"):
        Case("x", rows, rows, np.zeros(3, np.int8), ("x",))


@pytest.mark.parametrize(
    ("name", "cases", "anomalous"),
    [
        ("adbench", "*.npz", 1),
        ("msl", "*.npz", 1),
        ("nab", "data/*/*.csv", 0),
        ("tep", "*_te.dat", 0),
        ("ucr", "*.npz", 1),
    ],
)
def test_the_public_folders_are_read_whole(need, name, cases, anomalous):
    root = need(name)
    found = [(case.name, int(case.labels.sum())) for case in protocol(name, root).cases()]
    assert len(found) == len(list(root.glob(cases)))
    assert min(count for _, count in found) >= anomalous


def test_skab_of_the_public_folder(need):
    outcome = protocol("skab", need("skab")).run(ECOD())
    assert 0.3 < outcome["f1"] < 0.9
    assert outcome.notes == []
    assert all(name.startswith("anomaly-free") is False for name in outcome.cases["case"])
