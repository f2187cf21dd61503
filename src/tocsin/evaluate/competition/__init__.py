"""Detectors side by side on a person's own readings: who takes part, on what, how each does, and who wins."""
