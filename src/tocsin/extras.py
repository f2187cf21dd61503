"""The one way in which a detector asks for a library that not everybody has installed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from tocsin.errors import ParameterError


def need(module: str, extra: str, who: str) -> ModuleType:
    """Return a module of an optional dependency group, imported now.

    Parameters
    ----------
    module : str
        What to import, such as "jax" or "jax.numpy".
    extra : str
        The group of optional dependencies that it comes with.
    who : str
        Who needs it, as the user knows it.

    Raises
    ------
    ParameterError
        If it is not installed, or is but cannot be loaded; says how to install it, or what is wrong.

    Examples
    --------
    >>> need("no_such_library", "deep", "Autoencoder")
    Traceback (most recent call last):
    tocsin.errors.ParameterError: Autoencoder needs no_such_library, which is not installed: pip install "tocsin[deep]"
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        raise ParameterError(f'{who} needs {missing}, which is not installed: pip install "tocsin[{extra}]"') from None
    except (ImportError, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ParameterError(f"{who} needs {module}, which cannot be loaded: {said}") from None
