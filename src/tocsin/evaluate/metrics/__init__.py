"""Metrics of scores and alerts against labels, one family a file; `tocsin.evaluate.metrics.catalog` finds them all."""
