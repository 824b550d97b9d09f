"""Checks that would close a hole: each is tried on the stored and on the damaged answers before it is suggested."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from insideLLMs.compare.answers.turns import as_compared
from insideLLMs.compare.auditing.audit import Suggestion
from insideLLMs.core.conversation import Conversation
from insideLLMs.core.types import Example, JsonValue, Record, Response
from insideLLMs.probes.named_check import WrongCheckError, read_check

Pair = tuple[Record, Record]
"""A record and what a damage made of it."""
Check = dict[str, JsonValue]
_EXAMPLES = 3
_LONGEST_PHRASE = 6
_LABEL_WORDS = 3
"""An answer of no more words is a label, which a check may spell; a longer one can be said in other words."""
_ROOM = 1.5
"""Longer than the longest stored answer by so much is too long."""
_NUMBER = re.compile(r"\d+(?:[.,:/\-’']\d+)*")
_ENDS = re.compile(r"[.!?;:…][\"'”’»)\]}*_`]*\s|[。！？；\n]")
"""A phrase over the end of a sentence is one of the wording, not of what is said."""
_CONTENT = re.compile(
    r"\b(?!(?:also|been|does|from|have|into|just|only|such|than|that|them|then|there|they|this|very|were|what|when|"
    r"which|will|with|would|your)\b)\w{4,}|\d|[^\x00-\x7f]{2,}",
    re.IGNORECASE,
)
"""A word that says something; without one, a phrase may stand in any answer."""
_WORD = re.compile(r"[^\W_](?:[\w'’-]*\w)?")


def suggest(damage: str, missed: Sequence[Pair], stored: Sequence[Record]) -> tuple[Suggestion, ...]:
    """Suggest one check for all examples if there is one, else one each for the first few.

    `missed` are those that nothing noticed, `stored` all answers that pass: a check for all has to pass them, too.
    One for all is a probe of its own, which a conversation cannot have.
    """
    are_talks = any(Conversation.of(record.response) is not None for record in stored)
    for check in () if are_talks else _for_all(damage, stored):
        if all(_passes(check, record) for record in stored) and not any(_passes(check, after) for _, after in missed):
            return (Suggestion(checks=(check,)),)
    found: list[Suggestion] = []
    for before, after in missed[:_EXAMPLES]:
        tried = (one for one in _for_one(before, after) if _passes(one, before) and not _passes(one, after))
        found += [
            Suggestion(checks=(check,), examples=(before.example_id,), needs_probe=not are_talks)
            for check in islice(tried, 1)
        ]
    return tuple(found)


def _for_all(damage: str, stored: Sequence[Record]) -> Iterator[Check]:
    longest = max((len(_text(record)) for record in stored), default=0)
    match damage:
        case "truncated":
            yield {"type": "regex", "pattern": r"[.!?。！？)\]}\"'*`]\s*\Z"}
        case "refused":
            yield {
                "type": "regex",
                "not": True,
                "ignore_case": True,
                "pattern": r"\b(can't|cannot|unable to) (help|assist)",
            }
        case "hedged":
            yield {"type": "contains", "not": True, "any": ["not sure", "might be wrong"]}
        case "padded":
            yield {"type": "usage", "max_characters": int(longest * _ROOM)}
        case "language":
            yield {"type": "regex", "ignore_case": True, "pattern": r"\b(the|a|is|you|to|of|and)\b"}
        case "json":
            yield {"type": "json_schema", "schema": {}}


def _for_one(before: Record, after: Record) -> Iterator[Check]:
    """Yield checks of what only the stored answer says: a number, else the fewest words, the longest first."""
    stored, damaged = _text(before), _text(after)
    gone = [number for number in dict.fromkeys(_NUMBER.findall(stored)) if number not in _NUMBER.findall(damaged)]
    for number in gone:
        yield from ({"type": "contains", "all": [phrase]} for phrase in _with_a_word(number, stored))
        yield {"type": "regex", "pattern": rf"(?<!\d){re.escape(number)}(?!\d)"}
    words = list(_WORD.finditer(stored))
    for count in range(1, _LONGEST_PHRASE + 1):
        phrases = {stored[first.start() : last.end()] for first, last in zip(words, words[count - 1 :], strict=False)}
        for phrase in sorted(phrases, key=lambda phrase: (-len(phrase), phrase)):
            says = _CONTENT.search(phrase) and not _ENDS.search(phrase)
            if says and phrase.lower() not in damaged.lower():
                yield {"type": "contains", "all": [phrase]}
    if len(words) <= _LABEL_WORDS and not _ENDS.search(stored.strip()):
        yield {"type": "equals", "expected": stored}


def _with_a_word(number: str, text: str) -> list[str]:
    """Return a number with the word after it, where it stands."""
    found = re.search(rf"(?<!\d){re.escape(number)}[ \u00a0-][^\W\d_]+", text)
    return [found.group()] if found else []


def _text(record: Record) -> str:
    return record.response.text if record.response is not None else ""


def _passes(check: Check, record: Record) -> bool:
    """Whether an answer passes a check; one that cannot be made passes nothing."""
    response = record.response or Response()
    try:
        made = read_check(check, ("checks", 0), judges=None)
    except WrongCheckError:
        return False
    example = Example(id=record.example.id, input=record.example.input)
    return made.score(example, as_compared(response)).passed
