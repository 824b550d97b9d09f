"""The steps of a trajectory: its calls of tools, in order, each with what the tool gave."""

from collections.abc import Sequence
from typing import NamedTuple

from insideLLMs.core.types import Message, Response, ToolCall


class Step(NamedTuple):
    """A call and its result; None where no result is known. Calls of one `turn` were asked for at once."""

    call: ToolCall
    result: str | None = None
    turn: int = 0


def steps_of(response: Response) -> tuple[Step, ...]:
    """Return the calls that were made, and those that are to be made, with their results.

    A result belongs to the call whose id or tool it names; another to the first call that waits, unless all have ids.
    """
    steps: list[Step] = []
    waiting: list[int] = []
    for turn, message in enumerate(response.trajectory):
        waiting += range(len(steps), len(steps) + len(message.tool_calls))
        steps += [Step(call, turn=turn) for call in message.tool_calls]
        if message.role == "tool" and waiting:
            place = _answered(steps, waiting, message)
            if place is not None:
                at = waiting.pop(place)
                steps[at] = steps[at]._replace(result=message.text)
    return (*steps, *(Step(call, turn=len(response.trajectory)) for call in response.tool_calls))


def _answered(steps: Sequence[Step], waiting: Sequence[int], message: Message) -> int | None:
    """Return the place in `waiting` of the call that a result belongs to; None for the result of an unknown call."""
    named = message.tool_call_id
    calls = [steps[at].call for at in waiting]
    by_id = (place for place, call in enumerate(calls) if named is not None and call.id == named)
    by_name = (place for place, call in enumerate(calls) if call.name == named)
    by_order = (place for place, call in enumerate(calls) if named is None or call.id is None or len(calls) == 1)
    return next(by_id, next(by_name, next(by_order, None)))
