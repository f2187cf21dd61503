"""Work on panels with the cores of this machine."""

from __future__ import annotations

from tocsin.threads import cores, run

__all__ = ["cores", "run"]
