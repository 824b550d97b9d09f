"""`KEY=VALUE` options."""

from typing import TYPE_CHECKING

import click
import msgspec

from insideLLMs.core.errors import OptionError

if TYPE_CHECKING:
    from insideLLMs.core.types import JsonValue

_BRACKETS = {"{": "}", "[": "]"}


def parse_settings(
    pairs: tuple[str, ...], *, option: str = "--set", example: str = "execution.concurrency=8"
) -> "dict[str, JsonValue]":
    """Parse ``KEY=VALUE`` overrides; a value is JSON or a YAML list or mapping, else text. Raises OptionError."""
    settings: dict[str, JsonValue] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise OptionError(f"{option} {pair!r} is not KEY=VALUE", fix=f"e.g. {option} {example}")
        closing = _BRACKETS.get(text[:1])
        if closing and text.count(text[0]) > text.count(closing):
            raise OptionError(
                f"{option} {pair!r} lacks its closing {closing!r}: the shell ends a value at a space",
                fix=f"quote the whole: {option} '{key}={text[0]}...{closing}'",
            )
        settings[key] = _value(text, in_brackets=closing is not None)
    return settings


def _value(text: str, *, in_brackets: bool) -> "JsonValue":
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return _from_yaml(text) if in_brackets else text


def _from_yaml(text: str) -> "JsonValue":
    """Read what a person writes in an experiment file; `{name}` and `{{ name }}` stay text, as prompts have them."""
    from insideLLMs.core.documents import read_document  # noqa: PLC0415 - slow

    found = read_document(text.encode(), "yaml")
    is_value = not found.problems and not (isinstance(found.value, dict) and None in found.value.values())
    return found.value if is_value else text


def hint_on_quotes(error: click.UsageError) -> str:
    """Say how a value is written, where the shell made several words of one that was not quoted; else nothing."""
    if error.ctx is None or "unexpected extra argument" not in error.message:
        return ""
    given = (param for param in error.ctx.command.params if "=" in str(param.metavar) and error.ctx.params[param.name])
    return "".join(f"\nWrite a value with spaces or braces in quotes: {one.opts[0]} '{one.metavar}'" for one in given)
