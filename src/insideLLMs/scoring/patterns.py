r"""Regular expressions from users and datasets: checked for runaway repetition, and run on bounded text and time.

Python's `re` backtracks and cannot be interrupted, so a repetition inside a repetition, such as ``(a+)+``,
is refused when it is configured. Possessive and atomic forms (``(?>a+)+``, ``(?:a+)++``) do not backtrack
and are accepted. Alternatives that overlap, as in ``(a|a)+``, are not detected: what is not plainly quick is matched
in a process that can be ended. Other engines were measured: google-re2 never backtracks, but has neither lookaround
nor backreferences and reads ``\d``, ``\w`` and ``\b`` as ASCII; the time limit of `regex` came after 5.4 s for 2 s.
"""

import functools
import re
from collections.abc import Callable

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.endable import TooLongError, call

SEARCH_LIMIT = 20_000
"""Characters searched at each end of a longer answer; a scan that is quadratic stays under seconds."""

_SHORT = 2_000
"""One repetition is tried from each character of a text: 4 million steps for as many characters, some 20 ms."""
_QUANTIFIERS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?|(?P<quantifier>[*+?]|\{\d*,?\d*\})[+?]?|.", re.DOTALL)
_REFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?#[^)]*\)|\((?P<head>\?(?:>|:|P<\w+>|=|!|<=|<!|[aiLmsux-]+:|P=\w+\)|[aiLmsux]+\)))?"
    r"|(?P<close>\))|(?P<many>[*+]|\{\d*,\})(?P<mode>[+?]?)|.",
    re.DOTALL,
)


@functools.lru_cache(maxsize=256)
def compile_safely(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """Compile `pattern` (``^`` and ``$`` match at lines). Raises ArgumentError for a broken or runaway one."""
    try:
        compiled = re.compile(pattern, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise ArgumentError(f"regex {pattern!r} is not valid: {error}", fix="fix the regular expression") from error
    if _runs_away(pattern):
        raise ArgumentError(
            f"regex {pattern!r} repeats a repetition, which can take forever on some answers",
            fix="make the inner one atomic, (?>...), or the outer one possessive, (...)++, or write it flat",
        )
    return compiled


def _runs_away(pattern: str) -> bool:
    """Whether an unbounded, backtracking repetition holds another one."""
    groups: list[list[bool]] = [[False, False]]  # per open group: atomic, and whether it holds a live repetition
    closed: list[bool] | None = None  # the group that ended just before this token
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        if text.startswith("(") and not text.endswith(")"):
            groups.append([text == "(?>", False])
            closed = None
        elif token["close"] and len(groups) > 1:
            closed = groups.pop()
            closed[1] = closed[1] and not closed[0]
            groups[-1][1] = groups[-1][1] or closed[1]
        elif token["many"]:
            possessive = token["mode"] == "+"
            if closed and closed[1] and not possessive:
                return True
            groups[-1][1] = groups[-1][1] or not possessive
            closed = None
        else:
            closed = None
    return False


def found_in(pattern: re.Pattern[str], text: str) -> bool:
    """Whether `pattern` occurs in `text`; of a text longer than twice SEARCH_LIMIT, in either of its ends.

    Raises TooLongError after five seconds, and OnEventLoopError.
    """
    ends = (text,) if len(text) <= 2 * SEARCH_LIMIT else (text[:SEARCH_LIMIT], text[-SEARCH_LIMIT:])
    return any(_match(pattern, end, full=False) for end in ends)


def is_all_of(pattern: re.Pattern[str], text: str) -> bool:
    """Whether `pattern` matches the whole `text`. Raises as `found_in` does."""
    return _match(pattern, text, full=True)


def cut_out(pattern: re.Pattern[str], text: str) -> tuple[str, bool]:
    """Return `text` without what `pattern` matches, and whether it did. Raises as `found_in` does."""
    if _is_quick(pattern.pattern, len(text)):
        bare = cut_here(pattern.pattern, pattern.flags, text)
    else:
        bare = str(_ended(pattern, cut_here, text))
    return bare, bare != text


def cut_here(pattern: str, flags: int, text: str) -> str:
    """Cut out in this process."""
    return re.compile(pattern, flags).sub("", text)


def _match(pattern: re.Pattern[str], text: str, *, full: bool) -> bool:
    if _is_quick(pattern.pattern, len(text)):
        return match_here(pattern.pattern, pattern.flags, text, full)
    return bool(_ended(pattern, match_here, text, full))


def _ended(pattern: re.Pattern[str], function: Callable[..., JsonValue], text: str, *more: JsonValue) -> JsonValue:
    """Call a function of this module in a process that can be ended."""
    try:
        return call(function, pattern.pattern, pattern.flags, text, *more)
    except TooLongError as error:
        raise TooLongError(
            f"regex {pattern.pattern!r}: {error.message} on an answer of {len(text):,} characters",
            fix="write it so that no text can match in many ways: possessive (a++), atomic (?>...), or flat",
        ) from error


def match_here(pattern: str, flags: int, text: str, full: bool) -> bool:
    """Match in this process."""
    compiled = re.compile(pattern, flags)
    return (compiled.fullmatch(text) if full else compiled.search(text)) is not None


@functools.lru_cache(maxsize=256)
def _repetitions(pattern: str) -> tuple[int, bool]:
    """Count what repeats or may be left out, and whether a group or a reference does."""
    count, of_group, after_group = 0, "\\" in pattern and bool(_REFERENCE.search(pattern)), False
    for token in _QUANTIFIERS.finditer(pattern):
        if token["quantifier"]:
            count += 1
            of_group = of_group or after_group
        after_group = token.group() == ")"
    return count, of_group


def _is_quick(pattern: str, length: int) -> bool:
    """Whether a match must end soon: no more than one repetition, of a single character, over a short text."""
    count, of_group = _repetitions(pattern)
    return not count or (count == 1 and not of_group and length <= _SHORT)
