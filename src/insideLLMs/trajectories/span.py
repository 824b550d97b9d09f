"""One span of a trace, in the one form that every export is brought into, and what it was for."""

from datetime import datetime
from enum import Enum

import msgspec

from insideLLMs.core.types import JsonValue

Event = tuple[str, dict[str, JsonValue]]
"""The name of something that happened in a span, and its attributes."""
Place = tuple[int, int]
"""The number of a file, and the line."""
_CALLS = {"chat", "text_completion", "generate_content", "completion", "response", "responses", "llm"}
_TOOLS = {"execute_tool", "tool"}


class SpanKind(Enum):
    """What a span was for."""

    CALL = "a call of a model"
    TOOL = "a call of a tool"
    STEP = "an agent, a chain, or anything else around calls"


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A span of a trace. Times are nanoseconds since 1970, 0 where there is none.

    `error` is None where the span did not fail, else its words, which may be none. `secrets` stood under names that
    say secret. A record of a log that belongs to a span is a span without a name that holds one event.
    """

    trace: str = ""
    id: str = ""
    parent: str = ""
    name: str = ""
    start_ns: int = 0
    end_ns: int = 0
    error: str | None = None
    attributes: dict[str, JsonValue] = {}
    events: tuple[Event, ...] = ()
    secrets: tuple[str, ...] = ()
    place: Place = (0, 0)

    @property
    def is_fragment(self) -> bool:
        """Whether it is a record of a log, to be put into the span that it belongs to."""
        return not self.name and not self.end_ns

    def text(self, *names: str) -> str:
        """Return the first of these attributes that is text with something in it."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, str) and value:
                return value
        return ""


def kind_of(span: Span) -> SpanKind:
    """Return what a span was for, by the convention that it follows."""
    said = span.text("gen_ai.operation.name", "llm.request.type", "openinference.span.kind", "traceloop.span.kind")
    kind = said.lower()
    if kind in _CALLS:
        return SpanKind.CALL
    if kind in _TOOLS:
        return SpanKind.TOOL
    is_call = not kind and any(name in span.attributes for name in ("gen_ai.request.model", "gen_ai.response.model"))
    return SpanKind.CALL if is_call else SpanKind.STEP


def nanoseconds(given: object) -> int:
    """Return a time as nanoseconds since 1970; -1 for what is no time."""
    if given is None:
        return 0
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    text = given.strip() if isinstance(given, str) else ""
    if len(text) <= 24 and text.removeprefix("-").isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return -1
    whole = moment.replace(microsecond=0)
    try:
        return int(whole.timestamp()) * 10**9 + moment.microsecond * 1000
    except (OverflowError, OSError):
        return -1
