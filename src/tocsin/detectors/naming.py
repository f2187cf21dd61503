"""Detectors and their settings written in one line, as those who choose several write them."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from tocsin.detectors.base import Detector
from tocsin.errors import ParameterError, did_you_mean

_MEMBER = re.compile(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*(,|$)")


@cache
def named_detectors(text: str) -> tuple[tuple[type[Detector], dict[str, Any]], ...]:
    """Return the detectors that a text names, and what it sets of each.

    Raises
    ------
    ParameterError
        If it cannot be read, or there is no such detector or setting.

    Examples
    --------
    >>> [(kind.__name__, settings) for kind, settings in named_detectors("ecod(tail_error=0.02), mad")]
    [('ECOD', {'tail_error': 0.02}), ('MAD', {})]
    """
    from tocsin.detectors.catalog import detector_class

    found: list[tuple[type[Detector], dict[str, Any]]] = []
    at = 0
    while at < len(text) or not found:
        match = _MEMBER.match(text, at)
        if not match or (match[3] == "," and match.end() == len(text)):
            raise ParameterError(f'detectors must be names as in "ecod(tail_error=0.02),mad", not {text!r}')
        kind = detector_class(match[1])
        settings = dict(_setting(kind, each) for each in (match[2] or "").split(",") if each.strip())
        found.append((kind, settings))
        at = match.end()
    return tuple(found)


def _setting(kind: type[Detector], text: str) -> tuple[str, Any]:
    """Split a setting at its equals sign and read its value: a number, true, false, none, or else a word."""
    name, equals, value = (part.strip() for part in text.partition("="))
    known = kind().get_params()
    if not equals:
        raise ParameterError(f"{text.strip()!r} is no setting of {kind.__name__}; write name=value")
    if name not in known:
        raise ParameterError(f"{kind.__name__} has no setting {name!r}{did_you_mean(name, known)}")
    word = {"None": "null", "none": "null"}.get(value, value.lower() if value in ("True", "False") else value)
    try:
        return name, json.loads(word)
    except json.JSONDecodeError:
        return name, value.strip("'\"")
