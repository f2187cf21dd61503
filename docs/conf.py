"""Sphinx's settings."""

from importlib.metadata import version as version_of

project = "Tocsin"
author = "The Tocsin authors"
copyright = author
release = version = version_of("tocsin")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_google_docstring = False

html_theme = "furo"
html_title = "Tocsin"
