"""Styled text and tables for a terminal of a given width.

Lines break between words; a word that is too long is folded. Where a table is too wide, its widest columns give way.
How many columns a letter takes, and where a line may break, is the library's to know.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import wcwidth

_GAP = "  "
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


class StyledText:
    """Pieces of text, each in a style such as `bold red`; it wraps where it does not fit."""

    def __init__(self, text: str = "", style: str = "") -> None:
        self._painted = _paint(text, style)

    def append(self, text: str, style: str = "") -> None:
        """Add a piece."""
        self._painted += _paint(text, style)

    def __str__(self) -> str:
        return wcwidth.strip_sequences(self._painted)

    def lines(self, width: int) -> list[str]:
        """Return the lines that it takes at this width, in columns of the terminal, with the codes of their styles.

        What does not fit goes on below the beginning of its line.
        """
        return [wrapped for line in self._painted.split("\n") for wrapped in _wrap(line, width) or [""]]


class DrawnTable:
    """Rows of cells; without `columns` a table has no heading, and its first column is dim and keeps its width."""

    def __init__(self, *columns: str) -> None:
        self._is_grid = not columns
        self._rows = [tuple(StyledText(column, "bold") for column in columns)] if columns else []

    def add_row(self, *cells: "str | StyledText") -> None:
        """Add a row of as many cells as there are columns."""
        styles = ("dim" if self._is_grid and number == 0 else "" for number in range(len(cells)))
        self._rows.append(
            tuple(
                cell if isinstance(cell, StyledText) else StyledText(cell, style)
                for cell, style in zip(cells, styles, strict=True)
            )
        )

    def lines(self, width: int) -> Iterator[str]:
        """Return its lines, with the codes of their styles."""
        widths = self._widths(width)
        for row in self._rows:
            wrapped = [cell.lines(columns) for cell, columns in zip(row, widths, strict=True)]
            for line in zip_longest(*wrapped, fillvalue=""):
                yield _GAP.join(map(wcwidth.ljust, line, widths)).rstrip(" ")

    def _widths(self, width: int) -> Sequence[int]:
        """Return the width of each column: as wide as its widest line, or less where the table is too wide."""
        columns = zip(*self._rows, strict=True)
        widths = [max(wcwidth.width(line) for cell in cells for line in str(cell).split("\n")) for cells in columns]
        flexible = range(self._is_grid, len(widths))
        excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
        for _ in range(excess):
            widest = max(flexible, key=lambda column: widths[column])
            widths[widest] = max(1, widths[widest] - 1)
        return [max(1, columns) for columns in widths]


def draw(parts: Iterable[StyledText | DrawnTable], *, width: int, color: bool = False) -> str:
    """Draw texts and tables below each other, without asking the environment: the same everywhere."""
    drawn = "\n".join(line for part in parts for line in part.lines(width))
    return drawn if color else wcwidth.strip_sequences(drawn)


def _wrap(line: str, width: int) -> list[str]:
    indent = line[: min(len(line) - len(line.lstrip(" ")), width // 2)]
    return wcwidth.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)


def comment(text: str, *, width: int, indent: str = "") -> Iterator[str]:
    """Return the lines of a comment at this width, each with its mark; longer words stay whole, to be copied."""
    yield from wcwidth.wrap(
        text, width, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_long_words=False
    )


def _paint(text: str, style: str) -> str:
    """Return the text with the codes of its style around each line."""
    codes = ";".join(_CODES[word] for word in style.split())
    return "\n".join(f"\x1b[{codes}m{line}\x1b[0m" if codes and line else line for line in text.split("\n"))
