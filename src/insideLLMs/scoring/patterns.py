r"""Regular expressions from users: checked for runaway repetition, and run on bounded text.

Python's `re` backtracks and cannot be interrupted, so a repetition inside a repetition, such as ``(a+)+``,
is refused when it is configured. Possessive and atomic forms (``(?>a+)+``, ``(?:a+)++``) do not backtrack
and are accepted. Alternatives that overlap, as in ``(a|a)+``, are not detected.
"""

import functools
import re

from insideLLMs.core.errors import ArgumentError

SEARCH_LIMIT = 20_000
"""Characters searched at each end of a longer answer; a scan that is quadratic stays under seconds."""

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
    """Whether `pattern` occurs in `text`; of a text longer than twice SEARCH_LIMIT, in either of its ends."""
    if len(text) <= 2 * SEARCH_LIMIT:
        return pattern.search(text) is not None
    return any(pattern.search(end) is not None for end in (text[:SEARCH_LIMIT], text[-SEARCH_LIMIT:]))
