"""Readings in as they happen, alerts out, models that keep learning: the same panel functions on micro-batches."""
