"""`KEY=VALUE` options."""

from typing import TYPE_CHECKING

import msgspec

from insideLLMs.core.errors import OptionError

if TYPE_CHECKING:
    from insideLLMs.core.types import JsonValue


def parse_settings(
    pairs: tuple[str, ...], *, option: str = "--set", example: str = "execution.concurrency=8"
) -> "dict[str, JsonValue]":
    """Parse ``KEY=VALUE`` overrides; a value is JSON where it can be, else text. Raises OptionError."""
    settings: dict[str, JsonValue] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise OptionError(f"{option} {pair!r} is not KEY=VALUE", fix=f"e.g. {option} {example}")
        try:
            settings[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            settings[key] = text
    return settings
