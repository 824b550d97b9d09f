"""What an agent did against what is expected of it: which calls are due, and where it first went another way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from insideLLMs.core.arguments import one_of, refuse, text_list
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue, ToolCall, as_text, cut_off
from insideLLMs.scoring.tools.allowed_values import within_allowed
from insideLLMs.scoring.tools.argument_matchers import check_matchers, mismatch, pair_up

MATCHES = ("exact", "ordered", "unordered", "subset")
_SHOWN = 80
Schemas = Mapping[str, Mapping[str, JsonValue]]
"""The JSON Schema of each tool's parameters, by the tool's name."""


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
        return call.name == self.name and self.differs(call) is None

    def differs(self, call: ToolCall) -> str | None:
        """Say how the arguments of a call of this tool differ from what is due; None where they do not."""
        if not is_read(call) and (self.allowed, self.arguments) != (None, None):
            return f"its arguments cannot be read: {cut_off(as_text(call.arguments['$invalid']), _SHOWN)}"
        if self.allowed is not None:
            met = within_allowed(call.arguments, self.allowed, self.schema)
            return None if met else f"its arguments {_shown(call.arguments)} are not those that are allowed"
        return None if self.arguments is None else mismatch(dict(self.arguments), call.arguments)

    @property
    def in_words(self) -> str:
        """The call in words."""
        if self.arguments is None:
            return self.name
        shown = {name: value for name, value in self.arguments.items() if name != "$others"}
        return f"{self.name}({_shown(shown)})"


def is_read(call: ToolCall) -> bool:
    """Whether the arguments of a call are known; a model may write broken JSON."""
    return call.arguments.keys() != {"$invalid"}


def parse_expected(spec: JsonValue, schemas: Schemas | None = None) -> Expected:
    """Read ``{"name": ..., "arguments": {...}}``, or with ``"allowed": {name: [value, ...]}``; a bare name will do.

    Arguments are values or matchers, see `argument_matchers`.
    """
    if isinstance(spec, str) and spec:
        return Expected(spec)
    if isinstance(spec, Mapping) and isinstance(spec.get("name"), str) and set(spec) <= _CALL_KEYS:
        arguments, allowed = spec.get("arguments"), spec.get("allowed")
        given = [one for one in (arguments, allowed) if one is not None]
        listed = allowed is None or (isinstance(allowed, Mapping) and all(map(_is_list, allowed.values())))
        if len(given) < 2 and listed and all(isinstance(one, Mapping) for one in given):
            check_matchers(arguments)
            return Expected(spec["name"], arguments, allowed, (schemas or {}).get(spec["name"], {}))
    raise ArgumentError(
        f"the expected call {spec!r} cannot be read", fix="write a tool's name, or {name: ..., arguments: {...}}"
    )


def _is_list(value: JsonValue) -> bool:
    return isinstance(value, list | tuple)


_CALL_KEYS = {"name", "arguments", "allowed"}


class Fit(NamedTuple):
    """How calls fit a way: how many of those `due` were made, the share, and the first that goes another way.

    `extra` holds the places of calls that nothing asked for, whether or not they may be made.
    """

    met: int
    due: int
    share: float
    extra: tuple[int, ...]
    deviation: str | None


@dataclass(frozen=True, slots=True)
class AcceptedWay:
    """One acceptable way: the calls that are due, how they must come, and which others may be made."""

    calls: tuple[Expected, ...]
    match: str = "unordered"
    extra_calls: str | tuple[str, ...] = "forbidden"

    def fit(self, calls: Sequence[ToolCall]) -> Fit:
        """Compare calls with this way."""
        pairs = self._in_order(calls) if self.match in ("exact", "ordered") else self._in_any_order(calls)
        extra = tuple(place for place in range(len(calls)) if place not in pairs.values())
        wrong = [place for place in extra if not self._may_be_made(calls[place].name)]
        missing = [] if self.match == "subset" else [due for due in range(len(self.calls)) if due not in pairs]
        due = len(pairs) if self.match == "subset" else len(self.calls)
        most = max(due, len(pairs) + len(wrong))
        deviation = self._deviation(calls, pairs, extra, wrong, missing) if wrong or missing else None
        return Fit(len(pairs), len(self.calls), len(pairs) / most if most else 1.0, extra, deviation)

    def _may_be_made(self, name: str) -> bool:
        if self.match in ("exact", "subset") or isinstance(self.extra_calls, str):
            return self.match not in ("exact", "subset") and self.extra_calls == "allowed"
        return name in self.extra_calls

    def _in_any_order(self, calls: Sequence[ToolCall]) -> dict[int, int]:
        return pair_up(len(calls), [[due.is_met_by(call) for due in self.calls] for call in calls])

    def _in_order(self, calls: Sequence[ToolCall]) -> dict[int, int]:
        """Pair as many as can be without changing the order; the earliest calls where several fit."""
        met = [[due.is_met_by(call) for due in self.calls] for call in calls]
        best = [[0] * (len(self.calls) + 1) for _ in range(len(calls) + 1)]
        for at in range(len(calls) - 1, -1, -1):
            for due in range(len(self.calls) - 1, -1, -1):
                joined = best[at + 1][due + 1] + 1 if met[at][due] else 0
                best[at][due] = max(joined, best[at + 1][due], best[at][due + 1])
        pairs: dict[int, int] = {}
        at = due = 0
        while at < len(calls) and due < len(self.calls):
            if met[at][due]:
                pairs[due] = at
                at, due = at + 1, due + 1
            elif best[at][due] == best[at][due + 1]:
                due += 1
            else:
                at += 1
        return pairs

    def _deviation(
        self,
        calls: Sequence[ToolCall],
        pairs: Mapping[int, int],
        extra: Sequence[int],
        wrong: Sequence[int],
        missing: Sequence[int],
    ) -> str:
        """Say which step goes another way first, and how."""
        found = []
        near = self._nearest(calls, extra, missing)
        if near is not None:
            why = self.calls[near[1]].differs(calls[near[0]])
            found.append(self._too_early(calls, pairs, *near) if why is None else (near[0], f": {why}"))
        if wrong:
            found.append((wrong[0], f"({_shown(calls[wrong[0]].arguments)}), is a call too many"))
        if not found:
            return f"{self.calls[missing[0]].in_words} was not called"
        place, told = min(found, key=lambda one: one[0])
        return f"step {place + 1}, {calls[place].name}{told}"

    def _nearest(
        self, calls: Sequence[ToolCall], extra: Sequence[int], missing: Sequence[int]
    ) -> tuple[int, int] | None:
        """Return the first call that stands for one that is missing: the very call in another place, or its like."""
        for place in extra:
            same = [due for due in missing if self.calls[due].name == calls[place].name]
            if same:
                return place, next((due for due in same if self.calls[due].is_met_by(calls[place])), same[0])
        return None

    def _too_early(self, calls: Sequence[ToolCall], pairs: Mapping[int, int], place: int, due: int) -> tuple[int, str]:
        """Return which call comes too early where the one at `place` is the one that is `due`, and what it precedes."""
        early = [(at, later) for later, at in pairs.items() if later > due and at < place]
        if early:
            at, first = min(early)[0], due
        else:
            at, first = place, next(other for other in range(due) if pairs.get(other, len(calls)) > place)
        return at, f": it comes before {self.calls[first].in_words}, which is due first"


def parse_ways(
    spec: JsonValue, *, match: str, extra_calls: str | Sequence[str], schemas: Schemas | None = None
) -> tuple[AcceptedWay, ...]:
    """Read a list of calls, a list of such lists (each an acceptable way), or an object.

    That has `calls` or `any_of`, and may have a `match` and `extra_calls` of its own. Empty where nothing is given.
    Raises ArgumentError.
    """
    if spec is None:
        return ()
    if isinstance(spec, Mapping) and "name" not in spec:
        return _own_ways(spec, match, extra_calls, schemas)
    if isinstance(spec, list | tuple):
        check_extra_calls(extra_calls)
        lists = spec if spec and all(isinstance(one, list | tuple) for one in spec) else [spec]
        extra = extra_calls if isinstance(extra_calls, str) else tuple(extra_calls)
        return tuple(AcceptedWay(tuple(parse_expected(one, schemas) for one in calls), match, extra) for calls in lists)
    raise ArgumentError(
        f"the trajectory {spec!r} cannot be read", fix="write a list of calls: [{name: ..., arguments: ...}]"
    )


def _own_ways(
    spec: Mapping[str, JsonValue], match: str, extra_calls: str | Sequence[str], schemas: Schemas | None
) -> tuple[AcceptedWay, ...]:
    held = [name for name in ("calls", "any_of") if name in spec]
    if len(held) != 1 or set(spec) - {*held, "match", "extra_calls"} or not isinstance(spec[held[0]], list):
        raise ArgumentError(
            f"the trajectory has the keys {', '.join(map(str, spec)) or 'none'}",
            fix="write {calls: [...]} or {any_of: [[...], [...]]}, with match and extra_calls where they differ",
        )
    listed = spec[held[0]]
    if held == ["any_of"] and not (listed and all(isinstance(one, list) for one in listed)):
        raise ArgumentError("any_of is not a list of ways", fix="write {any_of: [[CALL, ...], [CALL, ...]]}")
    own = spec.get("match", match)
    one_of("agent", "match", own, MATCHES)
    return parse_ways(listed, match=own, extra_calls=spec.get("extra_calls", extra_calls), schemas=schemas)


def check_extra_calls(given: JsonValue) -> None:
    """Raise ArgumentError for what does not say which calls may be made beside those that are due."""
    if given not in ("allowed", "forbidden") and (isinstance(given, str) or text_list(given) is None):
        raise refuse("agent", "extra_calls", given, "allowed, forbidden, or a list of tools")


def _shown(arguments: Mapping[str, JsonValue]) -> str:
    return cut_off(", ".join(f"{name}={as_text(value)}" for name, value in arguments.items()), _SHOWN)
