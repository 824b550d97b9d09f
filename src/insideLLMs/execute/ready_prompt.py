"""A prompt of the run: how it wraps what a probe asks."""

from collections.abc import Iterator

import msgspec

from insideLLMs.core.errors import TemplateError
from insideLLMs.core.experiment import PromptSpec
from insideLLMs.core.template import INPUT_NAMES, Template, template_of
from insideLLMs.core.types import ContentPart, Example, JsonValue, Message, Request, TextPart


class ReadyPrompt(msgspec.Struct, frozen=True):
    """A prompt whose templates were found well formed. Raises TemplateError otherwise."""

    spec: PromptSpec
    turns: tuple[tuple[Message, Template], ...]
    system: Template | None

    @classmethod
    def of(cls, spec: PromptSpec) -> "ReadyPrompt":
        """Read the templates of a prompt. Raises TemplateError."""
        chat = "messages" if spec.template is None else "template"
        turns = tuple((turn, template_of(turn.text, chat)) for turn in spec.chat)
        return cls(spec, turns, None if spec.system is None else template_of(spec.system, "system"))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that it names, in order, each once."""
        return tuple(dict.fromkeys(name for template in self._templates() for name in template.names))

    def check(self, example: Example) -> None:
        """Raise TemplateError for an example from which the prompt cannot be filled."""
        chat = "messages" if self.spec.template is None else "template"
        for template in self._templates():
            try:
                template.check(example)
            except TemplateError as error:
                error.argument = "system" if template is self.system else chat
                raise

    def wrap(self, request: Request, example: Example) -> Request:
        """Return what is asked in place of a probe's `request`. Raises TemplateError.

        The prompt's messages stand where the last user message stood, whose text they know as `input` and whose
        images the last of them keeps. A system message of the probe's own stays.
        """
        messages = list(request.messages)
        place = next((at for at in reversed(range(len(messages))) if messages[at].role == "user"), len(messages))
        asked = messages[place] if place < len(messages) else Message(role="user")
        known = _known(example, asked.text)
        if self.turns:
            turns = [
                msgspec.structs.replace(turn, content=template.fill(example, **known)) for turn, template in self.turns
            ]
            messages[place : place + 1] = _with_images(turns, asked)
        if self.system is not None and all(message.role != "system" for message in messages):
            messages.insert(0, Message(role="system", content=self.system.fill(example, **known)))
        return Request(messages=tuple(messages), options=request.options)

    def _templates(self) -> Iterator[Template]:
        if self.system is not None:
            yield self.system
        yield from (template for _, template in self.turns)


def _known(example: Example, text: str) -> dict[str, JsonValue]:
    """Return what the input's names stand for: the probe's text, but where the example has a field of that name."""
    return {"input": text, **{name: text for name in INPUT_NAMES if name not in example.fields}}


def _with_images(turns: list[Message], asked: Message) -> list[Message]:
    images: tuple[ContentPart, ...] = ()
    if not isinstance(asked.content, str):
        images = tuple(part for part in asked.content if not isinstance(part, TextPart))
    if not images:
        return turns
    *others, last = turns
    return [*others, msgspec.structs.replace(last, content=(TextPart(text=last.text), *images))]
