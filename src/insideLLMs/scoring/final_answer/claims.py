"""What an answer claims in its own voice: its text without what it quotes, asks, offers, supposes, or only notes.

Each reader of final answers is shown the strictest view first, and a wider one only where that gave nothing: an
aside counts only if there is nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.final_answer import asides
from insideLLMs.scoring.final_answer.declared import VALUE_HEADING, declares, own_words
from insideLLMs.scoring.final_answer.no_answer import gives_no_answer
from insideLLMs.scoring.json_values import Parsed, find_json
from insideLLMs.scoring.normalise import readable

_SENTENCE = re.compile(
    r"(\n|(?<=[.!?])(?<!\n\d\.)(?<!# \d\.)(?<!#\d\.)(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<!P\.S\.)[\"')\]]{0,3}"
    r" +(?=\S)|(?<=[。！？]))"
)
_DENIES = re.compile(r"not (?!(?:only|just|necessarily|sure|certain))", re.IGNORECASE)
_ORNAMENT = re.compile(
    r"(?<=[.!?])(?:\[\d{1,2}\])+|(?<=\w) ?(?:\[\d{1,2}\])+(?=[.!?]?$)"
    r"|[\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\ufe0f]+"
)
"""A reference to a source, and a picture or flag."""
_BOXES = (
    (re.compile(r"^(?:[-*•] )?\[[xX]\] ", re.MULTILINE), "✓ "),
    (re.compile(r"^(?:[-*•] )?\[ ?\] ", re.MULTILINE), "✗ "),
)
_TICKED = re.compile(r"(?:[✅✓✔☑] ?(?P<before>[^✅✓✔☑✗✘❌❎☒]+)|(?P<after>[^✅✓✔☑✗✘❌❎☒]+?) ?[✅✓✔☑])")
_CROSSED = re.compile(r"[✗✘❌❎☒] ?[^✅✓✔☑]+|[^✅✓✔☑]+[✗✘❌❎☒]")
_LISTED = re.compile(r"\W{0,3}[^\W_]{1,2}[).:\]] ?\S")
_HEADING = re.compile(r"#{1,6} ?\S")
_QUOTED = re.compile(r"\"([^\"\n]{8,400})\"")
_REPORTS = re.compile(
    r"[^.!?\"\n]{0,60}\b(?:wrote|writes?|said|says?|claim(?:s|ed)?|argue[sd]?|replie[sd]|answer(?:s|ed)"
    r"|told \w+)[:,]? ?$",
    re.IGNORECASE,
)
_ANSWER_KEYS = (
    "final_answer", "answer", "choice", "option", "selected_option", "selected", "selection", "label", "letter",
    "result", "value", "verdict", "prediction", "output", "response", "solution", "final", "number", "total",
    "antwort", "respuesta", "réponse", "risposta", "resposta", "ответ", "答案",
)  # fmt: skip

_REASON_KEYS = frozenset(
    {
        "reason", "reasons", "reasoning", "rationale", "explanation", "thought", "thoughts", "steps", "analysis",
        "confidence", "unit", "units", "currency", "note", "notes", "source", "question",
    }
)  # fmt: skip


LONGEST_CLAUSE = 500
"""Characters of a clause that are read to tell whose it is; the bound keeps time linear."""


@dataclass(frozen=True, slots=True)
class View:
    """A text that holds claims; `declined` where the answer also says that it cannot or will not answer."""

    text: str
    declined: bool = False
    corrects: bool = False
    """Whether it is only what stands after a correction."""


def views(answer: str) -> Iterator[View]:
    """Yield what to read, best first: what stands after a correction; all without asides; then with notes and ifs."""
    whole = _unwrapped(answer)
    seen = {""}
    for own in dict.fromkeys((own_words(whole), whole)):
        text = asides.BUT_NOT.sub(lambda one: f"{one['be']} " if one["be"] else "", _without_quotes(own)).strip()
        for strict in (True, False):
            claims, declined = _claims(text, strict=strict)
            last = list(asides.CORRECTION.finditer(claims))[-1:] if strict else []
            for view in (claims[last[0].end() :] if last else "", claims):
                if view not in seen and view.strip(" .,;:!?\n"):
                    yield View(view.strip(" ,;:\n"), declined, corrects=view != claims)
                seen.add(view)


def _unwrapped(answer: str) -> str:
    """Return an answer made readable; of one that is a JSON object, what it gives as its answer."""
    found = find_json(answer) if answer.lstrip(" \n`json")[:1] == "{" else None
    value = _answer_in(found.value) if isinstance(found, Parsed) and isinstance(found.value, dict) else None
    return _chosen(_ORNAMENT.sub("", readable(answer if value is None else value)).strip())


def _chosen(text: str) -> str:
    """Return, where every line is a choice that is ticked, crossed out or left, the one that is ticked."""
    for box, mark in _BOXES:
        text = box.sub(mark, text)
    lines = text.split("\n")
    ticked = [found for line in lines if (found := _TICKED.fullmatch(line))]
    rest = [line for line in lines if not _TICKED.fullmatch(line)]
    if len(ticked) == 1 and all(_CROSSED.fullmatch(line) or _LISTED.match(line) for line in rest):
        return (ticked[0]["before"] or ticked[0]["after"]).strip()
    return text


def _answer_in(value: JsonValue) -> str | None:
    if isinstance(value, list):
        return _answer_in(value[0]) if len(value) == 1 else None
    if not isinstance(value, dict):
        return None if value is None else _spelled(value)
    by_name = {name.casefold().replace(" ", "_"): one for name, one in value.items()}
    named = [by_name[name] for name in _ANSWER_KEYS if name in by_name]
    others = named or [one for name, one in by_name.items() if name not in _REASON_KEYS]
    return _answer_in(others[0]) if named or len(others) == 1 else None


def _spelled(value: JsonValue) -> str:
    return str(value).casefold() if isinstance(value, bool) else str(value)


def _without_quotes(text: str) -> str:
    """Leave out quoted sentences that declare an answer, unless nothing else is said."""
    kept, start = [], 0
    for quoted in _QUOTED.finditer(text):
        if declares(quoted[1]):
            before = text[start : quoted.start()]
            reports = _REPORTS.search(before[-100:])
            kept.append(before[: len(before) - len(reports[0])] if reports else before)
            start = quoted.end()
    rest = "".join([*kept, text[start:]])
    return rest if any(char.isalnum() for char in rest) else text


@lru_cache(maxsize=32)
def _claims(text: str, *, strict: bool) -> tuple[str, bool]:
    """Return the claims of a text, its line breaks kept, and whether any clause declines to answer."""
    pieces = [*_SENTENCE.split(text), ""]
    alone = sum(bool(one.strip()) for one in pieces[::2]) == 1
    kept: list[str] = []
    declined = opens = False
    for sentence, gap in zip(reversed(pieces[::2]), reversed(pieces[1::2]), strict=True):
        kept.append("\n" if gap == "\n" else gap and " ")
        if not _is_apart(sentence.strip(), strict=strict, opens=opens, alone=alone):
            own, refused = _own(sentence.strip(), strict=strict)
            declined |= refused
            opens |= bool(own)
            kept.append(own)
    joined = re.sub(r"[^\S\n]+", " ", "".join(reversed(kept)))
    return re.sub(r" ?\n\s*", "\n", joined).strip(" ,;\n"), declined


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; a line break ends one."""
    return [one.strip() for one in _SENTENCE.split(text)[::2] if one.strip()]


def _is_apart(sentence: str, *, strict: bool, opens: bool, alone: bool) -> bool:
    """Whether a whole sentence claims nothing: a heading with text below it, a question, an offer, a note."""
    if not any(char.isalnum() or char in "$€£¥%°" for char in sentence) or (
        opens and asides.OPENER.fullmatch(sentence)
    ):
        return True
    if asides.QUESTION.search(sentence):
        return not (alone and len(sentence.split()) < 3)
    if opens and _HEADING.match(sentence):
        return not VALUE_HEADING.fullmatch(sentence) and not declares(sentence)
    in_brackets = sentence[:1] == "(" and sentence.rstrip(".")[-1:] == ")" and " " in sentence
    if strict and (in_brackets or asides.NOTE.match(sentence)):
        return True
    return asides.OFFER.match(sentence) is not None and not declares(sentence)


def _own(sentence: str, *, strict: bool) -> tuple[str, bool]:
    """Return what a sentence claims, and whether it declines to answer."""
    kept: list[str] = []
    declined = False
    said = asides.BRACKETED.sub("", sentence) if strict else sentence
    pieces = asides.CLAUSE.split(asides.PREFACE.sub("", said))
    for (clause, gap), (following, _) in pairwise([*zip(pieces[::2], [*pieces[1::2], ""], strict=True), ("", "")]):
        if gives_no_answer(clause):
            declined = True
        elif kept and _DENIES.match(clause):
            continue  # "C, not B"
        elif not _is_aside(clause, following, strict=strict):
            kept.append(clause + gap)
        elif head := asides.HEAD.match(clause):
            kept.append(head.group())
    own = "".join(kept).strip(" ,;(")
    stop = sentence[-1:] if sentence[-1:] in {".", "!", "。"} and own and own[-1].isalnum() else ""
    turn = asides.TURN.match(own) if kept and not kept[0].startswith(pieces[0]) else None
    return (own[turn.end() :] if turn else own) + stop, declined


def _is_aside(clause: str, following: str, *, strict: bool) -> bool:
    """Whether a clause tells what others hold, what would be, or what the turn that follows takes back."""
    clause = clause[:LONGEST_CLAUSE]
    if asides.REPORTED.search(clause) or (asides.WOULD.search(clause) and asides.SUPPOSED.search(clause)):
        return True
    if strict and asides.CONDITION.search(clause) and asides.CHOSEN.search(clause):
        return True
    if asides.TURN.match(following) and asides.SEEMING.search(clause):
        return True
    return asides.INSTEAD.match(following) is not None and asides.NEGATED.search(clause) is not None
