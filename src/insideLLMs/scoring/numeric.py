"""When two numbers count as equal: exactly, within tolerances, and across units, percent and currency."""

import math
import re
from collections.abc import Sequence
from fractions import Fraction

from insideLLMs.scoring.final_answer.amounts import Amount
from insideLLMs.scoring.final_answer.number import parse_number
from insideLLMs.scoring.normalise import unify
from insideLLMs.scoring.units import conversion

_DOUBTFUL = re.compile(r"(?<![\d.,])\d{1,3}[.,]\d{3}(?![.,]?\d)")
"""One separator before three digits: it groups thousands in one country, and begins decimals in another."""


def amount_of(expected: object) -> Amount | None:
    """Read an expected value (a number, or text such as "5 km" or "1/2") as a Amount; None if it is none."""
    if isinstance(expected, bool) or not isinstance(expected, int | float | str):
        return None
    if isinstance(expected, float):
        return Amount(value=Fraction(repr(expected))) if math.isfinite(expected) else None
    return parse_number(expected) if isinstance(expected, str) else Amount(value=Fraction(expected))


def same_number(given: Amount, expected: Amount, *, tolerance: float = 0.0, relative_tolerance: float = 0.0) -> bool:
    """Whether `given` is `expected` within `tolerance` (absolute) or `relative_tolerance` (a share of expected).

    A unit that only one side has is ignored; different units are converted, and differ where they cannot be.
    "50%" is 0.5, and also 50 unless the expected number lies between -1 and 1.
    """
    return any(_close(value, expected.value, tolerance, relative_tolerance) for value in _in_units_of(expected, given))


def separator_doubt(answer: str, expected: Sequence[object]) -> str:
    """Say that a separator may have been misread, where that makes a number 1,000 times too large or too small."""
    written = _DOUBTFUL.search(unify(answer))
    if written is None:
        return ""
    values = {Fraction(written[0].replace(",", ".")), Fraction(re.sub("[.,]", "", written[0]))}
    if not any(amount.value in values for value in expected if (amount := amount_of(value)) is not None):
        return ""
    return f"; {written[0]} is ambiguous: its separator may group thousands or begin decimals"


def _in_units_of(expected: Amount, given: Amount) -> tuple[Fraction, ...]:
    if given.unit and expected.unit:
        factor = conversion(given.unit, expected.unit)
        return () if factor is None else (given.value * factor,)
    if given.unit == "%":
        share = given.value / 100
        return (share,) if abs(expected.value) < 1 else (given.value, share)
    if expected.unit == "%":
        return (given.value, given.value * 100)
    return (given.value,)


def _close(given: Fraction, expected: Fraction, tolerance: float, relative_tolerance: float) -> bool:
    if given == expected:
        return True
    if given.denominator != 1 and expected.denominator != 1 and _as_float(given) == _as_float(expected):
        return True  # 1/3 is what JSON writes as 0.3333333333333333
    allowed = max(Fraction(tolerance), Fraction(relative_tolerance) * abs(expected))
    return abs(given - expected) <= allowed


def _as_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
