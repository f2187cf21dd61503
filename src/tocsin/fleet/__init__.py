"""Many assets, one detector: train, score, update and keep their models, wherever the work runs."""
