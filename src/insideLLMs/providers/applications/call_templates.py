"""Templates in what an application of the user's own is sent, wherever they stand: a body, headers, a command.

Besides what is asked (`prompt`, also `question` and `input`; `system`, `messages`, `model_name`) they may name the
options of the request and the fields of the example, which travel in the request's `variables`; and, for an application
that keeps what was said, `conversation_id`, which is another for each trial and each time that it is run.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import TemplateError
from insideLLMs.core.protocols import CONVERSATION_ID
from insideLLMs.core.template import INPUT_NAMES, Template, template_of
from insideLLMs.core.types import JsonValue, Message, expand

_UNKNOWN_ID = "0" * 32
OURS = (*INPUT_NAMES, "system", "messages", "model_name")


class CallTemplates(msgspec.Struct, frozen=True, kw_only=True):
    """The templates of a call, each of which belongs to an argument of the model.

    `given` are values of the model's own, the same for every example.
    """

    model_name: str
    given: Mapping[str, JsonValue] = {}

    @abstractmethod
    def arguments(self) -> Iterator[tuple[str, Template]]:
        """Yield every template with the argument in which it stands."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that they name."""
        return tuple(dict.fromkeys(name for _, template in self.arguments() for name in template.names))

    @property
    def variables(self) -> tuple[str, ...]:
        """The names that are looked up in the example."""
        return tuple(name for name in self.names if name not in OURS and name not in self.given)

    def values(self, messages: Sequence[Message], options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return what may be filled in: what is asked, and over it what else there is, `options`."""
        asked = next((message.text for message in reversed(messages) if message.role == "user"), "")
        return {
            CONVERSATION_ID: _UNKNOWN_ID,
            **options,
            **dict.fromkeys(INPUT_NAMES, asked),
            "system": "\n\n".join(message.text for message in messages if message.role == "system"),
            "messages": [expand(message) for message in messages],
            "model_name": self.model_name,
            **self.given,
        }

    def check(self, options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Raise TemplateError, which names the argument, where `options` leave something that cannot be filled.

        Returns the values that they were filled with.
        """
        values = self.values([Message(role="user", content="?")], options)
        for argument, template in self.arguments():
            try:
                template.check_names(values)
                template.value(values)
            except TemplateError as error:
                raise error.of(argument) from None
        return values

    def require_names(self, argument: str) -> None:
        """Raise TemplateError where nothing depends on what is asked."""
        if not set(self.names) - set(self.given):
            raise TemplateError(
                f"{argument} names no field, so every example would be asked the same",
                fix="write {{ prompt }} where what is asked belongs",
            ).of(argument)


def read_template(text: str, where: str) -> Template | None:
    """Make a template of a text; what came from the environment is none. Raises TemplateError that says where."""
    if isinstance(text, FromEnvironment):
        return None
    try:
        return template_of(text, where.partition(".")[0].partition("[")[0])
    except TemplateError as error:
        error.message = f"{where}: {error.message}"
        raise


def read_templates(value: JsonValue, where: str) -> JsonValue:
    """Return a JSON value with templates in the place of its texts."""
    if isinstance(value, Mapping):
        return {key: read_templates(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [read_templates(item, f"{where}[{at}]") for at, item in enumerate(value)]
    return (read_template(value, where) or value) if isinstance(value, str) else value


def fill_templates(value: Any, values: Mapping[str, JsonValue]) -> JsonValue:
    """Return a JSON value with its templates filled; a text that is one field becomes the field's value."""
    if isinstance(value, Mapping):
        return {key: fill_templates(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_templates(item, values) for item in value]
    return value.value(values) if isinstance(value, Template) else value


def templates_in(value: Any) -> Iterator[Template]:
    """Yield the templates of a JSON value."""
    if isinstance(value, Template):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from templates_in(item)
