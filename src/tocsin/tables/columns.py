"""Which columns mean what: said once, when a fleet is made, and kept with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.errors import ParameterError

FILE_KEY = "@file"
ROLES = ("key", "time", "sensor", "value", "label")


@dataclass(frozen=True, slots=True)
class Columns:
    """The roles that columns play; what is saved with a fleet.

    A table is wide, a column a sensor, or long, with one column that names the sensor and one that holds its value.

    Parameters
    ----------
    key : str, optional
        The column that says which asset a reading is of, or ``"@file"`` where each file is an asset, called by the
        file's name without suffixes. None is one asset.
    time : str, optional
        The column that orders an asset's readings. None keeps the order of the input.
    features : sequence of str, optional
        Names, globs (``"temp_*"``) and exclusions (``"!temp_3"``); of a long table's sensors likewise. None is every
        numeric column that has no other role.
    sensor, value : str, optional
        The two columns of a long table; give both, and `time`.
    label : str, optional
        The column that says of each row whether it is anomalous, 1, or normal, 0. It is never a feature, and needed
        only where something learns from labels.

    Raises
    ------
    ParameterError
        If only one of `sensor` and `value` is given, a long table has no time or has labels, or one column has two
        roles.

    Examples
    --------
    >>> Columns(key="turbine", time="at", features=["power", "temp_*", "!temp_3"]).features
    ('power', 'temp_*', '!temp_3')
    """

    key: str | None = None
    time: str | None = None
    features: Sequence[str] | None = None
    sensor: str | None = None
    value: str | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        """Refuse roles that contradict each other."""
        if self.features is not None:
            names = [self.features] if isinstance(self.features, str) else self.features
            object.__setattr__(self, "features", tuple(names))
            if not self.features:
                raise ParameterError("features names no column; leave it out to take every numeric one")
        if (self.sensor is None) != (self.value is None):
            given, other = ("sensor", "value") if self.value is None else ("value", "sensor")
            raise ParameterError(f"{given} is given without {other}; a long table needs both")
        if self.long and self.time is None:
            raise ParameterError("a long table needs a time column, which says what belongs to one row; give time")
        if self.long and self.label is not None:
            raise ParameterError("a long table cannot have a label column; give a wide one, with a label a row")
        roles = [role for role in ROLES if getattr(self, role) is not None]
        for i, role in enumerate(roles):
            for other in roles[:i]:
                if getattr(self, role) == getattr(self, other):
                    raise ParameterError(f"column {getattr(self, role)!r} cannot be both {other} and {role}")

    @property
    def long(self) -> bool:
        """Whether each row holds one sensor's value."""
        return self.sensor is not None

    @property
    def roles(self) -> dict[str, str]:
        """The role of each column that is named and is not a feature."""
        named = {role: getattr(self, role) for role in ROLES}
        return {column: role for role, column in named.items() if column is not None and column != FILE_KEY}
