"""What the `http` provider fills in for each request: the body, the address and the headers."""

import logging
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ArgumentError, TemplateError
from insideLLMs.core.template import Template
from insideLLMs.core.types import JsonValue
from insideLLMs.providers.applications.call_templates import (
    CallTemplates,
    fill_templates,
    read_template,
    read_templates,
    templates_in,
)

logger = logging.getLogger(__name__)
_MARK = re.compile(r"\{[{%#]")
_EARLIER = re.compile(r"(?<![{$])\{(prompt|system|messages|model_name|seed)\}(?!\})")
_HOST = re.compile(r"https?://[^/?#{}]+/")


class HttpTemplates(CallTemplates, frozen=True, kw_only=True):
    """The templates of a request; `path` is what of the address comes behind the folder before its first field."""

    body: Mapping[str, JsonValue]
    headers: Mapping[str, Template]
    path: Template | None = None

    @classmethod
    def of(
        cls, body: Mapping[str, JsonValue], headers: Mapping[str, str], address: str, model_name: str
    ) -> "HttpTemplates":
        """Read the templates. Raises TemplateError or ArgumentError that names the argument."""
        parsed = {
            name: read_templates(_as_now_spelt(item, f"body.{name}"), f"body.{name}") for name, item in body.items()
        }
        named = {name: read_template(text, f"headers.{name}") for name, text in headers.items()}
        path = read_template(address[len(constant_part(address)) :], "base_url")
        made = cls(
            body=parsed,
            headers={name: template for name, template in named.items() if template and template.is_filled},
            path=path if path and path.is_filled else None,
            model_name=model_name,
        )
        made.require_names("body")
        return made

    def check(self, options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Raise TemplateError, as `CallTemplates` does, also for a header or an address that cannot be sent."""
        values = CallTemplates.check(self, options)
        self.filled_headers(values)
        self.filled_path(values)
        return values

    def filled_body(self, values: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Return the body; a text that is one field becomes the field's value, list or number."""
        return {name: fill_templates(item, values) for name, item in self.body.items()}

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

    def arguments(self) -> Iterator[tuple[str, Template]]:
        """Yield every template with the argument in which it stands."""
        yield from (("body", template) for template in templates_in(self.body))
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


def _encoded(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    return quote(value, safe="") if isinstance(value, str) else value
