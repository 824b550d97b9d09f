"""The steps of a trajectory: its calls of tools, in order, each with what the tool gave."""

from collections.abc import Sequence
from typing import NamedTuple

from insideLLMs.core.types import Message, Response, ToolCall


class Step(NamedTuple):
    """A call and its result; None where no result is known."""

    call: ToolCall
    result: str | None = None


def steps_of(response: Response) -> tuple[Step, ...]:
    """Return the calls that were made, and those that are to be made, with their results.

    A result belongs to the call whose id it has; one without a known id to the first call that waits for one.
    """
    steps: list[Step] = []
    waiting: list[int] = []
    for message in response.trajectory:
        waiting += range(len(steps), len(steps) + len(message.tool_calls))
        steps += map(Step, message.tool_calls)
        if message.role == "tool" and waiting:
            at = waiting.pop(_answered(steps, waiting, message))
            steps[at] = Step(steps[at].call, message.text)
    return (*steps, *map(Step, response.tool_calls))


def _answered(steps: Sequence[Step], waiting: Sequence[int], message: Message) -> int:
    """Return the place in `waiting` of the call that a result belongs to."""
    name = message.tool_call_id
    return next((place for place, at in enumerate(waiting) if name is not None and steps[at].call.id == name), 0)
