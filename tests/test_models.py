"""Models lend what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.models import Models, Ragged


def test_what_was_learned_is_read_where_it_lies_and_never_written():
    values, threshold = np.arange(3.0), np.zeros(1)
    models = Models(np.array([3]), threshold, {"knots": Ragged(values, np.array([0, 3]))})
    for lent, own in ((models.state["knots"].values, values), (models.threshold, threshold)):
        with pytest.raises(ValueError, match="read-only"):
            lent[0] = 1.0
        own[0] = 7.0
        assert lent[0] == 7.0
