"""All that can be asked of a stream, from one TOML file and from flags, which win; checked before anything starts."""

from __future__ import annotations

import datetime
import math
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from tocsin.errors import ParameterError, did_you_mean
from tocsin.quantities import Rate, seconds, size
from tocsin.stream.metrics import host_and_port
from tocsin.urls import Address, expanded


def _address(value: object, check: Callable[[Address], object]) -> object:
    """Return an address with variables of the environment put in, if it is one that something serves."""
    if not isinstance(value, str):
        return value
    whole = expanded(value, os.environ)
    check(Address.of(whole))
    return whole


def _source(value: object) -> object:
    from tocsin.stream.sources.catalog import source_of

    return _address(value, source_of)


def _sink(value: object) -> object:
    from tocsin.stream.sinks.catalog import sink_of

    return _address(value, sink_of)


def _store(value: object) -> object:
    from tocsin.insights.catalog import store_of

    return _address(value, store_of)


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _duration(value: object) -> float:
    found = seconds(str(value))
    if found > LONGEST:
        raise ParameterError("it must be 100 years or less")
    return found


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ParameterError("write a path, as a text that is not empty")
    return Path(value).expanduser()


def _time_of_day(value: object) -> object:
    if isinstance(value, datetime.time) and value.tzinfo is None:
        return value
    try:
        return datetime.time.fromisoformat(f"{value:0>5}" if isinstance(value, str) else "")
    except ValueError:
        raise ParameterError("a time of day is written as 02:30, in UTC") from None


def _rate(value: object) -> object:
    rate = value if isinstance(value, Rate) else Rate.of(str(value))
    if not 0.0 < rate.per_day < math.inf:
        raise ParameterError("it must be above 0, such as 20/day")
    return rate


def _place(value: object) -> object:
    text = str(value)
    host_and_port(text)
    return text


Text = Annotated[str, Field(min_length=1)]
Duration = Annotated[float, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(lambda value: size(str(value))), Field(ge=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Place = Annotated[Path, BeforeValidator(_path)]
_UNITS = {"late": "s", "linger": "s", "nightly_window": "s", "retain": "s", "dead_letters_size": "B"}
"""Of the settings that are written with a unit, the one in which they are kept."""
LONGEST = 36_525 * 86_400.0
"""The longest duration in seconds, whose nanoseconds are still a whole number of 64 bits."""
_WRONG = {
    "greater_than": "it must be above {gt:,.15g}{unit}",
    "greater_than_equal": "it must be {ge:,.15g}{unit} or more",
    "less_than": "it must be below {lt:,.15g}{unit}",
    "less_than_equal": "it must be {le:,.15g}{unit} or less",
    "literal_error": "it must be {expected}",
    "string_type": "write a text in quotes",
    "string_too_short": "write a text that is not empty",
    "tuple_type": "write an address in quotes, or several in brackets",
    "int_type": "write a whole number without quotes, such as 1000",
    "float_type": "write a number, such as 0.2",
    "float_parsing": "write a number, such as 0.2",
}
"""What is said of what pydantic finds."""


class Settings(BaseModel):
    """What ``tocsin stream`` is told: names are those of the file and, with dashes, of the flags.

    Durations are seconds here and texts such as ``"200ms"`` where they are written, sizes are bytes and ``"100MB"``, a
    budget is ``"20/day"``. Paths are meant from the folder in which the command runs. In addresses ``$NAME`` is taken
    from the environment, so that no password need be in a file; what came of it is never shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    _file: dict[str, str] = PrivateAttr(default_factory=dict)

    fleet: Place = Field(description="The folder of a fleet that has learned.")
    source: Annotated[str, BeforeValidator(_source)] = Field(
        alias="from",
        repr=False,
        description="Where readings come from: - for standard input, a file that grows, a folder in which files "
        "arrive, replay://PATH of any table, kafka://HOST:PORT/TOPIC, mqtt://HOST/TOPIC.",
    )
    sinks: Annotated[tuple[Annotated[str, BeforeValidator(_sink)], ...], BeforeValidator(_several)] = Field(
        default=(),
        alias="to",
        repr=False,
        description="Where alerts go, one address or several: - for standard output, a file ending in .ndjson, "
        "parquet://FOLDER, kafka://HOST:PORT/TOPIC, https://..., or what Apprise knows, such as mailto:// and slack://.",
    )
    store: Annotated[str, BeforeValidator(_store)] = Field(
        default="",
        validate_default=False,
        repr=False,
        description="Where state and insights are kept: a folder, or redis://HOST/0. By default FLEET-store.",
    )
    key: Text | None = Field(default=None, description="The field that names the asset; by default as in training.")
    time: Text | None = Field(default=None, description="The field with the time; by default as in training.")
    sensor: Text | None = Field(default=None, description="In long readings, the field that names the sensor.")
    value: Text | None = Field(default=None, description="In long readings, the field with the value.")

    late: Duration = Field(default=0.0, description="How late a reading may come after a newer one of its asset.")
    linger: Duration = Field(default=0.02, le=60.0, description="How long a batch waits for more readings.")
    rows: Count = Field(default=200_000, le=100_000_000, description="The most readings of a batch.")
    explain: Annotated[int, Field(strict=True, ge=0)] = Field(
        default=3, description="How many features to name for each alert."
    )
    threads: Count | None = Field(default=None, description="How many cores to use; by default all.")

    policy: Literal["frozen", "online", "nightly"] = Field(default="online", description="How models go on learning.")
    learn_after: Count = Field(default=256, description="After how many rows a new asset gets a model.")
    nightly_at: Annotated[datetime.time, BeforeValidator(_time_of_day)] = Field(
        default=datetime.time(2, 0), description="When models are trained anew with the policy nightly, in UTC."
    )
    nightly_how: Literal["update", "refit"] | None = Field(
        default=None,
        description="Whether models learn the day on at night, or are learned anew; by default on, if they can.",
    )
    nightly_window: Duration = Field(
        default=1_209_600.0, gt=0.0, description="From how much of the past models are learned at the most."
    )
    nightly_drift: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        default=None, description="Learn at once when more than this share of all assets has drifted, such as 0.2."
    )
    beside: Place | None = Field(
        default=None,
        description="What the folders of past readings and former models are called, before -history and -fleets; by "
        "default as the store is.",
    )
    budget: Annotated[Rate, BeforeValidator(_rate)] | None = Field(
        default=None, description="How many false alarms the whole fleet may raise, such as 20/day."
    )

    retain: Duration | None = Field(default=None, gt=0.0, description="How long insights are kept.")
    waiting: Count = Field(default=100_000, description="So many undelivered alerts stop the fetching of readings.")
    dead_letters: Place | None = Field(default=None, description="A file for messages that cannot be decoded.")
    dead_letters_size: Size = Field(default=100_000_000, description="The most bytes of dead letters that are kept.")
    metrics: Annotated[str, BeforeValidator(_place)] | None = Field(
        default=None, description="A port, or host:port, at which Prometheus may ask."
    )
    log: Literal["debug", "info", "warning", "error", "none"] | None = Field(
        default=None, description="From which level on events are logged; by default info, or none beside a live table."
    )

    @classmethod
    def load(cls, path: Path | None = None, flags: Mapping[str, object] | None = None) -> Self:
        """Read settings from a TOML file, if there is one, and from flags that were given.

        Parameters
        ----------
        path : Path, optional
        flags : mapping of str to object, optional
            By the names of the file; those that are None, or empty lists, were not given.

        Raises
        ------
        ParameterError
            If the file cannot be read or a setting is missing, unknown, or makes no sense. One line, that says where.
        """
        known = [field.alias or name for name, field in cls.model_fields.items()]
        written = {} if path is None else _read(path)
        for name, value in written.items():
            if isinstance(value, dict):
                raise ParameterError(
                    f"{path} has a table {name!r}; write each setting as name = value, outside of tables"
                )
            if name not in known:
                raise ParameterError(f"{path} has an unknown setting {name!r}{did_you_mean(name, known)}")
        given = {name: value for name, value in (flags or {}).items() if value is not None and value != []}
        for name in given:
            if name not in known:
                raise ParameterError(f"a stream has no setting {name!r}{did_you_mean(name, known)}")
        try:
            found = cls.model_validate(written | given)
        except ValidationError as error:
            raise _plain(error, None if path is None else str(path), given) from None
        found._file = {name: f"{name} in {path}" for name in written.keys() - given.keys()}
        if not found.store:
            return found.model_copy(update={"store": f"{found.fleet}-store"})
        return found

    def named(self, name: str) -> str:
        """Return what a setting is called where it was given: as a flag, or with the file that it stands in."""
        return self._file.get(name, f"--{name.replace('_', '-')}")

    def shown(self) -> dict[str, str]:
        """Return all settings that were given as text, without secrets, for logs."""
        from tocsin.stream.sinks.catalog import sink_of

        given = {name: getattr(self, name) for name in sorted(self.model_fields_set - {"source", "sinks", "store"})}
        told = {name: f"{value:.15g}{_UNITS[name]}" if name in _UNITS else str(value) for name, value in given.items()}
        sinks = [(sink_of(address), address) for address in map(Address.of, self.sinks)]
        return told | {
            "from": str(Address.of(self.source)),
            "to": ", ".join(sink.shown(address) for sink, address in sinks),
            "store": str(Address.of(self.store)),
        }


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.expanduser().open("rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        raise ParameterError(f"there is no settings file {path}") from None
    except OSError as error:
        raise ParameterError(f"cannot read settings from {path}: {os.strerror(error.errno or 0).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is no TOML: {' '.join(str(error).split())}") from None
    names: dict[str, Any] = {}
    for name, value in found.items():
        plain = name.replace("-", "_")
        if plain in names:
            raise ParameterError(f"{path} has {plain!r} twice, once with a dash; give it once")
        names[plain] = value
    return names


def _plain(error: ValidationError, path: str | None, given: Mapping[str, object]) -> ParameterError:
    """Return the first thing that is wrong as one line, without what was written: it may be secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    flag = f"--{name.replace('_', '-')}"
    if first["type"] == "missing":
        where = "" if path is None else f", or {name} = ... in {path}"
        return ParameterError(f"a stream needs {'a fleet: tocsin stream FLEET' if name == 'fleet' else flag}{where}")
    facts = first.get("ctx", {})
    cause = facts.get("error")
    said = (
        str(cause)
        if cause is not None
        else _WRONG.get(first["type"], "it makes no sense").format(**facts, unit=_UNITS.get(name, ""))
    )
    return ParameterError(f"{flag if name in given or path is None else f'{name} in {path}'}: {said}")
