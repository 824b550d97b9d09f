"""Damages of an answer's form: cut, without its end, of another example, broken JSON, other tool calls."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from insideLLMs.core.types import JsonValue, Message, Response, ToolCall
from insideLLMs.scoring.constraints.wording import sentences
from insideLLMs.scoring.damages.answer import IntactAnswer
from insideLLMs.scoring.damages.numbers import other_number

_LEAST_CHARACTERS = 4
_CLOSING = "}]"
Calls = list[dict[str, Any]]  # Any: JSON, as stored


def truncate(answer: IntactAnswer) -> Response | None:
    """Stop in the middle, as at a limit of tokens."""
    text = answer.text.strip()
    if len(text) < _LEAST_CHARACTERS:
        return None
    return answer.saying(text[: len(text) // 2], finish_reason="length")


def shorten(answer: IntactAnswer) -> Response | None:
    """Leave out the last of several sentences."""
    text = answer.text.rstrip()
    found = [] if answer.is_json else sentences(text)
    if len(found) < 2:
        return None
    return answer.saying(text[: text.rindex(found[-1])].rstrip()) if found[-1] in text else None


def swap(answer: IntactAnswer) -> Response | None:
    """Give another example's answer, with its tool calls."""
    other = answer.other
    if other is None:
        return None
    return msgspec.structs.replace(
        answer.response,
        text=other.text,
        tool_calls=other.tool_calls,
        trajectory=other.trajectory,
        value=other.value,
        logprobs=(),
    )


def break_json(answer: IntactAnswer) -> Response | None:
    """Leave out the last closing bracket of a JSON answer."""
    if not answer.is_json:
        return None
    text = answer.text
    place = max(text.rfind(bracket) for bracket in _CLOSING)
    return answer.saying(text[:place] + text[place + 1 :])


def _on_calls(damage: Callable[[Calls, IntactAnswer], Calls | None]) -> Callable[[IntactAnswer], Response | None]:
    """Let a damage of tool calls work on those that a response asks for, and on those that an agent made."""

    def apply(answer: IntactAnswer) -> Response | None:
        calls = damage([msgspec.to_builtins(call) for call in answer.response.calls], answer)
        made = None if calls is None else tuple(msgspec.convert(call, ToolCall) for call in calls)
        return None if made is None else _with_calls(answer.response, made)

    return apply


def _with_calls(response: Response, calls: tuple[ToolCall, ...]) -> Response:
    """Return a response with other calls; an agent makes them all in the turn of its first one."""
    if not response.trajectory:
        return msgspec.structs.replace(response, tool_calls=calls)
    begun = next(place for place, message in enumerate(response.trajectory) if message.tool_calls)
    others = [one for one in response.trajectory[begun:] if one.role != "tool" and not one.tool_calls]
    turns = (*response.trajectory[:begun], Message(role="assistant", tool_calls=calls), *others)
    return msgspec.structs.replace(response, trajectory=turns, tool_calls=())


def _without_one(calls: Calls, answer: IntactAnswer) -> Calls | None:
    if not calls:
        return None
    dropped = answer.choose(range(len(calls)), "call")
    return [call for place, call in enumerate(calls) if place != dropped]


def _with_another_argument(calls: Calls, answer: IntactAnswer) -> Calls | None:
    places = [
        (number, name)
        for number, call in enumerate(calls)
        if isinstance(call.get("arguments"), Mapping)
        for name in call["arguments"]
    ]
    if not places:
        return None
    number, name = answer.choose(places, "argument")
    arguments = calls[number]["arguments"]
    calls[number] = {**calls[number], "arguments": {**arguments, name: _other(arguments[name], answer)}}
    return calls


def _other(value: JsonValue, answer: IntactAnswer) -> JsonValue:
    """Return another value of the same kind."""
    match value:
        case bool():
            return not value
        case int():
            return 0 if value else 1
        case float():
            return 0.0 if value else 1.0
        case str():
            return other_number(value, answer) if value[:1].isdigit() and value[0] in "0123456789" else f"not {value}"
        case list():
            return value[:-1] if value else ["other"]
        case _:
            return "other"


drop_call = _on_calls(_without_one)
change_argument = _on_calls(_with_another_argument)
