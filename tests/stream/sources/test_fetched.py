"""What is fetched in several calls is one, and nothing of it is lost."""

from __future__ import annotations

import polars as pl

from tocsin.stream.sources.base import KEY, TIME, DeadLetter, Fetched, joined


def part(row: int, **said: object) -> Fetched:
    frame = pl.DataFrame({KEY: [f"pump {row}"], TIME: [row], "heat": [float(row)]})
    return Fetched(frame, {"row": row}, 10 + row, **said)  # type: ignore[arg-type]


def test_parts_are_added_up() -> None:
    letter = DeadLetter("no JSON", b"?")
    parts = [
        part(0, strange={"flow": 2}, mended=3, newest=7.0),
        part(1, dead=[letter]),
        part(2, strange={"flow": 1, "load": 4}, mended=1, newest=5.0),
    ]
    whole = joined(parts)
    assert whole.frame[TIME].to_list() == [0, 1, 2]
    assert whole.positions == {"row": 2}
    assert (whole.size, whole.mended, whole.newest) == (33, 4, 7.0)
    assert whole.strange == {"flow": 3, "load": 4}
    assert [*whole.dead] == [letter]
    assert joined(parts[1:2]) is parts[1]
    assert joined([part(0), part(1)]).newest is None
