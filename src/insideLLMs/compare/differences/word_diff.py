"""What changed between two texts, word by word, in bounded time."""

import difflib
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_WORD_LIMIT = 600
_CONTEXT_WORDS = 16
_ALIKE = 0.4


class Segment(NamedTuple):
    """A piece of the diff; `gap` stands for words that are the same on both sides and not shown."""

    kind: Literal["same", "removed", "added", "gap"]
    text: str


def word_diff(before: str, after: str) -> tuple[Segment, ...] | None:
    """Return the texts as one, with what was removed and added; None if too little is shared to read it so.

    Common ends are taken off first; what differs between them is compared up to 600 words a side.
    """
    left, right = _WORDS.findall(before), _WORDS.findall(after)
    head = _shared(left, right)
    tail = _shared(left[head:][::-1], right[head:][::-1])
    old, new = left[head : len(left) - tail], right[head : len(right) - tail]
    if len(old) > _WORD_LIMIT or len(new) > _WORD_LIMIT:
        return None
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks()) + head + tail
    if 2 * same < _ALIKE * (len(left) + len(right)):
        return None
    return (
        *_context(left[:head], first=True, last=False),
        *_middle(matcher, old, new),
        *_context(left[len(left) - tail :], first=False, last=True),
    )


def marked(diff: tuple[Segment, ...]) -> str:
    """Write a diff as one text, with the marks that git has for words."""
    marks = {"removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(marks.get(kind, "{}").format(text) for kind, text in diff)


def _shared(left: list[str], right: list[str]) -> int:
    for position, (ours, theirs) in enumerate(zip(left, right, strict=False)):
        if ours != theirs:
            return position
    return min(len(left), len(right))


def _middle(matcher: "difflib.SequenceMatcher[str]", old: list[str], new: list[str]) -> Iterator[Segment]:
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield from _context(old[a:b], first=False, last=False)
            continue
        if b > a:
            yield Segment("removed", "".join(old[a:b]))
        if d > c:
            yield Segment("added", "".join(new[c:d]))


def _context(words: list[str], *, first: bool, last: bool) -> Iterator[Segment]:
    """Yield unchanged words; of many only those next to a change."""
    before = 0 if first else _CONTEXT_WORDS
    after = 0 if last else _CONTEXT_WORDS
    if len(words) <= before + after + _CONTEXT_WORDS:
        if words:
            yield Segment("same", "".join(words))
        return
    if before:
        yield Segment("same", "".join(words[:before]))
    yield Segment("gap", " … ")
    if after:
        yield Segment("same", "".join(words[len(words) - after :]))
