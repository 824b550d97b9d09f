"""Experiment files -> Experiment, with every problem reported at once, and back again.

What this exports loads when first asked for, as YAML takes its time.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insideLLMs.config.load import load_experiment, parse_experiment
    from insideLLMs.config.resolved import resolved_yaml
    from insideLLMs.config.schema import experiment_schema
    from insideLLMs.config.secrets import expand_references

_HOMES = {
    "expand_references": "insideLLMs.config.secrets",
    "experiment_schema": "insideLLMs.config.schema",
    "load_experiment": "insideLLMs.config.load",
    "parse_experiment": "insideLLMs.config.load",
    "resolved_yaml": "insideLLMs.config.resolved",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


__all__ = ["expand_references", "experiment_schema", "load_experiment", "parse_experiment", "resolved_yaml"]
