"""Experiment files -> Experiment, with every problem reported at once, and back again."""
