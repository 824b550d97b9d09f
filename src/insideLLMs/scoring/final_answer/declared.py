r"""Where an answer declares what it answers: ``\boxed{}``, "final answer:", "the answer is", "####".

The later of two equal declarations holds; a strong one ("final answer", a box) beats a weak one ("the answer is").
"""

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum

from insideLLMs.scoring.final_answer import other_languages


class Ambiguity(Enum):
    """The one value that says: something was declared, but not one thing."""

    AMBIGUOUS = "ambiguous"


AMBIGUOUS = Ambiguity.AMBIGUOUS

_BOX = re.compile(r"\\f?box(?:ed)?\s?\{")
_HASHES = re.compile(r"^#{4} ?(?=\S)", re.MULTILINE)
VALUE_HEADING = re.compile(
    r"#{4} ?(?:[$€£¥₹(\[-]{0,3}\d[\d.,/ ]{0,40}[)\]]?(?: ?[%$€£¥₹°]| [^\W\d_]{1,12})?|[(\[]?[A-Za-z][)\]]?"
    r"|(?:yes|no|true|false))[.!]?",
    re.IGNORECASE,
)
"""A line that GSM8K writes its answer on; any other heading is a title."""
_JSON_ANSWER = re.compile(
    r"[\"'](?:(?:final|correct|selected|chosen)[_ -]?)?(?:answer|choice|option|label|letter|result|verdict)[\"']\s?:\s?"
    r"(\"[^\"\n]{0,500}\"|'[^'\n]{0,500}'|[^,}\n]{1,200})",
    re.IGNORECASE,
)
_BE = (
    r"(?:is(?!n)(?: likely| most likely| probably| simply| therefore| thus| clearly| definitely| in fact)?|was|would be"
    r"|must be|should be|has to be|(?:can|could|may|might) (?:only )?be|will be|seems to be|appears to be|seems"
    r"|comes (?:out )?to"
    r"|turns out to be|works out (?:to|as)(?: be)?|equals)"
)
_LINK = rf"(?:\s?(?:{_BE}|are|=|:|-|\u2013|\u2014|\u2192|\u21d2|\u27a1))"
_STRONG = re.compile(
    r"\bfinal (?:answer|result|verdict|solution|choice)\b(?:\s?\((?:yes|no|a|b)[^()\n]{0,30}\))?"
    rf"{_LINK}{{0,3}}(?!\w*n't)",
    re.IGNORECASE,
)
_NOUN = r"(?:answer|ans|option|choice|solution|result|verdict|conclusion|response|guess|pick|estimate|bet)"
_WEAK = re.compile(
    rf"\b(?:(?:the|my|our|correct|right|best|proper|final) ){{1,3}}{_NOUN}(?: choice| option| here)?"
    rf"(?: (?:to|for|of) [^.:\n]{{0,60}}?)?(?: {_BE}| =|:){{1,2}}"
    rf"|^(?:selected|correct|chosen|total)\s?:|(?:^|(?<=[\s(*#])){_NOUN}\s?(?::|=(?!=)|\bis\b)|\banswer(?: is(?!n)"
    rf"|'s\b)|\b(?:makes?|leaves?|gives?)(?: us)? (?:the|my|our) (?:final |correct )?answer\b",
    re.IGNORECASE | re.MULTILINE,
)
_TITLE = re.compile(
    r"^(?:#{1,6} ?)?(?:(?:the|my|final|correct) ){0,2}(?:answer|result|verdict|antwort|respuesta|réponse|risposta"
    r"|resposta"
    r"|ответ)[:.]?(?=\n)",
    re.IGNORECASE | re.MULTILINE,
)
_WOULD = re.compile(r"\b(?:would|might|could|may) |\bwas\b", re.IGNORECASE)
_SCOPE = re.compile(
    r"(?:^|[.!?\n] )(?:for|in|regarding|as for|concerning|before|until)\b(?! (?:this|conclusion|summary|short"
    r"|total|the end|our"
    r"|fact|other words|brief|general|truth|reality|essence|my|sum|our|answer|that case))[^,.\n]{1,60}, $",
    re.IGNORECASE,
)
"""What makes a declaration one about something else, where there is another: "For Italy, the answer is B"."""
_OTHER_LANGUAGES = re.compile("|".join(other_languages.ANSWER_MARKERS), re.IGNORECASE)
_SPOKEN_BY_OTHERS = re.compile(
    r"\b(?:if(?! i (?:had to|must|were to))|whether|unless|suppose|supposing|assuming|assume"
    r"|(?:some|others|many|people|one|you|they|he|she|students?|someone|anyone)\b[^.\n]{0,20}?"
    r"\b(?:say|think|believe|argue|claim|assume|guess|suppose)(?:s|ed)?)\b[^.\n]{0,25}$"
    r"|\b(?:wrong|incorrect|worst|common|previous|tempting|not|isn't|what|why|how|where)(?: (?:the|my|an?))? ?$"
    r"|\b(?:claim|idea|notion|view|belief|suggestion|assumption)s? that ?$",
    re.IGNORECASE,
)
_NEXT_QUESTION = re.compile(r"\n(?:question|q)\s?\d{0,3}\s?:", re.IGNORECASE)
_MOST = 20  # declarations of one kind that are read, the last ones; more are noise, and would cost time
_EDGE = " \t*_`\"'"


@dataclass(frozen=True, slots=True, order=True)
class _Declaration:
    strength: int
    position: int
    segment: str


def own_words(text: str) -> str:
    """Cut off further questions that a model made up after its answer ("Question: ...")."""
    found = _NEXT_QUESTION.search(text)
    return text[: found.start()] if found and text[: found.start()].strip() else text


def declarations(text: str) -> tuple[str, ...]:
    """Return what `text` (made readable) declares as its answer, the one that counts most first.

    Each is the rest of its line, or the next line where the marker ends its own.
    """
    return tuple(one.segment for one in sorted([*_boxed(text), *_marked(text)], reverse=True))


def declares(text: str) -> bool:
    """Whether `text` declares an answer."""
    return any(pattern.search(f"{text}\n") for pattern in (_BOX, _STRONG, _TITLE, _WEAK, _OTHER_LANGUAGES))


def _boxed(text: str) -> list[_Declaration]:
    found = []
    end = 0
    for match in deque(_BOX.finditer(text), maxlen=_MOST):
        if match.start() < end:
            continue  # a box inside a box, or inside one that never closes
        content, end = _braced(text, match.end())
        if content.strip():
            found.append(_Declaration(4, match.start(), content.strip()))
    return found


def _braced(text: str, start: int) -> tuple[str, int]:
    """Return what stands between the brace before `start` and its partner (at most 500 characters on)."""
    depth = 1
    for position in range(start, min(len(text), start + 500)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position], position
    return "", min(len(text), start + 500)


def _marked(text: str) -> list[_Declaration]:
    found = []
    for strength, pattern in ((3, _HASHES), (3, _STRONG), (2, _TITLE), (2, _WEAK), (2, _OTHER_LANGUAGES)):
        for match in deque(pattern.finditer(text), maxlen=_MOST):
            if pattern is _HASHES and not _is_value(text, match.start()):
                continue  # a heading
            segment = _rest(text, match.end())
            before = text[max(0, match.start() - 60) : match.start()]
            if segment and not segment.endswith("?") and not is_supposed(before):
                weaker = _WOULD.search(match[0]) or _SCOPE.search(text[max(0, match.start() - 80) : match.start()])
                found.append(_Declaration(strength - bool(weaker), match.start(), segment))
    as_json = (
        _Declaration(3, match.start(), match.group(1).strip(_EDGE))
        for match in deque(_JSON_ANSWER.finditer(text), maxlen=_MOST)
    )
    return [*found, *as_json]


def _is_value(text: str, start: int) -> bool:
    """Whether a heading is no title: it is nothing but a value, or nothing follows it."""
    line, _, following = text[start : start + 500].partition("\n")
    if not following.strip():
        return True
    number = line.strip("# .")
    beside = rf"^#{{4}} ?(?:{int(number) - 1}|{int(number) + 1})\.?$" if number in {"1", "2", "3", "4", "5"} else "(?!)"
    is_count = re.search(beside, text, re.MULTILINE) is not None
    return not is_count and VALUE_HEADING.fullmatch(line) is not None


def is_supposed(before: str) -> bool:
    """Whether the words before a declaration make it somebody else's, a condition, a question, or a wrong one."""
    return _SPOKEN_BY_OTHERS.search(before[-60:]) is not None


def _rest(text: str, start: int) -> str:
    line, newline, _ = text[start : start + 500].partition("\n")
    segment = line.strip(_EDGE + ":")
    if segment or not newline:
        return segment
    following = start + len(line) + 1
    return text[following : following + 500].partition("\n")[0].strip(_EDGE + ":#")
