"""The steps of two trajectories beside each other: which call is which, and what changed from one to the other."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from insideLLMs.compare.answers.levels import differing_paths
from insideLLMs.core import canonical
from insideLLMs.core.types import JsonValue, Response, ToolCall, cut_off
from insideLLMs.scoring.json_path import find
from insideLLMs.trajectories.steps import Step, steps_of

_SHOWN = 60
_MOST_ALIGNED = 400
"""Longer trajectories are aligned by their places alone."""
_MOST_TOLD = 20
_TIMES = {1: "once", 2: "twice"}


class StepPair(NamedTuple):
    """The place of a step in the baseline and of the same step in the candidate; None where one side has none."""

    baseline: int | None
    candidate: int | None


def align_steps(before: Sequence[ToolCall], after: Sequence[ToolCall]) -> tuple[StepPair, ...]:
    """Pair the calls of both sides in their order: equal ones first of all, then those of the same tool."""
    if len(before) > _MOST_ALIGNED or len(after) > _MOST_ALIGNED:
        longest = max(len(before), len(after))
        return tuple(StepPair(_at(place, before), _at(place, after)) for place in range(longest))
    best = [[0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for ours in range(len(before) - 1, -1, -1):
        for theirs in range(len(after) - 1, -1, -1):
            joined = _likeness(before[ours], after[theirs])
            paired = best[ours + 1][theirs + 1] + joined if joined else 0
            best[ours][theirs] = max(paired, best[ours + 1][theirs], best[ours][theirs + 1])
    return tuple(_walk(before, after, best))


def _walk(before: Sequence[ToolCall], after: Sequence[ToolCall], best: list[list[int]]) -> Iterator[StepPair]:
    ours = theirs = 0
    while ours < len(before) and theirs < len(after):
        joined = _likeness(before[ours], after[theirs])
        if joined and best[ours][theirs] == best[ours + 1][theirs + 1] + joined:
            yield StepPair(ours, theirs)
            ours, theirs = ours + 1, theirs + 1
        elif best[ours][theirs] == best[ours + 1][theirs]:
            yield StepPair(ours, None)
            ours += 1
        else:
            yield StepPair(None, theirs)
            theirs += 1
    yield from (StepPair(place, None) for place in range(ours, len(before)))
    yield from (StepPair(None, place) for place in range(theirs, len(after)))


def _at(place: int, calls: Sequence[ToolCall]) -> int | None:
    return place if place < len(calls) else None


def _likeness(one: ToolCall, other: ToolCall) -> int:
    if one.name != other.name:
        return 0
    return 3 if one.arguments == other.arguments else 2


def step_changes(before: Response, after: Response) -> tuple[str, ...]:
    """Say what changed from one trajectory to the other, step by step; empty where nothing did, ids aside."""
    ours, theirs = steps_of(before), steps_of(after)
    pairs = align_steps([step.call for step in ours], [step.call for step in theirs])
    told: list[str] = []
    for pair in pairs:
        if pair.baseline is not None and pair.candidate is not None:
            told += _changed(pair.candidate, ours[pair.baseline], theirs[pair.candidate])
    found = [" ".join(one.split()) for one in (*_counted(ours, theirs, pairs), *told)]  # a name may hold line ends
    more = [f"and {len(found) - _MOST_TOLD} more"] if len(found) > _MOST_TOLD else []
    return (*found[:_MOST_TOLD], *more)


def _counted(ours: Sequence[Step], theirs: Sequence[Step], pairs: Sequence[StepPair]) -> Iterator[str]:
    """Say which tools are called more or less often, and which calls moved."""
    before, after = Counter(step.call.name for step in ours), Counter(step.call.name for step in theirs)
    for name in dict.fromkeys(step.call.name for step in (*ours, *theirs)):
        if before[name] == after[name]:
            continue
        if not after[name]:
            yield f"no longer calls `{name}`"
        elif not before[name]:
            often = "" if after[name] == 1 else f" {_times(after[name])}"
            place = next(place for place, step in enumerate(theirs) if step.call.name == name)
            yield f"now calls `{name}`{often} (step {place + 1})"
        else:
            yield f"called `{name}` {_times(after[name])}, was {_times(before[name])}"
    lone = [pair.candidate for pair in pairs if pair.baseline is None and pair.candidate is not None]
    gone = [pair.baseline for pair in pairs if pair.candidate is None and pair.baseline is not None]
    for place in gone:
        call = ours[place].call
        now = next((at for at in lone if _likeness(call, theirs[at].call)), None)
        if now is not None and before[call.name] == after[call.name]:
            lone.remove(now)
            yield f"`{call.name}` moved from step {place + 1} to step {now + 1}"
            yield from _changed(now, ours[place], theirs[now])


def _times(count: int) -> str:
    return _TIMES.get(count, f"{count} times")


def _changed(place: int, before: Step, after: Step) -> Iterator[str]:
    """Say which arguments of a call changed, or else that the tool gave something else."""
    paths = differing_paths(before.call.arguments, after.call.arguments)
    for path in paths:
        moved = f"{_value_at(before.call.arguments, path)} -> {_value_at(after.call.arguments, path)}"
        yield f"step {place + 1}, `{after.call.name}`: argument `{path.removeprefix('$.')}` {moved}"
    if not paths and before.result != after.result and None not in (before.result, after.result):
        yield f"step {place + 1}: `{after.call.name}` gave something else"


def _value_at(arguments: JsonValue, path: str) -> str:
    found = find(arguments, path)
    if not found:
        return "not set"
    text = found[0] if isinstance(found[0], str) else canonical.line(found[0]).decode()
    shown = cut_off(text, _SHOWN)
    return f'"{shown}"' if isinstance(found[0], str) else shown
