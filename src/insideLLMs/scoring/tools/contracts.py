"""Rules for all that an agent does, whatever calls are expected: contracts, and no loops."""

from collections.abc import Mapping, Sequence

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue, ToolCall, Usage
from insideLLMs.scoring.tools.trajectory import Expected, is_read, parse_expected
from insideLLMs.trajectories.steps import Step

_ROUNDS = 3
"""So often the same calls one after the other, with the same results, are a loop."""
_LONGEST_ROUND = 6


def broken_contract(contract: JsonValue, steps: Sequence[Step], usage: Usage | None = None) -> str | None:
    """Say how steps break a contract; None if they keep it. Raises ArgumentError for an unknown contract.

    Where a contract names a tool it may have a call instead, with arguments or matchers in their place. What a contract
    forbids is forbidden with further arguments, too, and a call whose arguments cannot be read may be that call.
    """
    calls = [step.call for step in steps]
    match contract:
        case {"must_call": spec} if len(contract) == 1:
            due = parse_expected(spec)
            return None if _places(due, calls) else f"{due.in_words} was not called"
        case {"must_not_call": spec} if len(contract) == 1:
            due = _forbidden(spec)
            places = _places(due, calls)
            return f"step {places[0] + 1}: {_told(due, calls[places[0]])}, which is forbidden" if places else None
        case {"before": [first, second]} if len(contract) == 1:
            return _out_of_order(parse_expected(first), _forbidden(second), steps)
        case {"at_most": [spec, int(most)]} if len(contract) == 1 and _is_count(most):
            due = _forbidden(spec)
            places = _places(due, calls)
            told = f"{due.in_words} was called {len(places)} times, at most {most}"
            return f"step {places[most] + 1}: {told}" if len(places) > most else None
        case {"max_steps": int(most)} if len(contract) == 1 and _is_count(most):
            return f"it took {len(calls)} steps, at most {most}" if len(calls) > most else None
        case {"max_tokens": int(most)} if len(contract) == 1 and _is_count(most):
            return _too_many_tokens(most, usage)
    raise ArgumentError(
        f"the contract {contract!r} cannot be read",
        fix="write {must_call: a}, {must_not_call: a}, {before: [a, b]}, {at_most: [a, 2]}, {max_steps: 8} or "
        "{max_tokens: 4000}; for cost and time write gate: {max: {cost_usd.max: 0.1, latency_ms.p95: 5000}}",
    )


def named_tools(contract: JsonValue) -> tuple[str, ...]:
    """Return the tools that a contract names. Raises ArgumentError for a call that cannot be read."""
    match contract:
        case {"must_call": spec} | {"must_not_call": spec} | {"at_most": [spec, _]}:
            return (parse_expected(spec).name,)
        case {"before": [first, second]}:
            return parse_expected(first).name, parse_expected(second).name
    return ()


class _Forbidden(Expected):
    """A call that breaks a contract."""

    def is_met_by(self, call: ToolCall) -> bool:
        """Whether `call` is this call, or may be it as its arguments cannot be read."""
        return call.name == self.name and (not is_read(call) or self.differs(call) is None)


def _forbidden(spec: JsonValue) -> _Forbidden:
    due = parse_expected(spec)
    arguments = due.arguments if due.arguments is None else {"$others": "allowed", **due.arguments}
    return _Forbidden(due.name, arguments, due.allowed, due.schema)


def _told(due: Expected, call: ToolCall) -> str:
    if due.arguments is not None and not is_read(call):
        return f"{call.name} was called with arguments that cannot be read, and may be {due.in_words}"
    return f"{due.in_words} was called"


def _is_count(number: int) -> bool:
    return not isinstance(number, bool) and number >= 0


def _places(due: Expected, calls: Sequence[ToolCall]) -> list[int]:
    return [place for place, call in enumerate(calls) if due.is_met_by(call)]


def _out_of_order(first: Expected, second: Expected, steps: Sequence[Step]) -> str | None:
    """Say that the second was called without the first in an earlier turn: calls of one turn have no order."""
    calls = [step.call for step in steps]
    later, earlier = _places(second, calls), _places(first, calls)
    if not later or (earlier and steps[earlier[0]].turn < steps[later[0]].turn):
        return None
    if earlier and steps[earlier[0]].turn == steps[later[0]].turn:
        return (
            f"step {later[0] + 1}: {second.in_words} was called in the same turn as {first.in_words}, so not after it"
        )
    return f"step {later[0] + 1}: {second.in_words} was called without {first.in_words} before it"


def _too_many_tokens(most: int, usage: Usage | None) -> str | None:
    used = _tokens(usage)
    if used is None:
        return f"the number of tokens is unknown, at most {most}"
    return f"it took {used} tokens, at most {most}" if used > most else None


def uncounted(contracts: Sequence[JsonValue], usage: Usage | None) -> str | None:
    """Say that a contract limits tokens that nobody counted."""
    limits = any(isinstance(contract, Mapping) and "max_tokens" in contract for contract in contracts)
    return "the number of tokens is unknown" if limits and _tokens(usage) is None else None


def _tokens(usage: Usage | None) -> int | None:
    """Return all tokens; None where a part of them was not counted."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    return usage.input_tokens + usage.output_tokens


def find_loop(steps: Sequence[Step], extra: frozenset[int]) -> str | None:
    """Say where the same calls come round three times in a row with the same results; None where they do not.

    `extra` holds the places of calls that nobody asked for: a round that was asked for is no loop.
    """
    told = [(step.call.name, sorted(step.call.arguments.items(), key=str), step.result) for step in steps]
    for start in range(len(told)):
        for length in range(1, _LONGEST_ROUND + 1):
            end = start + length * _ROUNDS
            rounds = [told[at : at + length] for at in range(start, end, length)]
            if end <= len(told) and rounds[0] == rounds[1] == rounds[2] and not extra.isdisjoint(range(start, end)):
                names = " > ".join(step.call.name for step in steps[start : start + length])
                return f"step {start + length + 1}: {names} goes round in a loop, with the same arguments and results"
    return None
