"""Make text that came from a model harmless: to look at, and to the CI runner that reads our output as its own log."""

import json
import re

_KEPT = frozenset("\u200c\u200d\u00a0\u202f\u3000")  # joiners that scripts and emoji need, and blanks that are blanks
_LINE_BREAKS = ("\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")

_COLOURS = re.compile(r"(\x1b\[(?:[012]|3[123])(?:;(?:[012]|3[123]))*m)")
"""The styles that we draw with: bold, dim, red, green, yellow."""
_HASH_COMMAND = re.compile(r"##(?=[\w-]*\[)")
"""Azure Pipelines (``##vso[``, ``##[``), TeamCity and older GitHub runners obey these anywhere in a line."""
_FOLD = re.compile(r"\b(travis_fold|section_start|section_end):")
_COLON_COMMAND = re.compile(r"((?:^|(?<=[\n\r\v\f\x85\u2028\u2029]))[^\S\n]*):(?=:)")
"""GitHub Actions obey ``::`` at the start of a line."""


def printable(text: str, *, keep_newlines: bool = False) -> str:
    r"""Spell everything that does not simply print as an escape such as ``\x1b`` or ``\u202e``.

    That covers terminal escapes, control characters, bidirectional overrides, invisible and private characters
    and lone surrogates. With `keep_newlines`, newlines and tabs stay, and other line ends become newlines;
    without it the result is one line.
    """
    if text.isprintable():
        return text
    kept = _KEPT
    if keep_newlines:
        for ending in _LINE_BREAKS:
            text = text.replace(ending, "\n")
        kept = _KEPT | {"\n", "\t"}
    return "".join(
        character if character.isprintable() or character in kept else _escape(character) for character in text
    )


def for_terminal(text: str) -> str:
    """Spell all but line ends and our own colours as `printable` does."""
    if text.isprintable():
        return text
    # every second piece is a colour
    pieces = enumerate(_COLOURS.split(text))
    return "".join(piece if number % 2 else printable(piece, keep_newlines=True) for number, piece in pieces)


def json_for_terminal(text: str) -> str:
    """Spell what JSON leaves as it is, and a terminal obeys, with escapes; the values stay the same."""
    return "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)


def without_commands(text: str) -> str:
    """Break what a CI runner would obey, with a blank: invisible characters do not count where runners compare."""
    text = _HASH_COMMAND.sub("# #", text)
    return _COLON_COMMAND.sub(r"\1: ", _FOLD.sub(r"\1 :", text))


def json_without_commands(text: str) -> str:
    """Spell JSON so that no CI runner obeys its texts; the values stay the same."""
    text = _HASH_COMMAND.sub(r"\\u0023#", text)
    return _FOLD.sub(r"\1\\u003a", text)


def shorten(text: str, limit: int) -> str:
    """Cut a text to `limit` characters, the last one an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def _escape(character: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(character)
    if named:
        return named
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
