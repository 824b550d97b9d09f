"""Styled text and tables for a terminal of a given width.

Lines break between words; a word that is too long is folded. Where a table is too wide, its widest columns give way.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

_GAP = "  "
_TAB = 8
_WORD = re.compile(r"\s*\S+\s*|\s+")
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_INVISIBLE = frozenset(("Mn", "Me", "Cf"))


class StyledText:
    """Pieces of text, each in a style such as `bold red`; it wraps where it does not fit."""

    def __init__(self, text: str = "", style: str = "") -> None:
        self._pieces = [(text.expandtabs(_TAB), style)]

    def append(self, text: str, style: str = "") -> None:
        """Add a piece."""
        self._pieces.append((text.expandtabs(_TAB), style))

    def __str__(self) -> str:
        return "".join(text for text, _ in self._pieces)

    def lines(self, width: int) -> list["StyledText"]:
        """Return the lines that it takes at this width, in columns of the terminal."""
        plain, found, start = str(self), [], 0
        for line in plain.split("\n"):
            for length in _breaks(line, width):
                shown = plain[start : start + length].rstrip(" ")
                found.append(self._cut(start, start + len(shown)))
                start += length
            start += 1
        return found

    def drawn(self, *, color: bool, style: str = "") -> str:
        """Return it as it is written to the terminal; `style` is for pieces that have none."""
        return "".join(_painted(text, own or style) if color else text for text, own in self._pieces)

    def _cut(self, start: int, end: int) -> "StyledText":
        cut, place = StyledText(), 0
        for text, style in self._pieces:
            if piece := text[max(0, start - place) : max(0, end - place)]:
                cut.append(piece, style)
            place += len(text)
        return cut


class DrawnTable:
    """Rows of cells; without `columns` a table has no heading, and its first column is dim and keeps its width."""

    def __init__(self, *columns: str) -> None:
        self._is_grid = not columns
        self._rows = [tuple(StyledText(column, "bold") for column in columns)] if columns else []

    def add_row(self, *cells: "str | StyledText") -> None:
        """Add a row of as many cells as there are columns."""
        self._rows.append(tuple(cell if isinstance(cell, StyledText) else StyledText(cell) for cell in cells))

    def drawn(self, width: int, *, color: bool) -> Iterator[str]:
        """Return its lines."""
        widths = self._widths(width)
        for row in self._rows:
            wrapped = [cell.lines(columns) for cell, columns in zip(row, widths, strict=True)]
            for line in zip_longest(*wrapped, fillvalue=StyledText()):
                yield _GAP.join(self._cells(line, widths, color=color)).rstrip(" ")

    def _cells(self, line: Sequence[StyledText], widths: Sequence[int], *, color: bool) -> Iterator[str]:
        for number, (cell, columns) in enumerate(zip(line, widths, strict=True)):
            style = "dim" if self._is_grid and number == 0 else ""
            yield cell.drawn(color=color, style=style) + " " * (columns - width_of(str(cell)))

    def _widths(self, width: int) -> list[int]:
        """Return the width of each column: as wide as its widest line, or less where the table is too wide."""
        columns = zip(*self._rows, strict=True)
        widths = [max(width_of(line) for cell in cells for line in str(cell).split("\n")) for cells in columns]
        flexible = range(self._is_grid, len(widths))
        excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        for _ in range(excess):
            widest = max(flexible, key=lambda column: widths[column])
            widths[widest] = max(1, widths[widest] - 1)
        return widths


def draw(parts: Iterable[StyledText | DrawnTable], *, width: int, color: bool = False) -> str:
    """Draw texts and tables below each other, without asking the environment: the same everywhere."""
    lines: list[str] = []
    for part in parts:
        if isinstance(part, DrawnTable):
            lines += part.drawn(width, color=color)
        else:
            lines += (line.drawn(color=color) for line in part.lines(width))
    return "\n".join(lines)


def width_of(text: str) -> int:
    """Return how many columns of a terminal a line takes: two for wide letters, none for marks upon a letter."""
    return len(text) if text.isascii() else sum(map(_width_of_letter, text))


def _width_of_letter(letter: str) -> int:
    if unicodedata.category(letter) in _INVISIBLE:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _breaks(line: str, width: int) -> Iterator[int]:
    """Yield how many letters each line takes."""
    taken, used = 0, 0
    for word in _WORD.findall(line):
        if taken and used + width_of(word.rstrip(" ")) > width:
            yield taken
            taken, used = 0, 0
        left = word
        while width_of(left.rstrip(" ")) > width:
            fitting = _fitting(left, width)
            yield fitting
            left = left[fitting:]
        taken, used = taken + len(left), used + width_of(left)
    if taken or not line:
        yield taken


def _fitting(word: str, width: int) -> int:
    """Return how many of the first letters fit, at least one."""
    used = 0
    for count, letter in enumerate(word):
        used += _width_of_letter(letter)
        if used > width:
            return max(1, count)
    return len(word)


def _painted(text: str, style: str) -> str:
    codes = ";".join(_CODES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text
