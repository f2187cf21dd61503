"""Published benchmarks as published, one a file; `tocsin.evaluate.protocols.catalog` finds them all."""
