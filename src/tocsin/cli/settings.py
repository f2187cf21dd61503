"""A detector from its name, and a part of a signal, from settings given as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tocsin.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    from tocsin.detectors.base import Detector
    from tocsin.synth.parts import Part


def make_detector(name: str, settings: list[str] | None) -> Detector:
    """Return the detector of that name with settings such as ``contamination=0.001``.

    Raises
    ------
    ParameterError
        If there is no such detector or setting, or a value is of the wrong kind or makes no sense.
    """
    from tocsin.detectors.catalog import detector_class

    kind = detector_class(name)
    given = dict(_parsed(kind, setting) for setting in settings or [])
    detector = kind(**given)
    detector.check_parameters()
    return detector


def words(detector: Detector) -> list[str]:
    """Return the words that make a detector like this one again."""
    usual = type(detector)().get_params()
    changed = {name: value for name, value in detector.get_params().items() if value != usual[name]}
    return [word for name, value in changed.items() for word in ("--set", f"{name}={value}".lower())]


def _parsed(kind: type[Detector], setting: str) -> tuple[str, Any]:
    """Split a setting at its equals sign and read its value as the kind of thing that the detector expects."""
    from typing import get_type_hints

    name, equals, text = setting.partition("=")
    name = name.strip()
    if not equals:
        raise ParameterError(f"--set {setting!r} is not of the form name=value, such as contamination=0.001")
    known = kind().get_params()
    if name not in known:
        raise ParameterError(f"{kind.__name__} has no setting {name!r}{did_you_mean(name, known)}")
    usual = f"by default it is {known[name]}"
    return name, _read(get_type_hints(kind.__init__)[name], text, f"--set {name}={text}", usual)


def make_part(option: str, kind: type[Part], text: str, fixed: Mapping[str, Any] | None = None) -> Part:
    """Return a part of a made-up signal from text such as ``amplitude=0.1,period=200``, and what is `fixed`.

    Raises
    ------
    ParameterError
        If it has no such number, one is missing, of the wrong kind or makes no sense.
    """
    from dataclasses import MISSING, fields
    from typing import get_type_hints

    given = dict(fixed or {})
    known = {field.name: field.default for field in fields(kind) if field.name not in given}
    example = ",".join(f"{name}={1 if usual is MISSING else usual}" for name, usual in known.items())
    for setting in text.split(","):
        name, equals, value = setting.partition("=")
        name = name.strip()
        if not equals:
            raise ParameterError(f"{option} {text!r} is not of the form name=value,..., such as {example}")
        if name not in known:
            raise ParameterError(f"{option} has no {name!r}{did_you_mean(name, known)}")
        if name in given:
            raise ParameterError(f"{option} {text!r} gives {name} twice")
        given[name] = _read(get_type_hints(kind)[name], value, f"{option} {name}={value}", f"such as {example}")
    for name, usual in known.items():
        if usual is MISSING and name not in given:
            raise ParameterError(f"{option} needs {name}, such as {example}")
    return kind(**given)


def _read(hint: Any, text: str, what: str, usual: str) -> Any:
    """Read a text as the kind of thing that is expected."""
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(hint)
    try:
        nothing = text.strip().lower() in ("none", "null")
        return adapter.validate_python(None) if nothing else adapter.validate_strings(text)
    except ValidationError as error:
        wanted = error.errors()[0]["msg"]
        raise ParameterError(f"{what}: {wanted[:1].lower()}{wanted[1:]}; {usual}") from None
