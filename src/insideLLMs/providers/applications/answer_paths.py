"""What is read of what a user's own application answers: paths to its text, its counts, and parts to keep."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.arguments import check_mapping
from insideLLMs.core.errors import ArgumentError, BadAnswerError, CanonicalError, TrajectoryError
from insideLLMs.core.foreign_json import read_value
from insideLLMs.core.types import JsonValue, Message, Response, Usage
from insideLLMs.providers.answer_fields import read_cost, read_count, read_text
from insideLLMs.providers.codec import excerpt
from insideLLMs.providers.lenient_json import read_json, write_json
from insideLLMs.providers.transport import MAX_BODY_BYTES
from insideLLMs.scoring.json_path import find, parse_path, rooted
from insideLLMs.trajectories import last_text, read_trajectory, with_answer

_COUNTS = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens")
_LONGEST_NAME = 100
_PLAIN: tuple[type[Any], ...] = (str, int, float, dict, list, tuple)
READABLE = (
    "input_tokens",
    "output_tokens",
    "finish_reason",
    "model",
    "reasoning",
    "reasoning_tokens",
    "cached_tokens",
    "cost_usd",
)


class AnswerPaths(msgspec.Struct, frozen=True, kw_only=True):
    """Paths into an answer: `answer` to the text, `reads` to values that are READABLE, `keep` to parts.

    `trajectory` is the path to an agent's messages; without `answer`, their last text is the answer.
    """

    answer: str | None
    reads: Mapping[str, str]
    keep: Mapping[str, str]
    trajectory: str | None = None

    @classmethod
    def of(
        cls,
        answer: str | None,
        reads: Mapping[str, str] | None,
        keep: Mapping[str, str] | None,
        trajectory: str | None = None,
    ) -> "AnswerPaths":
        """Check the paths as they are given. Raises ArgumentError."""
        check_mapping("reads", reads, texts=True)
        check_mapping("keep", keep)
        for name in reads or {}:
            if name not in READABLE:
                known = ", ".join(READABLE)
                raise ArgumentError(f"reads has {name!r}", fix=f"known are {known}; `keep` takes any name")
        for name in keep or {}:
            check_part_name(name)
        named = [path for path in (answer, trajectory) if path is not None]
        if not named:
            raise ArgumentError("there is no path to its answer", fix="add answer: $.text, or an agent's trajectory")
        for path in (*named, *(reads or {}).values(), *(keep or {}).values()):
            _check_path(path)
        return cls(answer=answer, reads=dict(reads or {}), keep=dict(keep or {}), trajectory=trajectory)

    @property
    def is_all(self) -> bool:
        """Whether all of what is answered is the answer."""
        return self.answer == "$"

    @property
    def written(self) -> dict[str, JsonValue]:
        """The paths as they stand in a model's identity."""
        text = {} if self.answer is None else {"text": self.answer}
        kept = {"keep": dict(self.keep)} if self.keep else {}
        did = {} if self.trajectory is None else {"trajectory": self.trajectory}
        return {"reads": {**text, **self.reads}, **kept, **did}

    def response(self, body: JsonValue) -> Response | None:
        """Read a decoded answer; None where there is nothing, or null, at the path to its text or its trajectory.

        Raises BadAnswerError for what is no trajectory.
        """
        if self._lacking(body) is not None:
            return None
        trajectory = () if self.trajectory is None else self._trajectory(body, self.trajectory)
        given = last_text(trajectory) if self.answer is None else _at(body, self.answer)
        text = given if isinstance(given, str) else json_text(given)
        found = {name: _at(body, path) for name, path in self.reads.items()}
        counts = {name: read_count(found.get(name)) for name in _COUNTS}
        usage = Usage(**counts, cost_usd=read_cost(found.get("cost_usd")))
        kept = {name: find(body, rooted(path)) for name, path in self.keep.items()}
        return Response(
            text=text,
            finish_reason=read_text(found.get("finish_reason")),
            usage=None if usage == Usage() else usage,
            model=read_text(found.get("model")),
            reasoning=read_text(found.get("reasoning")),
            kept={name: read_part(values[0]) for name, values in kept.items() if values},
            trajectory=() if self.trajectory is None else with_answer(trajectory, text),
        )

    def _trajectory(self, body: JsonValue, path: str) -> tuple[Message, ...]:
        try:
            return read_trajectory(_at(body, path))
        except TrajectoryError as error:
            raise BadAnswerError(f"at {path}: {error.message}", fix=error.fix) from error

    def _lacking(self, body: JsonValue) -> str | None:
        """Return the path of the trajectory or the text at which there is nothing, or null."""
        named = (path for path in (self.trajectory, self.answer) if path is not None)
        return next((path for path in named if _at(body, path) is None), None)

    def lacks(self, who: str, body: JsonValue) -> str:
        """Say what stands in the place of the text or the trajectory, and what was answered instead."""
        path = self._lacking(body) or "$"
        what = "null" if find(body, rooted(path)) else "nothing"
        sent = f"the fields {', '.join(sorted(body)) or 'none'}" if isinstance(body, dict) else json_text(body)
        return f"{who} answered with {what} at {path}; it sent {excerpt(sent)}"


def read_paths(
    answer: str | None, reads: Mapping[str, str] | None, keep: Mapping[str, str] | None, trajectory: str | None
) -> AnswerPaths | None:
    """Return the paths of what may be text alone. Raises ArgumentError for some without one to the answer."""
    if answer is not None or trajectory is not None:
        return AnswerPaths.of(answer, reads, keep, trajectory)
    for name, given in (("reads", reads), ("keep", keep)):
        if given:
            raise ArgumentError(f"{name} needs JSON, and there is no path to its answer", fix="add answer: $.text")
    return None


def check_part_name(name: object) -> None:
    """Raise ArgumentError for a part's name that nobody could write or read."""
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ArgumentError(
            f"a part is called {name!r}", fix=f"name it in up to {_LONGEST_NAME} printable characters, such as sources"
        )


def read_part(value: JsonValue) -> JsonValue:
    """Return a part as it can be stored; an integer beyond 2^53, as ids are, by its digits."""
    try:
        canonical.check(value)
    except CanonicalError:
        return read_value(_in_digits(value))
    return value


def _in_digits(value: JsonValue, depth: int = 100) -> JsonValue:
    if isinstance(value, dict) and depth:
        return {name: _in_digits(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list) and depth:
        return [_in_digits(item, depth - 1) for item in value]
    return str(value) if isinstance(value, int) and abs(value) > canonical.MAX_INTEGER else value


def plain_json(value: object) -> JsonValue:
    """Return what a user's code returned as JSON, read as leniently as what is sent.

    Dataclasses, Structs, pydantic's models and arrays are what they hold; a set is a sorted list. Raises ArgumentError
    for what is no JSON value, or takes more than MAX_BODY_BYTES.
    """
    try:
        built = msgspec.to_builtins(value, enc_hook=_held, str_keys=True, order="deterministic")
        written = json.dumps(built).encode()
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise ArgumentError(
            f"it is not a JSON value: {error}", fix="return texts, numbers, true, false, lists and mappings"
        ) from error
    if len(written) > MAX_BODY_BYTES:
        raise ArgumentError(f"it takes {len(written):,} bytes; at most {MAX_BODY_BYTES:,} are kept", fix="return less")
    return read_json(written)


def _held(thing: object) -> object:
    """Return what an object of another library holds: pydantic's models, arrays, and classes made from JSON's own."""
    for kind in _PLAIN:
        if isinstance(thing, kind):
            return kind(thing)
    dump = getattr(thing, "model_dump", None) or getattr(thing, "tolist", None)
    if not callable(dump):
        raise TypeError(f"a value of type {type(thing).__name__}")
    return dump()


def _check_path(path: object) -> None:
    """Raise ArgumentError for what is no path."""
    try:
        parse_path(rooted(path) if isinstance(path, str) and path else "")
    except ArgumentError as error:
        raise ArgumentError(f"{path!r} is not a path", fix="write names and numbers: $.choices[0].text") from error


def _at(body: JsonValue, path: str) -> JsonValue:
    return next(iter(find(body, rooted(path))), None)


def json_text(value: object) -> str:
    """Write a value that is no text as JSON; true, 4 and lists are answers too."""
    return write_json(value).decode()
