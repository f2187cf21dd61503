"""What separates the fields of a text table, seen from its first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence

SPACES = " "
_CANDIDATES = ("\t", ";", "|", ",")
_RUN = re.compile(r"\s+")


def sniff(lines: Sequence[str]) -> str:
    r"""Return the separator that splits the lines into equally many fields; ``" "`` stands for runs of spaces.

    Where several do, that with the most fields wins; where none does, there is one column and it is a comma.

    Examples
    --------
    >>> sniff(["at;power", "2020-03-09 10:14;1,5"])
    ';'
    >>> sniff(["1  1 -0.0007  ", " 1 12 100.0 "])
    ' '
    """
    lines = [line for line in lines if line.strip()]
    best, fields = ",", 1
    for candidate in _CANDIDATES:
        count = _common([len(row) for row in csv.reader(lines, delimiter=candidate)])
        if count > fields:
            best, fields = candidate, count
    if fields == 1 and _common([len(_RUN.split(line.strip())) for line in lines]) > 1:
        return SPACES
    return best


def _common(counts: list[int]) -> int:
    """Return how many fields the first line and nine in ten of all have; 0 if they do not agree."""
    if not counts:
        return 0
    count, times = Counter(counts).most_common(1)[0]
    return count if times >= 0.9 * len(counts) and counts[0] == count else 0
