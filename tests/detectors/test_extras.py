"""Optional libraries: what is there is imported, and what is not is said."""

from __future__ import annotations

import sys

import pytest

from tocsin.detectors.extras import need
from tocsin.errors import ParameterError


def test_what_is_there_is_imported():
    assert need("json.decoder", "deep", "Autoencoder") is sys.modules["json.decoder"]


@pytest.mark.parametrize("module", ["stumpy", "stumpy.core"])
def test_what_is_not_there_is_said(module, monkeypatch):
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "stumpy"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "stumpy", None)
    with pytest.raises(ParameterError, match=r'^Discord needs stumpy: pip install "tocsin\[discord\]"$'):
        need(module, "discord", "Discord")
