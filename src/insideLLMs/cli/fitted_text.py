"""Names and explanations that fit a terminal; in a pipe or a file each stays a line, to be searched and cut."""

import sys
from collections.abc import Iterable
from textwrap import fill

from insideLLMs.cli import console


def out_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print names beside what is said of them."""
    rows = [(f"  {name}", about) for name, about in rows]
    column = max((len(name) for name, _ in rows), default=0) + 2
    for name, about in rows:
        console.out(_fitted(f"{name.ljust(column)}{about}", " " * column))


def out_prose(text: str) -> None:
    """Print paragraphs; one with a list or an example in it keeps its lines."""
    parts = text.split("\n\n")
    console.out("\n\n".join(part if _has_lines(part) else _fitted(part) for part in parts))


def _has_lines(part: str) -> bool:
    return any(line.startswith((" ", "- ", "* ")) for line in part.splitlines())


def _fitted(text: str, indent: str = "") -> str:
    columns = console.width()
    if not console.is_terminal(sys.stdout) or max(map(len, text.splitlines()), default=0) <= columns:
        return text
    room = indent if len(indent) <= columns // 2 else "    "
    return fill(text, columns, subsequent_indent=room, break_long_words=False, break_on_hyphens=False)
