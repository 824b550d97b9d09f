"""What a verifiable instruction is: a name, its parameters, and a pure check of an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from insideLLMs.core.types import JsonValue

Parameters = Mapping[str, JsonValue]
Failing = str | None
"""Why an answer fails a constraint, or None where it keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of constraint: its check, and what its parameters must be.

    `required` and `optional` map each parameter to a word for its type: one of ``count``, ``text``, ``texts``.
    A family with `counts` takes `min`, `max` or `exactly`, at least one of them.
    """

    check: Callable[[str, Parameters], Failing]
    required: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    counts: bool = False


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
