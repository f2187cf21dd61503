"""The pages that list what there is list all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tocsin import catalog
from tocsin.cli.settings import make_detector
from tocsin.errors import ParameterError

PAGE = (Path(__file__).parents[1] / "docs" / "detectors.md").read_text(encoding="utf-8")
ROWS = {cells[1].strip(" `"): cells for line in PAGE.splitlines() if len(cells := line.split("|")) == 7}


def test_the_page_of_detectors_is_the_catalog():
    assert sorted(set(ROWS) - {"detector", "---"}) == sorted(catalog())


@pytest.mark.parametrize(("name", "kind"), catalog().items(), ids=catalog())
def test_each_is_said_to_be_what_it_is(name, kind):
    _, _, _, ordered, learns, needs, _ = (cell.strip() for cell in ROWS[name])
    detector = kind()
    assert {"yes": True, "": False}.get(learns, detector.incremental) == detector.incremental
    assert (ordered == "yes") == detector.temporal
    assert (f"tocsin[{kind.extra}]" in needs) == (kind.extra is not None)
    assert ("labels" in needs) == detector.supervised


def test_its_commands_name_settings_that_there_are():
    commands = re.findall(r"--detector (\w+)(?: --set '?([^' ]+)'?)?", PAGE)
    assert len(commands) == 3
    for name, setting in commands:
        make_detector(name, [setting] if setting else None)
    with pytest.raises(ParameterError):
        make_detector("pca", ["component=5"])
