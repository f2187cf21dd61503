"""`tocsin info`: what a fleet is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli.options import Json

if TYPE_CHECKING:
    from tocsin.fleet.fleet import Fleet


def info(
    fleet: Annotated[
        Path | None,
        typer.Argument(
            metavar="FLEET", show_default=False, help="The folder of a fleet. Without it, the detectors are listed."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a saved fleet is, or which detectors there are."""
    from tocsin.cli.machine import print_json

    if fleet is None:
        found = _detectors()
        print_json({"detectors": found}) if as_json else _show_detectors(found)
        return
    from tocsin.fleet.fleet import Fleet

    loaded = Fleet.load(fleet)
    about = _about(loaded, fleet)
    print_json(about) if as_json else _show(about)


def _detectors() -> list[dict[str, Any]]:
    from tocsin.detectors.catalog import catalog

    return [
        {
            "name": name,
            "about": (kind.__doc__ or "").strip().partition("\n")[0],
            "updates": kind().incremental,
            "labels": kind().supervised,
            "extra": kind.extra,
            "settings": kind().get_params(),
        }
        for name, kind in catalog().items()
    ]


def _show_detectors(found: list[dict[str, Any]]) -> None:
    from tocsin.cli import view

    console = view.stdout()
    for detector in found:
        console.print(detector["name"], style="bold")
        settings = [f"{name}={value}" for name, value in detector["settings"].items()]
        needs = [f'pip install "tocsin[{detector["extra"]}]"'] if detector["extra"] else []
        needs += ["a label column"] if detector["labels"] else []
        lines = [detector["about"], "  ".join(settings), *([f"needs {' and '.join(needs)}"] if needs else [])]
        console.print(view.bullets(lines))


def _about(fleet: Fleet, path: Path) -> dict[str, Any]:
    import pyarrow.compute as pc

    from tocsin.tables.columns import ROLES

    models = fleet.models
    threshold = pc.min_max(models.column("threshold")).as_py()
    return {
        "fleet": str(path),
        "detector": type(fleet.detector).__name__.lower(),
        "settings": fleet.detector.get_params(),
        "updates": fleet.detector.incremental,
        "assets": len(fleet),
        "keys": [str(key) for key in fleet.keys],
        **{role: getattr(fleet.columns, role) for role in ROLES},
        "features": list(fleet.features),
        "recipe": None if fleet.recipe is None else fleet.recipe.to_dict(),
        "made": fleet.made,
        "rows": pc.sum(models.column("rows")).as_py(),
        "first_time": pc.min(models.column("first_time")).as_py(),
        "last_time": pc.max(models.column("last_time")).as_py(),
        "threshold": [threshold["min"], threshold["max"]],
        "version": fleet.version,
        "bytes": sum(part.stat().st_size for part in path.iterdir() if part.is_file()),
    }


def _show(about: dict[str, Any]) -> None:
    from rich.text import Text

    from tocsin.cli import view
    from tocsin.cli.report import watched
    from tocsin.cli.text import count, listed, moment, number
    from tocsin.tables.columns import ROLES

    console = view.stdout()
    low, high = about["threshold"]
    learned = f"{count(about['rows'], 'row')}, {about['rows'] / max(about['assets'], 1):,.0f} an asset"
    if about["first_time"] is not None:
        learned += f", {moment(about['first_time'])} to {moment(about['last_time'])}"
    size = about["bytes"] / 1e6
    console.print(Text(about["fleet"], style="bold"))
    console.print(
        view.facts(
            {
                "detector": about["detector"] + ("" if about["updates"] else " (cannot be updated)"),
                "settings": ", ".join(f"{name}={value}" for name, value in about["settings"].items()),
                "assets": f"{about['assets']:,}: {listed(about['keys'], 8)}" if about["key"] else "1",
                **{role: about[role] for role in ROLES},
                **watched(about["features"], about["made"]),
                "learned": learned,
                "threshold": number(low) if low == high else f"{number(low)} to {number(high)}",
                "version": str(about["version"]),
                "on disk": f"{size:,.2f} MB, {1e3 * size / max(about['assets'], 1):,.1f} kB an asset",
            }
        )
    )
