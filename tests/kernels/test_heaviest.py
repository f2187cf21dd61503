"""The heaviest parts of a row are the first of all in descending order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.kernels.heaviest import name_heaviest


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9), st.integers(0, 5))
def test_heaviest_first(row, top):
    parts = np.array([row], float)
    top = min(top, len(row))
    features, contributions = np.empty((1, top), np.int32), np.empty((1, top))
    name_heaviest(parts.T.copy(), False, features, contributions)
    order = np.argsort(-parts[0], kind="stable")[:top]
    np.testing.assert_array_equal(contributions[0], parts[0, order])
    np.testing.assert_array_equal(features[0], np.where(parts[0, order] != 0.0, order, -1))
