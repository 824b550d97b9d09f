"""Which answer a person judged: a digest of it, by which a verdict follows the answer to every run that has it."""

from typing import Protocol

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.record_views import NO_RESPONSE, read_record
from insideLLMs.core.types import JsonValue


class JudgedAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person judges of a response; who gave the answer, and how many tokens it took, is no part of it."""

    text: str = ""
    value: JsonValue = None
    tool_calls: tuple[JsonValue, ...] = ()
    kept: dict[str, JsonValue] = {}
    trajectory: tuple[JsonValue, ...] = ()


class OfAnswer(Protocol):
    """A stored line that has an answer."""

    @property
    def probe(self) -> str: ...
    @property
    def example_id(self) -> str: ...
    @property
    def example_digest(self) -> str: ...
    @property
    def response(self) -> msgspec.Raw: ...


def answer_digest(line: OfAnswer) -> str:
    """Identify an answer to an example under what the probe asks of it: the same in every run, model and repeat.

    Raises RunDirectoryError for a response that cannot be read.
    """
    asked = {"probe": line.probe, "example_id": line.example_id, "example": line.example_digest}
    judged = msgspec.to_builtins(judged_answer(line.response))
    return canonical.identity("judged-answer/1", {**asked, "answer": judged})


def judged_answer(response: msgspec.Raw) -> JudgedAnswer:
    """Return what a person judges of a response. Raises RunDirectoryError for one that cannot be read."""
    if response == NO_RESPONSE:
        return JudgedAnswer()
    return read_record(bytes(response), JudgedAnswer, where="the response of a record")
