"""What an agent did: its calls against those that were expected, and against contracts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from insideLLMs.core import canonical
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue, ToolCall
from insideLLMs.scoring.allowed_values import within_allowed


@dataclass(frozen=True, slots=True)
class Expected:
    """A call that is due: its arguments as they must be, or for each of them the values that are allowed.

    An allowed value of "" means that the argument may be left out. `schema` is the JSON Schema of the tool.
    """

    name: str
    arguments: Mapping[str, JsonValue] | None = None
    allowed: Mapping[str, Sequence[JsonValue]] | None = None
    schema: Mapping[str, JsonValue] = field(default_factory=dict)

    def is_met_by(self, call: ToolCall) -> bool:
        """Whether `call` is this call; without arguments and allowed values the name alone decides."""
        if call.name != self.name:
            return False
        if self.allowed is not None:
            return within_allowed(call.arguments, self.allowed, self.schema)
        return self.arguments is None or same_json(call.arguments, dict(self.arguments))


def same_json(left: JsonValue, right: JsonValue) -> bool:
    """Whether two values are equal as canonical JSON: 1 is 1.0, the order of keys is nothing."""
    return canonical.jcs(left) == canonical.jcs(right)


def parse_expected(spec: JsonValue, schemas: Mapping[str, Mapping[str, JsonValue]] | None = None) -> Expected:
    """Read ``{"name": ..., "arguments": {...}}``, or with ``"allowed": {name: [value, ...]}``; a bare name will do.

    `schemas` has the JSON Schema of each tool's parameters, by the tool's name.
    """
    if isinstance(spec, str) and spec:
        return Expected(spec)
    if (
        isinstance(spec, Mapping)
        and isinstance(spec.get("name"), str)
        and set(spec) <= {"name", "arguments", "allowed"}
    ):
        arguments, allowed = spec.get("arguments"), spec.get("allowed")
        if all(one is None or isinstance(one, Mapping) for one in (arguments, allowed)):
            return Expected(spec["name"], arguments, allowed, (schemas or {}).get(spec["name"], {}))
    raise ArgumentError(
        f"the expected call {spec!r} cannot be read", fix="write a tool's name, or {name: ..., arguments: {...}}"
    )


def matched(calls: Sequence[ToolCall], expected: Sequence[Expected], *, ordered: bool) -> int:
    """Count the expected calls that were made: in their order (others may lie between), or in any."""
    if ordered:
        row = [0] * (len(expected) + 1)
        for call in calls:
            before = 0
            for at, one in enumerate(expected, 1):
                before, row[at] = row[at], max(row[at], row[at - 1], before + one.is_met_by(call))
        return row[-1]
    partner: dict[int, int] = {}

    def assign(place: int, seen: set[int]) -> bool:
        for at, one in enumerate(expected):
            if at not in seen and one.is_met_by(calls[place]):
                seen.add(at)
                if at not in partner or assign(partner[at], seen):
                    partner[at] = place
                    return True
        return False

    return sum(assign(place, set()) for place in range(len(calls)))


def broken_contract(contract: JsonValue, calls: Sequence[ToolCall]) -> str | None:
    """Say how the calls break a contract; None where they keep it. Raises ArgumentError for what is none."""
    names = [call.name for call in calls]
    match contract:
        case {"must_call": str(name)} if len(contract) == 1:
            return None if name in names else f"{name} was not called"
        case {"must_not_call": str(name)} if len(contract) == 1:
            return f"{name} was called" if name in names else None
        case {"before": [str(first), str(second)]} if len(contract) == 1:
            if second not in names or first in names[: names.index(second)]:
                return None
            return f"{second} was called without {first} before it"
        case {"at_most": [str(name), int(most)]} if len(contract) == 1:
            return f"{name} was called {names.count(name)} times, at most {most}" if names.count(name) > most else None
    raise ArgumentError(
        f"the contract {contract!r} cannot be read",
        fix="write {must_call: a}, {must_not_call: a}, {before: [a, b]} or {at_most: [a, 2]}",
    )
