"""What a trial of new models has found, whether it is inside the bounds, and how it is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from tocsin.errors import DataError, ParameterError

FORMAT_VERSION = 1
"""What a kept trial says it is; one that says more is refused."""

Change = Literal["appeared", "vanished", "changed"]


@dataclass(frozen=True)
class Bounds:
    """Inside which a challenger takes over.

    Parameters
    ----------
    new_alarms : float, default 0.2
        How many alarms it may raise that the champion does not, for each asset and day.
    vanished : float, default 0.5
        Which share of the champion's alerts may lie in alarms that it does not raise.
    lasting : int, default 36
        No alarm of so many alerts may vanish.
    changed : float, default 0.5
        Of which share of the alarms that both raise it may name another main cause.
    recall : float, default 0.95
        Which share of the champion's recall it must reach in the fire drill.
    recall_of_kind : float, default 0.8
        The same for each kind of fault of which there were at least `few`.
    few : int, default 20
        See there.
    delay : float, default 1.5
        How many times as long as the champion it may take to find a fault, on average, where both find it.
    quiet : int, default 12
        How many readings without an alert end an alarm; alarms no farther apart are one and the same.

    Raises
    ------
    ParameterError
        If a number is negative.
    """

    new_alarms: float = 0.2
    vanished: float = 0.5
    lasting: int = 36
    changed: float = 0.5
    recall: float = 0.95
    recall_of_kind: float = 0.8
    few: int = 20
    delay: float = 1.5
    quiet: int = 12

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0:
                raise ParameterError(f"{field.name} must be 0 or more, not {value}")


@dataclass(frozen=True)
class Alarm:
    """An alarm that differs: the asset, when as text, how many alerts it has, and its main cause.

    `what` says whether it `appeared`, `vanished`, or `changed` its main cause, which was `before`.
    """

    what: Change
    asset: str
    start: str
    end: str
    alerts: int
    cause: str | None
    before: str | None = None


@dataclass(frozen=True)
class Drill:
    """How both did in the fire drill, for a kind of fault or all of them.

    How many faults there were, how many each found, and the mean rows until the first alert where both found it; None
    where that was never.
    """

    kind: str
    faults: int
    champion: int
    challenger: int
    champion_delay: float | None
    challenger_delay: float | None


@dataclass(frozen=True)
class Trial:
    """What came of a trial.

    Attributes
    ----------
    promoted : bool
        Whether all is inside the bounds.
    reasons : tuple of str
        Why not, in plain words; empty if it is.
    bounds : Bounds
        What it was held against.
    assets, asset_days
        How many assets were watched, and how long, all together.
    champion_alarms, challenger_alarms, appeared, vanished, changed : int
        How many alarms each raises, and how many differ.
    vanished_alerts : float
        Which share of the champion's alerts lies in alarms that vanish.
    alarms : tuple of Alarm
        Those that differ, most alerts first; of many only the first.
    by_asset : dict of str to tuple of int
        How many alarms appear, vanish and change, of the assets with most.
    drills : tuple of Drill
        The fire drill: all faults together, then each kind.
    """

    promoted: bool
    reasons: tuple[str, ...]
    bounds: Bounds
    assets: int
    asset_days: float
    champion_alarms: int
    challenger_alarms: int
    appeared: int
    vanished: int
    changed: int
    vanished_alerts: float
    alarms: tuple[Alarm, ...]
    by_asset: dict[str, tuple[int, int, int]]
    drills: tuple[Drill, ...]

    def to_json(self) -> str:
        """Return it as JSON, which `of_json` reads."""
        kept = {"format_version": FORMAT_VERSION, **TypeAdapter(Trial).dump_python(self, mode="json")}
        return json.dumps(kept, allow_nan=False, ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str | bytes) -> Trial:
        """Undo `to_json`.

        Raises
        ------
        DataError
            If it is no trial, or a newer Tocsin wrote it.
        """
        try:
            kept = json.loads(text)
            version = int(kept.pop("format_version"))
            if version <= FORMAT_VERSION:
                return TypeAdapter(Trial).validate_python(kept)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
        else:
            raise DataError(f"this trial has format {version}, and this Tocsin reads {FORMAT_VERSION}; upgrade it")
        raise DataError(f"this is no trial that Tocsin has kept ({why})")


def asset_time(days: float) -> str:
    """Return how long assets were watched, all together.

    >>> asset_time(1400.2), asset_time(1.25), asset_time(0.05)
    ('1,400 asset-days', '30.0 asset-hours', '72 asset-minutes')
    """
    for unit, many in (("days", days), ("hours", 24.0 * days)):
        if many >= 2.0:
            return f"{many:,.{0 if many >= 100.0 else 1}f} asset-{unit}"
    return f"{1440.0 * days:,.0f} asset-minutes"


def reasons(found: Mapping[str, Any], bounds: Bounds) -> tuple[str, ...]:
    """Return why what was found is outside the bounds, in plain words; nothing if it is inside.

    `found` holds the fields of a `Trial`, and `lasting`, the longest alarm that vanishes, or None.
    """
    said = []
    rate = found["appeared"] / found["asset_days"] if found["asset_days"] else math.inf
    if found["appeared"] and rate > bounds.new_alarms:
        days = f"in {asset_time(found['asset_days'])}"
        said.append(f"{found['appeared']:,} new alarms {days}, {rate:.2g} a day, where {bounds.new_alarms:g} may be")
    lasting: Alarm | None = found["lasting"]
    if lasting is not None and lasting.alerts >= bounds.lasting:
        what = f"an alarm of {lasting.alerts:,} alerts"
        said.append(f"{what} would vanish: asset {lasting.asset!r}, from {lasting.start} on; confirm it, or mend it")
    if found["vanished_alerts"] > bounds.vanished:
        share = f"{100 * found['vanished_alerts']:.0f} %"
        said.append(f"{share} of the alerts are in alarms that would vanish, where {100 * bounds.vanished:g} % may be")
    both = found["champion_alarms"] - found["vanished"]
    if both and found["changed"] / both > bounds.changed:
        said.append(f"{found['changed']:,} of {both:,} alarms would name another main cause")
    return (*said, *_drill_reasons(found["drills"], bounds))


def _drill_reasons(drills: tuple[Drill, ...], bounds: Bounds) -> list[str]:
    if not drills:
        return ["no fire drill was possible; give more readings"] if bounds.recall > 0 else []
    said = []
    for place, drill in enumerate(drills):
        least = bounds.recall if place == 0 else bounds.recall_of_kind
        if (place == 0 or drill.faults >= bounds.few) and drill.challenger < least * drill.champion:
            kind = "faults" if place == 0 else f"faults of the kind {drill.kind}"
            said.append(f"in the fire drill it finds {drill.challenger} of {drill.faults} {kind}, not {drill.champion}")
    whole = drills[0]
    if whole.champion_delay is not None and whole.challenger_delay is not None:
        most = bounds.delay * max(whole.champion_delay, 1.0)
        if whole.challenger_delay > most:
            said.append(
                f"in the fire drill it takes {whole.challenger_delay:.1f} rows to find a fault, "
                f"not {whole.champion_delay:.1f}"
            )
    return said
