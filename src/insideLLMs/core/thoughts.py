"""An answer as it comes -> what was thought, and what was answered.

This is done once, where an answer enters: a model that thinks aloud then scores the same whether its server splits
the thoughts off or leaves them in the text. Tags that an answer only mentions stay in it: those in code or quotes,
and those in the middle of a sentence.
"""

import functools
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from insideLLMs.core.arguments import refuse, text_list
from insideLLMs.core.types import Response

Tags = tuple[tuple[str, str], ...]
"""Pairs of texts that open and close thoughts, for a model with tags of its own."""

_NAME = (
    r"(?:[a-z_]{1,20}:)?(?:(?:ant)?think(?:ing)?|thoughts?|thought_process|reason(?:ing)?|scratchpad|inner_monologue)"
)
_OPENING = (
    rf"(?i:<\s?{_NAME}(?:\s[^<>]{{0,100}})?>)",
    r"\[THINK(?:ING)?\]",
    "◁think▷",
    r"<\|(?:begin_of_thought|START_THINKING|think(?:ing)?|inner_prefix)\|>",
    r"<\|channel>thought\b",
)
_CLOSING = (
    rf"(?i:<\s?/\s?{_NAME}\s?>)",
    r"\[/THINK(?:ING)?\]",
    "◁/think▷",
    r"<\|(?:end_of_thought|END_THINKING|/think(?:ing)?|inner_suffix)\|>",
    r"<channel\|>",
)
_WRAPPING = re.compile(r"\s*<\|(?:(?:begin|end)_of_solution|(?:START|END)_RESPONSE)\|>")
"""What some of these models put round the answer behind their thoughts."""
_LEADING = re.compile(r"\A(?:\s*\n(?=[ \t]*\S)| (?=\S)|\s+\Z)")
_FENCE = re.compile(r"^[ >]{0,9}(?:```|~~~)", re.MULTILINE)
_QUOTES = dict(zip("`'\"(“‘«[", "`'\")”’»]", strict=True))
_SPOKEN_OF = re.compile(r"[ \t]+(?:is|are|and|or|marks?|means|opens?|closes?|starts?|begins?|ends?|tags?)\b")
_LIST_ITEM = re.compile(r"\s*(?:\d{1,3}[.)]|[-*•])\s+")
_SENTENCE_END = tuple(".!?。！？…")
_CHANNEL = re.compile(r"<\|channel\|>\s?(\w{1,20})[^<]{0,100}(?:<\|constrain\|>[^<]{0,50})?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>|\Z")
_BARE_CHANNELS = re.compile(r"\A\s*analysis(?=\S)(.*?)(?<=\S)assistantfinal(.*)\Z", re.DOTALL)
_WINDOW = 300
"""Characters to each side of a tag, within its line, that are looked at."""


def read_tags(value: object) -> Tags:
    """Return the model argument `thought_tags`; None is no value. Raises ArgumentError for what is no list of pairs."""
    pairs = () if value is None else value
    read: list[tuple[str, str]] = []
    for pair in pairs if isinstance(pairs, Sequence) and not isinstance(pairs, str) else [None]:
        texts = text_list(pair)
        if texts is None or len(texts) != 2:
            raise refuse("", "thought_tags", value, "a list of pairs, such as [['<hidden>', '</hidden>']]")
        read.append((texts[0], texts[1]))
    return tuple(read)


def separate(response: Response, tags: Tags = ()) -> Response:
    """Return a response whose thoughts stand in `reasoning` alone, wherever its server put them."""
    text, found = split_thoughts(response.text, tags)
    if found is None and not response.reasoning:
        return response
    parts = [part.strip() for part in (response.reasoning or "", found or "")]
    reasoning = "\n".join(dict.fromkeys(part for part in parts if part)) or None
    return msgspec.structs.replace(response, text=_LEADING.sub("", text), reasoning=reasoning)


def answer_of(text: object, model: object) -> str:
    """Return the answer in what a user's own model returned to a probe that calls it itself."""
    return separate(Response(text=str(text)), read_tags(getattr(model, "thought_tags", None))).text


def split_thoughts(text: str, tags: Tags = ()) -> tuple[str, str | None]:
    """Return the answer and the thoughts; None where the text holds none. Thoughts that were cut off have no answer.

    A closing tag without an opening one ends thoughts that the model's template opened.
    """
    channels = _split_channels(text)
    if channels is not None:
        return channels
    answer: list[str] = []
    thoughts: list[str] = []
    at, thinking, found = 0, False, False
    for tag in _real_tags(text, tags):
        (thoughts if thinking else answer).append(text[at : tag.start])
        if not tag.opens and not thinking:
            thoughts += answer
            answer.clear()
        at, thinking, found = tag.end, tag.opens, True
    if not found:
        return text, None
    (thoughts if thinking else answer).append(text[at:])
    return _WRAPPING.sub("", "".join(answer)), _join(thoughts)


def _join(thoughts: list[str]) -> str:
    return "\n".join(part for thought in thoughts if (part := thought.strip()))


def _split_channels(text: str) -> tuple[str, str] | None:
    """Split gpt-oss's channels (https://cookbook.openai.com/articles/openai-harmony): the answer is the final one."""
    found = _CHANNEL.finditer(text) if "<|channel|>" in text else ()
    marks = [mark for mark in found if not _Tag.of(mark, text).is_quoted]
    if not marks:
        bare = _BARE_CHANNELS.match(text)
        return (bare[2], bare[1].strip()) if bare else None
    answer: list[str] = []
    thoughts = [_CHANNEL_END.split(text[: marks[0].start()], maxsplit=1)[0]]
    for mark in marks:
        end = _CHANNEL_END.search(text, mark.end())
        (answer if mark[1] == "final" else thoughts).append(text[mark.end() : end.start() if end else None])
    return "".join(answer), _join(thoughts)


class _Tag(NamedTuple):
    """A tag with what stands before and behind it in its line."""

    start: int
    end: int
    opens: bool
    before: str
    after: str

    @classmethod
    def of(cls, found: re.Match[str], text: str) -> "_Tag":
        start, end = found.span()
        before = text[max(0, start - _WINDOW) : start].rpartition("\n")[2]
        return cls(start, end, found.lastgroup == "opens", before, text[end : end + _WINDOW].partition("\n")[0])

    @property
    def is_quoted(self) -> bool:
        """Whether it stands in quotes, brackets or inline code."""
        closing = _QUOTES.get(self.before[-1:], "")
        return bool(closing and self.after.startswith(closing)) or (
            self.before.count("`") % 2 == 1 and "`" in self.after
        )

    @property
    def is_spoken_of(self) -> bool:
        """Whether it is a word of a sentence, an item of a list, or in quotes that hold more than it."""
        if _SPOKEN_OF.match(self.after) or self.before[-1:] in _QUOTES:
            return True
        return _LIST_ITEM.fullmatch(self.before) is not None

    def begins_thoughts(self, earlier: str) -> bool:
        """Whether thoughts may begin here, after `earlier` text: first in a line, or behind a whole sentence."""
        earlier = earlier.rstrip()
        if not earlier:
            return True
        return earlier.endswith(_SENTENCE_END) or (not self.before.strip() and not earlier.endswith(":"))

    def ends_thoughts(self, *, is_last: bool) -> bool:
        """Whether thoughts that were never opened end here: behind their last line, or glued to their last word.

        `is_last` says that no answer follows.
        """
        said = self.before.rstrip()
        if self.after.strip() and said:
            return self.before == said and self.after[0] not in ").,;:!?"
        return not is_last or not said or self.before == said or said.endswith(_SENTENCE_END)


@functools.lru_cache(maxsize=64)
def _pattern(tags: Tags) -> re.Pattern[str]:
    opening = "|".join([*_OPENING, *(re.escape(pair[0]) for pair in tags)])
    closing = "|".join([*_CLOSING, *(re.escape(pair[1]) for pair in tags)])
    return re.compile(f"(?P<opens>{opening})|(?P<closes>{closing})")


def _real_tags(text: str, tags: Tags) -> Iterator[_Tag]:
    """Yield the tags that open and close thoughts, in order, without those that are only mentioned."""
    if not tags and "<" not in text and "[" not in text and "◁" not in text:  # most answers; a search takes 0.1 ms
        return
    found = [_Tag.of(one, text) for one in _pattern(tags).finditer(text)]
    if not found:
        return
    fences = [fence.start() for fence in _FENCE.finditer(text)]
    text_end = len(text.rstrip())
    last_closing = max((tag.start for tag in found if not tag.opens), default=-1)
    begun, thinking, mentioned = 0, False, None
    for tag in found:
        if thinking:
            real = not tag.opens and not (tag.is_quoted and tag.start < last_closing)
        elif tag.is_quoted or tag.is_spoken_of or _is_fenced(fences, begun, tag.start):
            real = False
        elif tag.opens:
            earlier = text[max(begun, tag.start - _WINDOW) : tag.start]
            real = tag.begins_thoughts(earlier) and (not tag.before.strip() or tag.end < last_closing)
        else:
            real = tag.ends_thoughts(is_last=tag.end >= text_end) and not (
                mentioned and _is_example(text, mentioned, tag)
            )
        if real:
            yield tag
            begun, thinking, mentioned = tag.end, tag.opens, None
        elif tag.opens and not thinking:
            mentioned = tag


def _is_fenced(fences: list[int], begun: int, place: int) -> bool:
    """Whether a place stands in a code block that began after `begun` and ends."""
    first, here = bisect_left(fences, begun), bisect_left(fences, place)
    return (here - first) % 2 == 1 and here < len(fences)


def _is_example(text: str, opened: _Tag, closed: _Tag) -> bool:
    """Whether a closing tag belongs to an opening one that is only mentioned: `<think>like this</think>`."""
    if "\n" in text[opened.end : closed.start]:
        return False
    return bool(closed.after.strip()) or not opened.after[:1].isspace()
