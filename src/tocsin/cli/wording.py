"""What the library says to those who write Python, said to those who type a command."""

from __future__ import annotations

import ast
import re
import shlex

_PLAIN = {
    "read with infinite='missing'": "fit with --set infinite=missing, or compete with --infinite missing,",
    "header=False": "--no-header",
    "infinite='missing' takes": "--infinite missing takes",
    "name one with column=": "name one with --column",
    "take method='mstl'": "take --method mstl",
    "say period=N": "say --period N",
    "take method='mad' or 'zscore'": "take --method mad or zscore",
    "leave column out": "leave --column out",
    "leave dtype out": "leave --dtype out",
    "is dtype right": "is --dtype right",
    "give dtype='float32'": "give --dtype float32",
    "give tmp a folder": "set TMPDIR to a folder",
    "leave `at` out": "leave --at out",
    "to one row; give time": "to one row; give --time",
}
_OPTIONS = {"null_values": "--null-value", "column": "--column"}
_QUOTED = re.compile(r"""\b(null_values|column)=\[?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]?""")


def in_options(message: str) -> str:
    """Return a message that names options of the command line in place of Python's parameters.

    >>> in_options("if that means missing give null_values=['not read']")
    "if that means missing give --null-value 'not read'"
    """
    for python, option in _PLAIN.items():
        message = message.replace(python, option)
    return _QUOTED.sub(lambda found: f"{_OPTIONS[found[1]]} {shlex.quote(ast.literal_eval(found[2]))}", message)
