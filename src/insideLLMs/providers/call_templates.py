"""What the `http` provider sends, as templates: the body, the address and the headers, filled in for each request.

Besides what is asked (`prompt`, also `question` and `input`; `system`, `messages`, `model_name`) they may name the
options of the request and the fields of the example, which travel in the request's `variables`.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ArgumentError, TemplateError
from insideLLMs.core.template import INPUT_NAMES, Template, template_of
from insideLLMs.core.types import JsonValue, Message, expand

logger = logging.getLogger(__name__)
OURS = (*INPUT_NAMES, "system", "messages", "model_name")
_MARK = re.compile(r"\{[{%#]")
_EARLIER = re.compile(r"(?<![{$])\{(prompt|system|messages|model_name|seed)\}(?!\})")
_HOST = re.compile(r"https?://[^/?#{}]+/")


class CallTemplates(msgspec.Struct, frozen=True, kw_only=True):
    """The templates of a call; `path` is what of the address comes behind the first field, and the folder before it."""

    body: Mapping[str, JsonValue]
    headers: Mapping[str, Template]
    path: Template | None = None
    model_name: str

    @classmethod
    def of(
        cls, body: Mapping[str, JsonValue], headers: Mapping[str, str], address: str, model_name: str
    ) -> "CallTemplates":
        """Read the templates. Raises TemplateError or ArgumentError that names the argument."""
        parsed = {name: _templates(_as_now_spelt(item, f"body.{name}"), f"body.{name}") for name, item in body.items()}
        named = {name: _template(text, f"headers.{name}") for name, text in headers.items()}
        path = _template(address[len(constant_part(address)) :], "base_url")
        made = cls(
            body=parsed,
            headers={name: template for name, template in named.items() if template and template.is_filled},
            path=path if path and path.is_filled else None,
            model_name=model_name,
        )
        if not made.names:
            raise TemplateError(
                "body names no field, so every example would be asked the same",
                fix="write {{ prompt }} where what is asked belongs",
            ).of("body")
        return made

    @property
    def names(self) -> tuple[str, ...]:
        """All that they name."""
        return tuple(dict.fromkeys(name for _, template in self._all() for name in template.names))

    @property
    def variables(self) -> tuple[str, ...]:
        """The names that are looked up in the example."""
        return tuple(name for name in self.names if name not in OURS)

    def values(self, messages: Sequence[Message], options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Return what may be filled in: what is asked, and over it what else there is, `options`."""
        asked = next((message.text for message in reversed(messages) if message.role == "user"), "")
        return {
            **options,
            **dict.fromkeys(INPUT_NAMES, asked),
            "system": "\n\n".join(message.text for message in messages if message.role == "system"),
            "messages": [expand(message) for message in messages],
            "model_name": self.model_name,
        }

    def check(self, options: Mapping[str, JsonValue]) -> None:
        """Raise TemplateError, which names the argument, where these values leave something that cannot be filled."""
        values = self.values([Message(role="user", content="?")], options)
        for argument, template in self._all():
            try:
                template.check_names(values)
                template.value(values)
            except TemplateError as error:
                raise error.of(argument) from None
        self.filled_headers(values)
        self.filled_path(values)

    def filled_body(self, values: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Return the body; a text that is one field becomes the field's value, list or number."""
        return {name: _filled(item, values) for name, item in self.body.items()}

    def filled_headers(self, values: Mapping[str, JsonValue]) -> dict[str, str]:
        """Return the headers that have fields. Raises TemplateError for a line break in one."""
        filled = {name: template.render(values) for name, template in self.headers.items()}
        for name, text in filled.items():
            if not text.isprintable():
                raise TemplateError(f"the header {name} would hold a line break or a control character").of("headers")
        return filled

    def filled_path(self, values: Mapping[str, JsonValue]) -> str:
        """Return the rest of the address; what a field holds is percent-encoded, so that it stays one part of it."""
        if self.path is None:
            return ""
        path = self.path.render({name: _encoded(values[name]) for name in self.path.names if name in values})
        if {".", ".."} & set(path.partition("?")[0].split("/")):
            raise TemplateError(f"the address would go up a folder: {path!r}").of("base_url")
        return path

    def _all(self) -> Iterator[tuple[str, Template]]:
        yield from (("body", template) for template in _leaves(self.body))
        yield from (("headers", template) for template in self.headers.values())
        yield from (("base_url", template) for template in (self.path,) if template is not None)


def constant_part(address: str) -> str:
    """Return what of an address is the same for every request: all of it, or its folders before the first field.

    Raises ArgumentError for a field in the host: an example never says where a request and its key go.
    """
    mark = None if isinstance(address, FromEnvironment) else _MARK.search(address)
    if mark is None:
        return address
    before = address[: mark.start()].partition("?")[0]
    if not _HOST.match(before):
        raise ArgumentError(
            "base_url has a field in its host", fix="write the host out; fields may stand behind its first slash"
        )
    return before[: before.rfind("/")]


def _template(text: str, where: str) -> Template | None:
    """Make a template of a text; what came from the environment is none."""
    if isinstance(text, FromEnvironment):
        return None
    try:
        return template_of(text, where.partition(".")[0])
    except TemplateError as error:
        error.message = f"{where}: {error.message}"
        raise


def _as_now_spelt(value: JsonValue, where: str) -> JsonValue:
    """Spell ``{prompt}``, as bodies were written before templates were Jinja2, as it is written now, and say so."""
    if isinstance(value, Mapping):
        return {key: _as_now_spelt(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_now_spelt(item, f"{where}[{at}]") for at, item in enumerate(value)]
    if not isinstance(value, str) or _MARK.search(value) or not _EARLIER.search(value):
        return value
    now = _EARLIER.sub(r"{{ \1 }}", value)
    logger.warning("%s: %r is read as %r; write it so, the earlier spelling will be refused", where, value, now)
    return now


def _templates(value: JsonValue, where: str) -> JsonValue:
    if isinstance(value, Mapping):
        return {key: _templates(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_templates(item, f"{where}[{at}]") for at, item in enumerate(value)]
    return (_template(value, where) or value) if isinstance(value, str) else value


def _filled(value: Any, values: Mapping[str, JsonValue]) -> JsonValue:
    if isinstance(value, Mapping):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value.value(values) if isinstance(value, Template) else value


def _leaves(value: Any) -> Iterator[Template]:
    if isinstance(value, Template):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)


def _encoded(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return quote(value, safe="") if isinstance(value, str) else value
