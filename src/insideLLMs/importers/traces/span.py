"""One span, in the one form that every export is brought into."""

import msgspec

from insideLLMs.core.types import JsonValue

Event = tuple[str, dict[str, JsonValue]]
"""The name of something that happened in a span, and its attributes."""
Place = tuple[int, int]
"""The number of a file, and the line."""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A span of a trace. Times are nanoseconds since 1970, 0 where there is none.

    `error` is None where the span did not fail, else its words, which may be none. `secrets` stood under names that
    say secret. A record of a log that belongs to a span is a span without a name that holds one event.
    """

    trace: str
    id: str
    parent: str
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
