"""Which columns are features: what the user's names, globs and exclusions come to, and why others are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from tocsin.errors import ColumnError, did_you_mean
from tocsin.tables.kinds import EMPTY, MIXED, NUMBER, Kind


class Resolved(NamedTuple):
    """The features, in order, and the reason for each column that is none."""

    features: tuple[str, ...]
    left_out: dict[str, str]


def resolve(
    kinds: Mapping[str, Kind], patterns: Sequence[str] | None, roles: Mapping[str, str], what: str = "column"
) -> Resolved:
    """Return the features that `patterns` choose among columns, or all numeric ones for None.

    Names keep the order in which they are given; what a glob adds follows the order of the columns. A name that
    reads like a pattern, such as ``"temp [C]"``, is a name first.

    Raises
    ------
    ColumnError
        If a name, a glob or an excluded name is no column, a named column is not numeric, or nothing is left.
    """
    left_out = dict(roles)
    chosen: dict[str, None] = {}
    excluded: dict[str, None] = {}
    patterns = tuple(patterns or ())
    positive = False
    for pattern in patterns:
        if pattern.startswith("!") and pattern not in kinds:
            excluded.update(dict.fromkeys(_matches(pattern[1:], kinds, what)))
            continue
        positive = True
        matches = _matches(pattern, kinds, what)
        if pattern in kinds:
            _check_usable(pattern, kinds[pattern], roles)
            chosen[pattern] = None
        chosen.update(dict.fromkeys(name for name in matches if name not in roles and _numeric(name, kinds, left_out)))
    if not positive:
        chosen = {name: None for name in kinds if name not in roles and _numeric(name, kinds, left_out, excluded)}
    features = tuple(name for name in chosen if name not in excluded)
    for name in kinds:
        if name not in chosen:
            left_out.setdefault(name, "excluded" if name in excluded else "not asked for")
        elif name in excluded:
            left_out[name] = "excluded"
    if not features:
        raise ColumnError(_nothing_left(patterns, left_out, what))
    return Resolved(features, {name: left_out[name] for name in kinds if name in left_out and name not in features})


def expected(
    kinds: Mapping[str, Kind], features: Sequence[str], roles: Mapping[str, str], what: str = "column"
) -> Resolved:
    """Return exactly the features that a fleet has learned; all else is left out.

    Raises
    ------
    ColumnError
        If one of them is missing or not numeric.
    """
    missing = [name for name in features if name not in kinds]
    if missing:
        others = [name for name in kinds if name not in features and name not in roles]
        near = [did_you_mean(name, others).removeprefix("; ") for name in missing[:3]]
        hints = [
            f"{name!r} ({hint})" if hint.startswith("did") else repr(name)
            for name, hint in zip(missing, near, strict=False)
        ]
        shown = ", ".join(hints) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise ColumnError(
            f"{len(missing)} of the {len(features)} features of this fleet are no {what} here: {shown}; "
            f"rename the {what}s to what the fleet was trained with"
        )
    for name in features:
        if kinds[name].name != EMPTY:
            _check_usable(name, kinds[name], roles)
    reasons = {name: roles.get(name, "no feature of this fleet") for name in kinds if name not in features}
    return Resolved(tuple(features), reasons)


def check_column(name: str, role: str, known: Sequence[str]) -> None:
    """Refuse a column that is not there, with a near match."""
    if name not in known:
        raise ColumnError(f"no column {name!r} for the {role}" + did_you_mean(name, known))


def _matches(pattern: str, kinds: Mapping[str, Kind], what: str) -> list[str]:
    if pattern in kinds:
        return [pattern]
    found = [name for name in kinds if fnmatchcase(name, pattern)]
    if not found:
        if any(sign in pattern for sign in "*?["):
            raise ColumnError(f"no {what} matches {pattern!r}" + did_you_mean(pattern, kinds))
        raise ColumnError(f"no {what} {pattern!r}" + did_you_mean(pattern, kinds))
    return found


def _check_usable(name: str, kind: Kind, roles: Mapping[str, str]) -> None:
    if name in roles:
        raise ColumnError(f"column {name!r} is the {roles[name]} and cannot be a feature too; name other features")
    if kind.name == MIXED:
        raise mixed_error(name, kind.example)
    if not kind.usable:
        raise ColumnError(f"column {name!r} is {kind.title} and cannot be a feature; name numeric columns")


def _numeric(
    name: str, kinds: Mapping[str, Kind], left_out: dict[str, str], excluded: Mapping[str, None] | None = None
) -> bool:
    """Tell whether a column is taken without being named; note the reason if not."""
    kind = kinds[name]
    if kind.name == MIXED and not (excluded and name in excluded):
        raise mixed_error(name, kind.example)
    if kind.name != NUMBER:
        left_out.setdefault(name, kind.title)
    return kind.name == NUMBER


def mixed_error(name: str, example: str, where: str = "", *, of_frame: bool = False) -> ColumnError:
    """Return the error for a column of numbers that holds something else too."""
    cure = "convert the column to numbers" if of_frame else f"if that means missing give null_values=[{example!r}]"
    return ColumnError(
        f"column {name!r} holds numbers and text, such as {example!r}{where}; {cure}, else leave it out with '!{name}'"
    )


def _nothing_left(patterns: Sequence[str], left_out: Mapping[str, str], what: str) -> str:
    reasons = ", ".join(f"{name} ({reason})" for name, reason in list(left_out.items())[:8])
    more = f" and {len(left_out) - 8} more" if len(left_out) > 8 else ""
    asked = f"features {', '.join(map(repr, patterns))} leave nothing" if patterns else f"no numeric {what} is left"
    return f"{asked}; left out are: {reasons}{more}" if reasons else f"{asked}; there are no {what}s"
