"""What was skipped, mended or left out while reading: counted, so that nothing is silent."""

from __future__ import annotations

from collections import Counter

_SENTENCES = {
    "blank": "{n} blank {rows} skipped",
    "no key": "{n} {rows} without a key skipped",
    "no time": "{n} {rows} skipped whose time is missing or cannot be read",
    "no sensor": "{n} {rows} without a sensor skipped",
    "unsorted times": "{n} {rows} came before an earlier reading of the same asset; sorted by time",
    "repeated times": "{n} {rows} with the time of another row of the same asset kept, in the order of the input",
    "repeated readings": "{n} {readings} replaced by a later one of the same asset, time and sensor",
}


class Notes:
    """Counters that fill while readings are read, and remarks made when they are opened.

    Attributes
    ----------
    counts : Counter of str
        How many rows: ``"blank"``, ``"no key"``, ``"no time"``, ``"no sensor"``, ``"unsorted times"``,
        ``"repeated times"`` and ``"repeated readings"``.
    infinite : Counter of str
        How many infinite values each feature had that were treated as missing.
    remarks : list of str
        What was noticed on opening, as sentences.

    Examples
    --------
    >>> notes = Notes()
    >>> notes.counts["no key"] += 1
    >>> notes.lines()
    ['1 row without a key skipped']
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.infinite: Counter[str] = Counter()
        self.remarks: list[str] = []
        self._examples: dict[str, str] = {}

    def count(self, kind: str, number: int, example: str | None = None) -> None:
        """Add to a counter, and keep the first example of its kind."""
        if number:
            self.counts[kind] += number
            if example is not None:
                self._examples.setdefault(kind, example)

    def remark(self, sentence: str) -> None:
        """Keep a sentence, once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def restart(self) -> None:
        """Set all counters back to zero, for another reading of the same source; remarks stay."""
        self.counts.clear()
        self.infinite.clear()
        self._examples.clear()

    def lines(self) -> list[str]:
        """Return plain sentences, one a line; none if there is nothing to say."""
        lines = list(self.remarks)
        for kind, sentence in _SENTENCES.items():
            if number := self.counts[kind]:
                plural = "" if number == 1 else "s"
                line = sentence.format(n=f"{number:,}", rows=f"row{plural}", readings=f"reading{plural}")
                example = self._examples.get(kind)
                lines.append(f"{line}, such as {example!r}" if example is not None else line)
        for name, number in self.infinite.items():
            plural = "" if number == 1 else "s"
            lines.append(f"{number:,} infinite value{plural} of {name!r} treated as missing")
        return lines
