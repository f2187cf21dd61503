"""The NAB score on the benchmark's own files and windows is that of its equations."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from tests.reference import nab as slow
from tocsin.errors import ParameterError
from tocsin.evaluate.metrics.catalog import metric
from tocsin.evaluate.metrics.nab import NABStandard

FEW = ("realAWSCloudwatch", "realAdExchange")


@pytest.fixture(scope="module")
def corpus(request):
    """Return labels, offsets and the number of windows of some files of the benchmark."""
    folder = request.getfixturevalue("need")("nab")
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())
    labels, count = [], 0
    for name, spans in sorted(windows.items()):
        if not name.startswith(FEW):
            continue
        times = pl.read_csv(folder / "data" / name)["timestamp"].str.to_datetime()
        own = np.zeros(len(times), np.int8)
        for start, end in spans:
            low, high = (pl.Series([text[:19]]).str.to_datetime()[0] for text in (start, end))
            own |= ((times >= low) & (times <= high)).to_numpy().astype(np.int8)
            count += 1
        labels.append(own)
    return np.concatenate(labels), np.cumsum([0, *map(len, labels)]), count


@pytest.mark.parametrize("name", list(slow.PROFILES))
def test_all_profiles_on_the_files_of_the_benchmark(corpus, name):
    labels, offsets, _ = corpus
    rng = np.random.default_rng(0)
    alerts = rng.random(len(labels)) < 0.002 + 0.01 * labels
    parts = list(pairwise(offsets))
    files = [(labels[low:high].tolist(), alerts[low:high].tolist()) for low, high in parts]
    assert metric(name)(labels, alerts, offsets) == pytest.approx(slow.score(files, slow.PROFILES[name]), abs=1e-9)


@pytest.mark.parametrize("name", list(slow.PROFILES))
def test_no_alert_is_0_and_a_perfect_detector_is_100(corpus, name):
    labels, offsets, count = corpus
    begins = (np.diff(labels, prepend=0) == 1).astype(bool)
    assert begins.sum() == count
    assert metric(name)(labels, np.zeros(len(labels)), offsets) == 0.0
    assert metric(name)(labels, begins, offsets) == 100.0
    assert metric(name).optimum(labels, begins, offsets) == (1.0, 100.0)
    assert metric(name).optimum(labels, -begins.astype(float), offsets).threshold == np.inf


def test_one_threshold_serves_all_files():
    labels = np.array([0, 1, 1, 0, 0, 0, 1, 0])
    scores = np.array([0, 5, 4, 3, 1, 3, 2, 0.5])
    found = NABStandard(probation=0).optimum(labels, scores, [0, 4, 8])
    files = [(labels[:4].tolist(), scores[:4].tolist()), (labels[4:].tolist(), scores[4:].tolist())]
    value, at = slow.optimum(files, slow.PROFILES["nab_standard"], probation=0)
    assert found == (at, pytest.approx(value))


def test_the_probationary_rows_are_a_share_of_at_most_5000():
    labels = np.zeros(10_000, np.int8)
    labels[9_000:9_100] = 1
    alerts = np.zeros(10_000)
    alerts[749] = 1
    assert NABStandard()(labels, alerts) == 0.0
    alerts[750] = 1
    assert NABStandard()(labels, alerts) == pytest.approx(100 * -0.11 / 2)


@pytest.mark.parametrize("probation", [-0.1, 1.0, np.nan, "0.1"])
def test_probation_must_be_a_share(probation):
    with pytest.raises(ParameterError, match="probation must be a share from 0 to below 1, not"):
        NABStandard(probation)
