"""What makes two fleets one and the same to a stream, whatever their models have learned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tocsin.fleet.fleet import Fleet
from tocsin.fleet.store import HEADER


def identity(fleet: Fleet) -> dict[str, Any]:
    """Return what must not change about a fleet for a store to go on with it, as JSON values."""
    return {
        "detector": type(fleet.detector).__name__,
        "parameters": dict(sorted(fleet.detector.get_params().items())),
        "features": list(fleet.features),
        "recipe": None if fleet.recipe is None else fleet.recipe.to_dict(),
        "precision": fleet.dtype.name,
    }


def differing(said: Mapping[str, Any], own: Mapping[str, Any]) -> str | None:
    """Return in words what is said of a fleet (`identity`) that is not one's own; None if nothing is."""
    for name, value in said.items():
        if value != own.get(name):
            told = _features(value, own[name]) if name == "features" else f"{value}, not {own.get(name)}"
            return f"other {name} ({told})"
    return None


def _features(said: Sequence[str], own: Sequence[str]) -> str:
    """Return what tells features from one's own, as there may be hundreds."""
    more, fewer = ([name for name in these if name not in those] for these, those in ((said, own), (own, said)))
    told = [f"{word} {_some(names)}" for word, names in (("with", more), ("without", fewer)) if names]
    return ", ".join(told) or "in another order"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def models_in(folder: Path) -> str | None:
    """Return what names the models that a fleet's folder holds now; None if that cannot be read."""
    try:
        said = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        return str(said["models"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
