"""Optional libraries: what is there is imported, and what is not is said."""

from __future__ import annotations

import sys

import pytest

from tocsin.errors import ParameterError
from tocsin.extras import need


def test_what_is_there_is_imported():
    assert need("json.decoder", "deep", "Autoencoder") is sys.modules["json.decoder"]


@pytest.mark.parametrize("module", ["stumpy", "stumpy.core"])
def test_what_is_not_there_is_said(module, monkeypatch):
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "stumpy"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "stumpy", None)
    with pytest.raises(
        ParameterError, match=r'^Discord needs stumpy, which is not installed: pip install "tocsin\[discord\]"$'
    ):
        need(module, "discord", "Discord")


@pytest.mark.parametrize("error", [ImportError, OSError])
def test_what_cannot_be_loaded_is_said_in_a_line(error, monkeypatch):
    def load(module):
        raise error("libgomp.so.1: cannot open shared object file\nand more")

    monkeypatch.setattr("tocsin.extras.import_module", load)
    said = r"^LightGBM needs lightgbm, which cannot be loaded: libgomp.so.1: cannot open shared object file$"
    with pytest.raises(ParameterError, match=said):
        need("lightgbm", "boosting", "LightGBM")
