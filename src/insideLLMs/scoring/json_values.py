"""JSON in an answer: all of it, or its one fenced block of JSON; parsed strictly (no duplicate keys, no NaN)."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from insideLLMs.core.types import JsonValue

_FENCE = re.compile(r" {0,12}(?P<mark>```|~~~)[`~]*[ \t]*(?P<language>[^\s`~]*)")
_ONE_LINE = re.compile(r"```[ \t]*(?:(json|python3?|py)\b)?[ \t]*([^`\n]+)```", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The JSON value that was found."""

    value: JsonValue


@dataclass(frozen=True, slots=True)
class Unparsed:
    """Why there is no JSON value."""

    why: str


def find_json(answer: str) -> Parsed | Unparsed:
    """Return the JSON of `answer`: the whole text, or the only fenced block that is JSON or says that it is."""
    text = answer.strip().removeprefix("\ufeff")
    if not text:
        return Unparsed("the answer is empty")
    whole = parse_strict(text)
    if isinstance(whole, Parsed):
        return whole  # a fence inside of a string is none
    named = [body for language, body in fenced_blocks(text) if language == "json"]
    blocks = named or [body for language, body in fenced_blocks(text) if not language]
    if not named and len(blocks) > 1:
        blocks = [body for body in blocks if isinstance(parse_strict(body), Parsed)] or blocks
    if len(blocks) > 1:
        return Unparsed(f"{len(blocks)} fenced blocks; only one can be the answer")
    return parse_strict(blocks[0]) if blocks else whole


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its language (lower case, "" if unnamed), its body, and whether it was never closed."""

    language: str
    body: str
    is_open: bool = False


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return the language and the body of every fenced block that is closed."""
    return [(one.language, one.body) for one in fences(text) if not one.is_open]


def fences(text: str) -> list[Fence]:
    """Return every fenced block, the last one even if it is still open, and those on one line."""
    found: list[Fence] = []
    language: str | None = None
    mark = ""
    body: list[str] = []
    for line in text.split("\n"):
        fence, one_line = _FENCE.match(line), _ONE_LINE.search(line)
        if language is None and one_line is not None:
            found.append(Fence((one_line[1] or "").casefold(), one_line[2].strip()))
        elif fence is None or (language is not None and fence["mark"] != mark):
            body.append(line)
        elif language is None:
            language, mark, body = fence["language"].casefold(), fence["mark"], []
        elif not fence["language"]:
            found.append(Fence(language, "\n".join(body)))
            language = None
    return found if language is None else [*found, Fence(language, "\n".join(body), is_open=True)]


def parse_strict(text: str) -> Parsed | Unparsed:
    """Parse `text` as RFC 8259 JSON; duplicate keys, NaN, infinities and overflowing numbers are refused."""
    try:
        return Parsed(_STRICT.decode(text))
    except RecursionError:
        return Unparsed("nested too deeply")
    except ValueError as error:
        return Unparsed(str(error))


def objects_in(text: str) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    """Yield the outermost JSON objects in prose, in order, each with up to 200 characters before it.

    Of a text with very many opening braces only the last ones are tried, so that time stays bounded.
    """
    end = 0
    for start in [found.start() for found in re.finditer(r"\{", text)][-_MOST_BRACES:]:
        if start < end:
            continue
        try:
            value, end = _STRICT.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        yield text[max(0, start - 200) : start], value


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    unique: dict[str, JsonValue] = {}
    for key, value in pairs:
        if key in unique:
            raise ValueError(f"the key {key!r} occurs twice in one object")
        unique[key] = value
    return unique


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float)
_MOST_BRACES = 300
