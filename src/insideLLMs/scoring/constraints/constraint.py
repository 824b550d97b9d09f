"""What a verifiable instruction is (a name, its parameters, a pure check), and how answers are held against it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.normalise import is_blank

Parameters = Mapping[str, JsonValue]
Failing = str | None
"""Why an answer fails a constraint, or None where it keeps it."""

_EMPHASIS = re.compile(r"\*+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of constraint: its check, and what its parameters must be.

    `required` and `optional` map each parameter to a word for its type: one of ``count``, ``text``, ``texts``.
    A family with `counts` takes `min`, `max` or `exactly`, at least one of them. `confirm` raises for parameters
    that are of the right type and yet cannot be used.
    """

    check: Callable[[str, Parameters], Failing]
    required: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    counts: bool = False
    confirm: Callable[[Parameters], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One constraint on an answer; made by `parse_constraint`, which checks the parameters."""

    name: str
    parameters: Parameters
    family: Family

    def failing(self, answer: str) -> Failing:
        """Say why `answer` fails, or return None."""
        return self.family.check(answer, self.parameters)

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.name}({said})" if said else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintResult:
    """What one constraint says: `why` the answer as it stands fails (or None), and whether a loose reading keeps it."""

    constraint: Constraint
    why: str | None
    loose: bool

    @property
    def strict(self) -> bool:
        """Whether the answer as it stands keeps the constraint."""
        return self.why is None


def loose_readings(answer: str) -> tuple[str, ...]:
    """Return the answer as IFEval reads it loosely: with and without its first line, last line, and asterisks."""
    lines = answer.split("\n")
    cuts = (lines, lines[1:], lines[:-1], lines[1:-1])
    readings = ["\n".join(cut).strip() for cut in cuts]
    readings += [_EMPHASIS.sub("", reading) for reading in readings]
    return tuple(dict.fromkeys(reading for reading in readings if not is_blank(reading)))


def check_constraints(answer: str, constraints: Sequence[Constraint]) -> tuple[ConstraintResult, ...]:
    """Check every constraint; an answer that shows nothing keeps none."""
    if is_blank(answer):
        return tuple(ConstraintResult(constraint=one, why="the answer is empty", loose=False) for one in constraints)
    readings = loose_readings(answer)
    results = []
    for constraint in constraints:
        why = constraint.failing(answer)
        loose = why is None or any(constraint.failing(reading) is None for reading in readings)
        results.append(ConstraintResult(constraint=constraint, why=why, loose=loose))
    return tuple(results)


def within(count: int, noun: str, parameters: Parameters) -> Failing:
    """Say how `count` lies outside `min`, `max` or `exactly`, or return None."""
    exactly, least, most = (parameters.get(name) for name in ("exactly", "min", "max"))
    if exactly is not None and count != exactly:
        return f"{count} {noun}, not exactly {exactly}"
    if least is not None and count < least:
        return f"{count} {noun}, fewer than {least}"
    if most is not None and count > most:
        return f"{count} {noun}, more than {most}"
    return None
