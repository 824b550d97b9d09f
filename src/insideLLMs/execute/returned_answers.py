"""What a user's own model returned -> a Response: text, a Response, a mapping of its fields, or an agent's messages."""

from collections.abc import Mapping

import msgspec

from insideLLMs.core.errors import ArgumentError, InsideLLMsError, TrajectoryError
from insideLLMs.core.types import JsonValue, Message, Response
from insideLLMs.providers.applications.answer_paths import check_part_name, plain_json, read_part
from insideLLMs.trajectories import last_text, read_trajectory, with_answer


def as_response(answer: object, what: str) -> Response:
    """Type what a model returned: text, a Response or a mapping of its fields, or the messages of an agent.

    Raises InsideLLMsError for anything else.
    """
    if isinstance(answer, str):
        return Response(text=answer)
    try:
        if isinstance(answer, Mapping):
            return _with_parts(_of_fields(plain_json(answer)))
        if isinstance(answer, Response):
            return _with_parts(answer)
        if isinstance(answer, list | tuple):
            return _of_messages(read_trajectory(plain_json(answer)))
    except (ArgumentError, TrajectoryError) as error:
        said, fix = error.message, error.fix or _SHAPE
        raise InsideLLMsError(f"{what} returned something that is not an answer: {said}", fix=fix) from error
    except msgspec.ValidationError as error:
        raise InsideLLMsError(f"{what} returned something that is not an answer: {error}", fix=_SHAPE) from error
    raise InsideLLMsError(f"{what} returned {type(answer).__name__}; it must return text or a Response", fix=_SHAPE)


_SHAPE = 'return text, a mapping: {"text": "...", "kept": {"sources": [...]}}, or the messages of an agent'


def _of_fields(fields: Mapping[str, JsonValue]) -> Response:
    if "trajectory" in fields:
        trajectory = read_trajectory(fields["trajectory"])
        others = msgspec.convert({name: one for name, one in fields.items() if name != "trajectory"}, Response)
        text = others.text if "text" in fields else last_text(trajectory)
        return msgspec.structs.replace(others, text=text, trajectory=with_answer(trajectory, text))
    if not fields.keys() & _ANSWERS:
        return _of_state(fields)
    return msgspec.convert(fields, Response)


def _of_state(fields: Mapping[str, JsonValue]) -> Response:
    """Read what an agent's framework returns: an object that holds messages."""
    try:
        return _of_messages(read_trajectory(fields))
    except TrajectoryError as error:
        names = ", ".join(map(repr, fields)) or "nothing"
        raise ArgumentError(f"a mapping without text; it has {names} ({error.message})") from error


def _of_messages(trajectory: tuple[Message, ...]) -> Response:
    if not trajectory:
        raise TrajectoryError("the list of messages is empty")
    return Response(text=last_text(trajectory), trajectory=trajectory)


_ANSWERS = {"text", "value", "tool_calls"}
"""The fields of which a Response has one where it answers at all."""


def _with_parts(response: Response) -> Response:
    """Return it with parts that can be stored, under names that can be written."""
    if not response.kept:
        return response
    for name in response.kept:
        check_part_name(name)
    parts = plain_json(response.kept)
    return msgspec.structs.replace(response, kept={name: read_part(part) for name, part in parts.items()})
