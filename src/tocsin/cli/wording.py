"""What the library says to those who write Python, said to those who type a command."""

from __future__ import annotations

import ast
import re
import shlex

_PLAIN = {
    "read with infinite='missing'": "fit with --set infinite=missing",
    "header=False": "--no-header",
    "give tmp a folder": "set TMPDIR to a folder",
    "leave `at` out": "leave --at out",
    "to one row; give time": "to one row; give --time",
}
_NULL_VALUE = re.compile(r"""null_values=\[('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]""")


def in_options(message: str) -> str:
    """Return a message that names options of the command line in place of Python's parameters.

    >>> in_options("if that means missing give null_values=['not read']")
    "if that means missing give --null-value 'not read'"
    """
    for python, option in _PLAIN.items():
        message = message.replace(python, option)
    return _NULL_VALUE.sub(lambda found: f"--null-value {shlex.quote(ast.literal_eval(found[1]))}", message)
