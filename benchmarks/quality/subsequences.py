"""What the studies of sub-sequences share: detectors of rows made to look at windows, in hindsight."""

from __future__ import annotations

import warnings

import numpy as np

from tocsin.features.correlation import strongest_lag

LONG = 100_000
"""How many training rows to compare with: all there are, since each may show a normal state that no other does."""


def of_windows(cases, make):
    """Yield each case with scores of its rows by a detector of rows, made anew, that looks at windows instead.

    Windows are of the first feature, as long as its strongest lag in training. The score of a row is the mean over the
    windows that hold it.
    """
    for case in cases:
        training, rows = (frame[case.features[0]].to_numpy().astype(float) for frame in (case.training, case.test))
        width = min(strongest_lag(training), len(training) // 4)
        past = np.lib.stride_tricks.sliding_window_view(training, width)
        windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([training[1 - width :], rows]), width)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn and NumPy warn of constant channels
            scores = make().fit(past).decision_function(windows)
        padded = np.concatenate([scores, np.zeros(width - 1)])
        yield case, np.lib.stride_tricks.sliding_window_view(padded, width).mean(axis=1)
