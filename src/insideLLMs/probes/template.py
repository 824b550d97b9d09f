"""Prompt templates: plain ``{name}`` fields filled from an example; ``{{`` and ``}}`` stand for braces.

A name is `input` (or `prompt`, `question`), the example's input as text, or one of the example's fields.
Nothing else: no attributes, indexes, conversions or format specifications, so that a template is only text.
"""

import re

import msgspec
import orjson

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import TemplateError
from insideLLMs.core.types import Example, JsonValue, Message, Request

INPUT_NAMES = ("input", "prompt", "question")

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[^\W\d][\w-]*")


class Template(msgspec.Struct, frozen=True):
    """A template that was found well formed. Raises TemplateError otherwise."""

    text: str

    def __post_init__(self) -> None:
        for piece in _PIECE.finditer(self.text):
            if piece.group() in {"{", "}"}:
                raise TemplateError(
                    f"template has a single {piece.group()!r} at position {piece.start()}",
                    fix=f"write {piece.group() * 2!r} for the character itself, or {{name}} for a field",
                )
            if piece.group(1) is not None and not _NAME.fullmatch(piece.group(1)):
                raise TemplateError(
                    f"template has the field {piece.group()!r}; a field is a plain name",
                    fix="name an example's field, as in {question}, without dots, brackets, ! or :",
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that it names, in order, each once."""
        return tuple(dict.fromkeys(found[1] for found in _PIECE.finditer(self.text) if found[1] is not None))

    def missing(self, example: Example, **extra: str) -> str | None:
        """Say which field the example lacks, with the nearest that it has; None if it has all."""
        known = {*INPUT_NAMES, *example.fields, *extra}
        for name in self.names:
            if name not in known:
                near = nearest(name, sorted(known))
                hint = f"; did you mean {{{near}}}?" if near else ""
                return f"the template names {{{name}}}, which this example does not have{hint}"
        return None

    def fill(self, example: Example, **extra: str) -> str:
        """Return the text with every field filled in; `extra` fields take the place of the example's own.

        Raises TemplateError for a field that neither has.
        """
        problem = self.missing(example, **extra)
        if problem:
            raise TemplateError(
                f"example {example.id!r}: {problem}", fix="fix the template, or give the example that field"
            )
        values: dict[str, JsonValue] = {**dict.fromkeys(INPUT_NAMES, example.text), **example.fields, **extra}

        def fill_in(piece: re.Match[str]) -> str:
            return as_text(values[piece[1]]) if piece[1] is not None else piece.group()[0]

        return _PIECE.sub(fill_in, self.text)

    def request(self, example: Example, **extra: str) -> Request:
        """Ask the filled template in place of the example's (last user) message; the rest of a chat stays."""
        return ask(example, self.fill(example, **extra))


def as_text(value: JsonValue) -> str:
    """Write a field's value into a prompt: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def ask(example: Example, text: str) -> Request:
    """Return a request of the example with `text` in place of its (last user) message."""
    if isinstance(example.input, str):
        return Request.of(text)
    messages = list(example.input)
    place = next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "user"), None)
    if place is None:
        return Request.of([*messages, Message(role="user", content=text)])
    return Request.of([*messages[:place], Message(role="user", content=text), *messages[place + 1 :]])
