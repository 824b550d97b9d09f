"""The steps of a trajectory: its calls of tools, in order, each with what the tool gave."""

from collections import deque
from typing import NamedTuple

from insideLLMs.core.types import Response, ToolCall


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
    waiting = _WaitingCalls()
    for turn, message in enumerate(response.trajectory):
        for call in message.tool_calls:
            waiting.add(len(steps), call)
            steps.append(Step(call, turn=turn))
        at = waiting.take(message.tool_call_id) if message.role == "tool" else None
        if at is not None:
            steps[at] = steps[at]._replace(result=message.text)
    return (*steps, *(Step(call, turn=len(response.trajectory)) for call in response.tool_calls))


class _WaitingCalls:
    """The places of calls without a result: all in order, and by the id, the name and the lack of an id."""

    def __init__(self) -> None:
        self._all: dict[int, None] = {}
        self._by: dict[tuple[str, str | None], deque[int]] = {}

    def add(self, place: int, call: ToolCall) -> None:
        self._all[place] = None
        for key in (("id", call.id), ("name", call.name)):
            self._by.setdefault(key, deque()).append(place)

    def take(self, named: str | None) -> int | None:
        """Return the place of the call that a result belongs to; None for the result of an unknown call."""
        keys = () if named is None else (("id", named), ("name", named), ("id", None))
        found = next((place for key in keys if (place := self._first(key)) is not None), None)
        if found is None and (named is None or len(self._all) == 1):
            found = next(iter(self._all), None)
        if found is not None:
            del self._all[found]
        return found

    def _first(self, key: tuple[str, str | None]) -> int | None:
        places = self._by.get(key, deque())
        while places and places[0] not in self._all:
            places.popleft()
        return places[0] if places else None
