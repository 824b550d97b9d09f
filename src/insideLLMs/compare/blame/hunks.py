"""What differs between two versions of a text, as hunks that can be applied one by one: sentences, or whole lines."""

import difflib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from insideLLMs.compare.differences.word_diff import marked, word_diff

MOST_HUNKS = 24
"""A text with more hunks of sentences is cut into lines, and with more of these it is one hunk."""
_SENTENCES = re.compile(r"(?s).+?(?:[.!?]+(?:\s+|$)|\n+|$)")
_LINES = re.compile(r"(?s).+?(?:\n+|$)")
_CLOSE = 0.25
"""From this similarity on a sentence is another's new wording; below, one was removed and the other added."""
_MOST_TO_PAIR = 40
_WORDS = re.compile(r"\w+")
_Unit = tuple[str, str]
"""A sentence or line in both versions, as it stands with the space behind it; empty where it is not there."""


@dataclass(frozen=True, slots=True)
class Hunks:
    """Two versions of a text: the units of both in order; those that differ are its hunks."""

    before: str
    after: str
    units: tuple[_Unit, ...]

    @classmethod
    def of(cls, before: str, after: str) -> "Hunks":
        """Cut two versions into hunks. A template with statements is one: half an `if` cannot be filled in."""
        whole = cls(before, after, ((before, after),))
        if "{%" in before or "{%" in after:
            return whole
        for pattern in (_SENTENCES, _LINES):
            found = cls(before, after, tuple(_paired(pattern.findall(before), pattern.findall(after))))
            if 0 < len(found.hunks) <= MOST_HUNKS:
                return found
        return whole

    @property
    def hunks(self) -> tuple[_Unit, ...]:
        """Those units that differ, in order."""
        return tuple(unit for unit in self.units if _differs(unit))

    def mixed(self, applied: Collection[int]) -> str:
        """Return the text with some of its hunks applied, by their numbers from 0."""
        if not applied:
            return self.before
        if len(applied) >= len(self.hunks):  # texts that differ in white space alone have none
            return self.after
        kept, number = [], -1
        for unit in self.units:
            number += _differs(unit)
            kept.append(unit[_differs(unit) and number in applied])
        return _joined([text for text in kept if text])

    def in_words(self, number: int) -> str:
        """Show one hunk as a diff of words, with the marks that git has for them."""
        before, after = (text.strip() for text in self.hunks[number])
        diff = word_diff(before, after) if before and after else None
        if diff is not None:
            return marked(diff)
        return "".join(text for text in (f"[-{before}-]" if before else "", f"{{+{after}+}}" if after else ""))


def _differs(unit: _Unit) -> bool:
    return unit[0].strip() != unit[1].strip()


def _joined(units: Sequence[str]) -> str:
    """Join units; one that ended its text and now stands before another gets a space."""
    spaced = [one if one[-1].isspace() else f"{one} " for one, _ in pairwise(units)]
    return "".join((*spaced, *units[-1:]))


def _paired(before: Sequence[str], after: Sequence[str]) -> list[_Unit]:
    plain = [unit.strip() for unit in before], [unit.strip() for unit in after]
    found: list[_Unit] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, *plain, autojunk=False).get_opcodes():
        if tag == "equal":
            found += zip(before[a:b], after[c:d], strict=True)
        else:
            found += _reworded(before[a:b], after[c:d])
    return found


def _reworded(before: Sequence[str], after: Sequence[str]) -> list[_Unit]:
    """Pair each sentence with its new wording, in order, so that the most is shared; others were removed or added."""
    if len(before) == len(after):
        return list(zip(before, after, strict=True))
    if len(before) > _MOST_TO_PAIR or len(after) > _MOST_TO_PAIR:
        return [("".join(before), "".join(after))]
    best: dict[tuple[int, int], tuple[float, tuple[_Unit, ...]]] = {}
    for i in range(len(before), -1, -1):
        for j in range(len(after), -1, -1):
            best[i, j] = _best_from(i, j, before, after, lambda i, j: best[i, j])
    return list(best[0, 0][1])


_Best = tuple[float, tuple[_Unit, ...]]


def _best_from(
    i: int, j: int, before: Sequence[str], after: Sequence[str], known: Callable[[int, int], _Best]
) -> _Best:
    options: list[_Best] = []
    if i < len(before) and j < len(after):
        ratio = difflib.SequenceMatcher(None, _WORDS.findall(before[i]), _WORDS.findall(after[j])).ratio()
        if ratio >= _CLOSE:
            shared, units = known(i + 1, j + 1)
            options.append((shared + ratio, ((before[i], after[j]), *units)))
    if i < len(before):
        shared, units = known(i + 1, j)
        options.append((shared, ((before[i], ""), *units)))
    if j < len(after):
        shared, units = known(i, j + 1)
        options.append((shared, (("", after[j]), *units)))
    return max(options, key=lambda option: option[0], default=(0.0, ()))
