"""What a machine reads: one JSON object on standard output, and nothing else there."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.fleet.fleet import Fleet


def print_json(content: dict[str, Any]) -> None:
    """Print one object; numbers that JSON does not know become null."""
    print(json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False))


def report_of(fleet: Fleet) -> dict[str, Any]:
    """Return what the fleet's last call read and did."""
    report = fleet.report
    return {
        "rows": report.rows,
        "assets": report.assets,
        "alerts": report.alerts,
        "missing": report.missing,
        "seconds": round(report.seconds, 4),
        "features": list(report.features),
        "left_out": report.left_out,
        "unknown_assets": report.unknown_assets,
        "notes": report.notes,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if isinstance(value, str | int | float | bool | None) else str(value)
