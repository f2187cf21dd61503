"""What a stream says of a fleet that is another one than its store's."""

from __future__ import annotations

import pytest

from tocsin.stream.identity import differing

OWN = {"detector": "ECOD", "features": ["flow", "heat", "load"], "precision": "float32"}
MANY = [f"x{i}" for i in range(100)]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, None),
        ({"features": ["flow", "heat"]}, "other features (without 'load')"),
        ({"features": ["flow", "heat", "load", "speed"]}, "other features (with 'speed')"),
        ({"features": ["flow", "speed", "load"]}, "other features (with 'speed', without 'heat')"),
        ({"features": ["heat", "flow", "load"]}, "other features (in another order)"),
        (
            {"features": [*OWN["features"], *MANY]},
            "other features (with 'x0', 'x1', 'x2' and 97 more)",
        ),
        ({"precision": "float64"}, "other precision (float64, not float32)"),
    ],
)
def test_what_differs(other: dict[str, object], said: str | None) -> None:
    assert differing(OWN | other, OWN) == said
