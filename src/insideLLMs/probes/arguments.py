"""Checks of a probe's constructor arguments; each failure names the probe, the argument and what it takes."""

import math
from collections.abc import Collection, Sequence

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue
from insideLLMs.plugins import nearest


def refuse(probe: str, argument: str, value: object, wanted: str) -> ArgumentError:
    """Make the error for an argument that cannot be taken."""
    return ArgumentError(f"probe {probe}: {argument} is {value!r}", fix=f"{argument} takes {wanted}")


def one_of(probe: str, argument: str, value: object, allowed: Collection[str]) -> None:
    """Raise ArgumentError, with the nearest allowed word, unless `value` is one of `allowed`."""
    if value not in allowed:
        near = nearest(str(value), tuple(allowed))
        hint = f"; did you mean {near!r}?" if near else ""
        raise refuse(probe, argument, value, f"one of {', '.join(allowed)}{hint}")


def non_negative(probe: str, argument: str, value: object) -> float:
    """Return `value` as a float; raise ArgumentError unless it is a finite number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise refuse(probe, argument, value, "a finite number of 0 or more")
    return float(value)


def flag(probe: str, argument: str, value: object) -> bool:
    """Return `value`; raise ArgumentError unless it is true or false."""
    if not isinstance(value, bool):
        raise refuse(probe, argument, value, "true or false")
    return value


def text_list(value: JsonValue) -> tuple[str, ...] | None:
    """Return one text or a list of texts as a tuple; None for anything else, or for an empty text among them."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence) or not all(isinstance(item, str) and item for item in value):
        return None
    return tuple(value)
