"""What a free-text answer comes to: its declared answer, or itself; and the items of a list."""

import re

from insideLLMs.scoring.final_answer.declared import declarations, own_words
from insideLLMs.scoring.final_answer.no_answer import gives_no_answer
from insideLLMs.scoring.json_values import Parsed, find_json
from insideLLMs.scoring.normalise import bare, readable

SHORT_ANSWER = 300
"""Characters up to which a whole answer is taken as it is; of a longer one, only its last line."""

_CLAUSE_END = re.compile(r"[.!?。](?=\s|$)|\s[–—-]\s|[,;:(\n。]|\b(?:because|since)\b")
_COPULA = re.compile(r"\b(?:is|are|was|were)\s+(?!not\b|n't)", re.IGNORECASE)
_BULLET = re.compile(r"^(?:[-*+•‣◦–]|\(?\d{1,3}[.):]|\(?[A-Za-z][.)])\s+")
_SEPARATOR = re.compile(r"\s*[,;、，]\s*(?:and\s|or\s|&\s)?|\s+(?:and|&|und|y|et|e|и)\s+|\s*\n\s*", re.IGNORECASE)


def final_text(answer: str) -> str | None:
    """Return what `answer` gives as its answer, in its own words; None for an empty answer or a refusal."""
    text = own_words(readable(answer)).strip()
    for segment in declarations(text):
        return segment
    if not text or gives_no_answer(text):
        return None
    return text if len(text) <= SHORT_ANSWER else text.rpartition("\n")[2]


def says(given: str, expected: str) -> bool:
    """Whether a final text is `expected`: all of it, its first clause, or what its one sentence says "is"."""
    wanted = bare(expected)
    clause = _CLAUSE_END.split(given, maxsplit=1)[0]
    candidates = [given, clause]
    sentences = [part for part in re.split(r"[.!?。](?:\s|$)|\n", given) if part.strip()]
    if len(sentences) == 1:
        copulas = list(_COPULA.finditer(sentences[0]))
        candidates += [sentences[0][copulas[0].end() :]] if len(copulas) == 1 else []
    return any(bare(candidate) == wanted for candidate in candidates)


def items(answer: str) -> frozenset[str] | None:
    """Return the items that `answer` lists, bare: a JSON array, bullet or numbered lines, or a separated line.

    None for an empty answer or a refusal.
    """
    found = find_json(answer)
    if isinstance(found, Parsed) and isinstance(found.value, list):
        return frozenset(bare(str(item)) for item in found.value)
    text = own_words(readable_lines(answer))
    if not text or gives_no_answer(text):
        return None
    segments = declarations(readable(answer))
    lines = text.split("\n")
    bullets = [_BULLET.sub("", line) for line in lines if _BULLET.match(line)]
    if len(bullets) > 1:
        return _bare_items(bullets)
    line = segments[0] if segments else (lines[-1] if len(lines) > 1 and len(text) > SHORT_ANSWER else text)
    _, colon, after = line.partition(":")
    return _bare_items(_SEPARATOR.split((after if colon else line).strip(" {}[]()")))


def readable_lines(answer: str) -> str:
    """Return `answer` readable with the bullets of its lists kept as "-"."""
    return readable(re.sub(r"^\s{0,20}[*+•]\s", "- ", answer, flags=re.MULTILINE))


def _bare_items(texts: list[str]) -> frozenset[str]:
    return frozenset(one for one in map(bare, texts) if one)
