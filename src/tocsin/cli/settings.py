"""A detector from its name and from settings given as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tocsin.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    from tocsin.detectors.base import Detector


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

    from pydantic import TypeAdapter, ValidationError

    name, equals, text = setting.partition("=")
    name = name.strip()
    if not equals:
        raise ParameterError(f"--set {setting!r} is not of the form name=value, such as contamination=0.001")
    known = kind().get_params()
    if name not in known:
        raise ParameterError(f"{kind.__name__} has no setting {name!r}{did_you_mean(name, known)}")
    adapter = TypeAdapter(get_type_hints(kind.__init__)[name])
    try:
        return name, adapter.validate_python(None) if text.strip().lower() == "none" else adapter.validate_strings(text)
    except ValidationError as error:
        wanted = error.errors()[0]["msg"]
        raise ParameterError(
            f"--set {name}={text}: {wanted[:1].lower()}{wanted[1:]}; by default it is {known[name]}"
        ) from None
