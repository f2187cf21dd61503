"""The steps a recipe can have, one family a file."""
