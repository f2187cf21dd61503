"""Where fleet work runs."""
