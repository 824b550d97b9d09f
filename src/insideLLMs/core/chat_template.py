"""What a `template` may be: one text, or a chat of several messages, each a template."""

from collections.abc import Mapping, Sequence
from typing import get_args

import msgspec

from insideLLMs.core.arguments import flag, refuse
from insideLLMs.core.errors import TemplateError
from insideLLMs.core.template import Template, values_of
from insideLLMs.core.types import Example, JsonValue, Message, Request, Role

_ROLES: dict[str, Role] = {role: role for role in get_args(Role) if role != "tool"}


class ChatTemplate(msgspec.Struct, frozen=True):
    """Messages with a template each: few-shot turns, and in the end what is asked."""

    turns: tuple[tuple[Role, Template], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that it names, in order, each once."""
        return tuple(dict.fromkeys(name for _, template in self.turns for name in template.names))

    @property
    def required(self) -> tuple[str, ...]:
        """Those that it names without asking whether they are there."""
        return tuple(dict.fromkeys(name for _, template in self.turns for name in template.required))

    def render(self, values: Mapping[str, JsonValue]) -> tuple[Message, ...]:
        """Return the messages filled in from `values`. Raises TemplateError."""
        return tuple(Message(role=role, content=template.render(values)) for role, template in self.turns)

    def check(self, example: Example, **extra: JsonValue) -> None:
        """Raise TemplateError for an example from which it cannot be filled."""
        if not isinstance(example.input, str) and len(example.input) > 1:
            raise TemplateError(
                "the template is a chat, and so is the example, so one of them would not be sent",
                fix="write the template as one text, which takes the place of the example's last user message",
            )
        values = values_of(example, self.names, **extra)
        for _, template in self.turns:
            template.check_names(values)
            template.render(values)

    def request(self, example: Example, **extra: JsonValue) -> Request:
        """Ask the filled chat."""
        return Request.of(self.render(values_of(example, self.names, **extra)))


AnyTemplate = Template | ChatTemplate


def prompt_template(owner: str, value: JsonValue, argument: str = "template") -> AnyTemplate | None:
    """Make a template of an argument: a text, a list of messages, or either in ``{text: ..., constant: true}``.

    Raises ArgumentError for anything else, TemplateError for one that is malformed, or that names no field and is
    not said to be `constant`.
    """
    if value is None:
        return None
    content, constant = value, False
    if isinstance(value, Mapping) and set(value) in ({"text", "constant"}, {"messages", "constant"}):
        content, constant = value.get("text", value.get("messages")), flag(owner, "constant", value["constant"])
    made: AnyTemplate | None = None
    if isinstance(content, str):
        made = Template(content)
    elif isinstance(content, list | tuple):
        made = _chat(content)
    if made is None:
        raise refuse(owner, argument, value, "a text, or a list of messages with `role` and `content`")
    if not made.names and not constant:
        raise names_no_field()
    return made


def names_no_field() -> TemplateError:
    """Make the error for a template that is the same for every example."""
    return TemplateError(
        "the template names no field, so every example would be asked the same",
        fix="write {{ question }} where the example's input belongs, or add `constant: true` beside the template",
    )


def _chat(turns: Sequence[JsonValue]) -> ChatTemplate | None:
    made: list[tuple[Role, Template]] = []
    for turn in turns:
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
        if role not in _ROLES or not isinstance(content, str) or len(turn) > 2:
            return None
        made.append((_ROLES[role], Template(content)))
    return ChatTemplate(tuple(made)) if made else None
