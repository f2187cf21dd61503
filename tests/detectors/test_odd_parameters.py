"""A parameter of any value either works or is refused with a message of one line."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.detectors.catalog import catalog
from tocsin.errors import TocsinError

ODD = [
    *(float("nan"), float("inf"), -1, 0, 0.5, 10.0, 1e300, 2**40, 10**400),
    *(True, np.True_, None, "x", "", [], [1], {}, np.int64(8), np.float64(0.5)),
]
CASES = [(kind, name) for kind in catalog().values() for name in kind().get_params()]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind.__name__} {name}" for kind, name in CASES])
def test_odd_values_work_or_are_refused_in_a_line(kind, name):
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = (X[:, 1] > 1.0).astype(int)
    compiled = kind.__name__ == "Autoencoder"  # anew for each layout
    said = []
    for value in ODD:
        detector = kind().set_params(**{name: value})
        try:
            detector.check_parameters()
            assert compiled or np.isfinite(detector.fit(X, y).decision_scores_).all(), value
        except TocsinError as error:
            said.append(str(error))
    assert all(len(each.splitlines()) == 1 for each in said)
