"""Checks of the arguments that users write under a model's `args:`."""

from collections.abc import Mapping
from typing import Any

from insideLLMs.core.errors import ArgumentError


def check_arguments(arguments: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raise ArgumentError naming an argument that is no number or lies outside its range; None is no value."""
    for name, (low, high) in ranges.items():
        value = arguments.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ArgumentError(f"{name} is {value!r}; it must be a number from {low:g} to {high:g}")
