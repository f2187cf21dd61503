"""Who takes part: every detector of the catalog that can, with its variants, as it is and behind windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tocsin.detectors.base import Detector
from tocsin.detectors.catalog import catalog, detector_class
from tocsin.detectors.naming import named_detectors
from tocsin.errors import ParameterError
from tocsin.features.recipe import Recipe
from tocsin.features.steps.windows import Window
from tocsin.fleet.pipeline import Pipeline

WINDOW = 12
"""How many rows the windows have that stand before a detector."""


@dataclass(frozen=True)
class Contestant:
    """A detector with settings, and the recipe of its features.

    Parameters
    ----------
    detector : str
        The catalog's name.
    settings : dict of str to value
        What differs from the detector's defaults.
    recipe : Recipe, optional
        What stands before it.
    windows : bool
        Whether that is the recipe of the competition and none that the user gave.
    """

    detector: str
    settings: Mapping[str, Any] = field(hash=False)
    recipe: Recipe | None = None
    windows: bool = False

    def make(self, seed: int | None = None) -> Detector:
        """Return the detector, with another seed if it has one."""
        kind = detector_class(self.detector)
        own = {"seed": seed} if seed is not None and self.seeded else {}
        return kind(**{**own, **self.settings})

    def pipeline(self, seed: int | None = None) -> Pipeline:
        """Return what learns and scores."""
        return Pipeline(self.make(seed), self.recipe)

    @property
    def seeded(self) -> bool:
        """Whether chance has a part in what it learns."""
        return "seed" in detector_class(self.detector)().get_params() and "seed" not in self.settings

    def __str__(self) -> str:
        """Return its name and settings, as the ensemble takes them, and what stands before it.

        >>> str(Contestant("pca", {"components": 0.6, "contamination": 0.01}))
        'pca(components=0.6)'
        """
        shown = {name: value for name, value in self.settings.items() if name not in ("contamination", "infinite")}
        settings = ", ".join(f"{name}={value}".lower() for name, value in shown.items())
        return self.detector + (f"({settings})" if settings else "") + (" on windows" if self.windows else "")


def contestants(
    names: Sequence[str] | None = None,
    *,
    labelled: bool = False,
    recipe: Recipe | None = None,
    windows: bool = True,
    common: dict[str, Any] | None = None,
) -> tuple[list[Contestant], dict[str, str]]:
    """Return who takes part, and why each other detector does not.

    A detector's `variants` are its settings. One that takes each row by itself takes part behind windows, too: means
    and standard deviations of the last rows beside the readings, in which what lasts shows. One that needs labels takes
    part only where there are any; to ask for it by name is then an error.

    Parameters
    ----------
    names : sequence of str, optional
        Detectors of the catalog; by default all. One with settings, ``pca(components=5)``, takes part with these.
    labelled : bool, default False
        Whether there are labels.
    recipe : Recipe, optional
        What stands before each; then none takes part behind windows.
    windows : bool, default True
        Whether some take part behind windows.
    common : dict, optional
        Settings of all of them, such as the contamination.

    Raises
    ------
    ParameterError
        If there is no such detector or setting, or one needs labels that are not there.

    Examples
    --------
    >>> found, skipped = contestants(["mad", "pca"], windows=False)
    >>> [str(each) for each in found]
    ['mad', 'pca', 'pca(components=0.6)']
    """
    common = common or {}
    asked = [(kind, kind.variants) for kind in catalog().values()]
    if names is not None and not names:
        raise ParameterError("detectors must name at least one; leave it out for all")
    if names is not None:
        asked = [
            (kind, (settings,) if settings else kind.variants)
            for name in names
            for kind, settings in named_detectors(name)
        ]
    found: list[Contestant] = []
    skipped: dict[str, str] = {}
    for kind, variants in asked:
        name = kind.__name__.lower()
        if kind().supervised and not labelled:
            skipped[name] = f"{kind.__name__} learns from labels, and there are none"
            continue
        found += [Contestant(name, {**common, **variant}, recipe) for variant in variants]
        if windows and recipe is None and not kind().temporal and not kind().supervised:
            behind = Recipe([Window(WINDOW, ["mean", "std"], keep=True)])
            found.append(Contestant(name, {**common, **variants[0]}, behind, windows=True))
    if skipped and names is not None:
        raise ParameterError(next(iter(skipped.values())))
    for each in found:
        each.make().check_parameters()
    return list(dict.fromkeys(found)), skipped
