"""What the studies of sub-sequences share: detectors of rows made to look at windows, and answers in hindsight."""

from __future__ import annotations

import warnings

import numpy as np

from tocsin.features.correlation import strongest_lag

LONG = 100_000
"""How many training rows to compare with: all there are, since each may show a normal state that no other does."""


class Windows:
    """A detector of rows that looks at windows of the first feature, as long as its strongest lag in training."""

    def __init__(self, detector):
        self.detector = detector

    def fit(self, X):
        self.width = min(strongest_lag(X[:, 0]), len(X) // 4)
        self.before = X[len(X) - self.width + 1 :, 0]
        self.detector.fit(np.lib.stride_tricks.sliding_window_view(X[:, 0], self.width))
        return self

    def hindsight(self, X):
        windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([self.before, X[:, 0]]), self.width)
        scores = self.detector.decision_function(windows)
        padded = np.concatenate([scores, np.zeros(self.width - 1)])
        return np.lib.stride_tricks.sliding_window_view(padded, self.width).mean(axis=1)


def in_hindsight(cases, make, features=None):
    """Yield each case with the scores of its rows in hindsight, by a detector that is made anew for it."""
    for case in cases:
        columns = list(case.features if features is None else features)
        training, rows = (frame.select(columns).to_numpy().astype(float) for frame in (case.training, case.test))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn and NumPy warn of constant channels
            yield case, make().fit(training).hindsight(rows)


def in_time(cases, make, features=None):
    """Yield each case with the scores that its rows have when they come."""
    for case in cases:
        columns = list(case.features if features is None else features)
        training, rows = (frame.select(columns).to_numpy().astype(float) for frame in (case.training, case.test))
        yield case, make().fit(training).decision_function(rows)
