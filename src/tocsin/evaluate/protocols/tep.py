"""The Tennessee Eastman process: a plant simulated with one fault at a time, which starts after sample 160."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.detectors.base import check_number
from tocsin.errors import DataError
from tocsin.evaluate.metrics.base import Grade, undefined
from tocsin.evaluate.metrics.pointwise import FalseAlarmRate, Recall
from tocsin.evaluate.protocols.base import Protocol, each_alone, mean
from tocsin.evaluate.protocols.cases import Answered, Case
from tocsin.evaluate.protocols.files import ROW, file, found, matrix, rows_of

FEATURES = (*(f"XMEAS({place})" for place in range(1, 42)), *(f"XMV({place})" for place in range(1, 12)))
ONSET = 160
"""How many rows of a faulty run come before its fault."""
NORMAL = "normal"


@dataclass(frozen=True)
class TEP(Protocol):
    """Which share of Tennessee Eastman's faulty rows passes a threshold that 1 % of the fault-free rows pass.

    A case is a run: "normal", the fault-free test run ``d00_te.dat``, and each ``dNN_te.dat``, whose fault starts after
    its row 160. All learn from ``d00.dat``, which may be transposed, as it is published. A run is a simulation of its
    own: its rows do not go on from those of training. The answers must include that to "normal".

    Figures: detected, the mean over the faults of the share of faulty rows whose score passes the threshold that 1 % of
    the scores of "normal" pass, the same for all; detected_own and false_alarms_own, by the detector's own threshold;
    the latter on "normal". Rows without a score pass no threshold.

    Parameters
    ----------
    path : path, optional
        The folder; see `Protocol`.
    false_alarms : float, default 0.01
        The share of the fault-free rows that may pass the threshold.

    Raises
    ------
    ParameterError
        If `false_alarms` is not above 0 and at most 0.5.

    References
    ----------
    Downs and Vogel, "A plant-wide industrial process control problem", Computers & Chemical Engineering 1993; the runs
    are those of Chiang, Russell and Braatz, "Fault detection and diagnosis in industrial systems", Springer 2001.

    Examples
    --------
    >>> TEP("data/tep").title
    'the Tennessee Eastman process'
    """

    name = "tep"
    title = "the Tennessee Eastman process"

    false_alarms: float = 0.01

    def __post_init__(self) -> None:
        """Check the setting."""
        check_number("false_alarms", self.false_alarms, 0.5)

    def cases(self) -> Iterator[Case]:
        """Yield the run without a fault, and those with one."""
        training = rows_of(_run(file(self.root, "d00.dat", "the fault-free run to learn from")), FEATURES)
        file(self.root, "d00_te.dat", "the fault-free run of the test")
        runs = found(self.root, "d*_te.dat", "the runs of the test, such as d01_te.dat")
        if len(runs) < 2:
            raise DataError(f"no run with a fault, such as d01_te.dat, in {self.root}; fetch them")
        for path in runs:
            values = _run(path)
            fault = path.name.removesuffix("_te.dat")
            labels = np.zeros(len(values), np.int8)
            if fault != "d00":
                if len(values) <= ONSET:
                    raise DataError(f"{path} has {len(values)} rows, but its fault starts after row {ONSET}")
                labels[ONSET:] = 1
            name = NORMAL if fault == "d00" else fault
            yield Case(name, training, rows_of(values, FEATURES), labels, FEATURES, ROW)

    def _judge(self, answered: Sequence[Answered]) -> tuple[dict[str, Grade], dict[str, Sequence[Any]]]:
        normal = [each for each in answered if each.name == NORMAL]
        faults = [each for each in answered if each.name != NORMAL]
        if len(normal) != 1 or not faults:
            raise DataError(f"{self.title} is judged by its run without a fault and at least one with; answer both")
        threshold = np.quantile(normal[0].ranks, 1.0 - self.false_alarms, method="inverted_cdf")
        shares = [Recall()(each.labels, each.ranks > threshold) for each in faults]
        own = each_alone(Recall(), faults)
        alerts = normal[0].answer.alert
        false = (
            undefined("no alerts were given") if alerts is None else FalseAlarmRate().grade(normal[0].labels, alerts)
        )
        figures = {
            "detected": mean(shares),
            "detected_own": mean(own, "no alerts were given"),
            "false_alarms_own": false,
        }
        place = {each.name: (share, mine) for each, share, mine in zip(faults, shares, own, strict=True)}
        told = [place.get(each.name, (None, None)) for each in answered]
        return figures, {"detected": [one for one, _ in told], "detected_own": [two for _, two in told]}


def _run(path: Any) -> NDArray[np.float64]:
    """Read a run as rows of 52 variables, however it lies."""
    values = matrix(path)
    if values.shape[1] != len(FEATURES):
        values = values.T
    if values.shape[1] != len(FEATURES):
        raise DataError(
            f"{path} is {values.shape[1]} by {values.shape[0]} numbers; a run has {len(FEATURES)} variables"
        )
    return values
