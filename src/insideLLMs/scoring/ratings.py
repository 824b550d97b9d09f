"""The grade that a judgement gives, and which of two answers it prefers; what is not said plainly is not read.

A grade is the value of its key in the last JSON object that has it, else what the prose says: a labelled number
("Score: 4"), a verb's ("I give it a 4"), N of the top of the scale ("4/5", "4 out of 5", stars), a number that
opens a line, or a word that the rubric defines. Numbers in quotations, in what the judged text is said to claim, in
conditions ("a 5 would need sources") and before what they count ("3 reasons") are no grades. Two different grades
of one rank are none.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from insideLLMs.core.types import JsonValue
from insideLLMs.scoring.json_path import select
from insideLLMs.scoring.json_values import objects_in
from insideLLMs.scoring.normalise import bounded, unify

KEYS = ("score", "rating", "grade")

_NUMBER = r"(?<![\w.,/$+-])[-+]?\d{1,6}(?:[.,]\d{1,4})?(?!\d|[.,]\d)"
_VALUE = rf"(?P<value>{_NUMBER})(?:\s?/\s?(?P<top>\d{{1,6}}(?:\.0)?)(?!\d|[.,/]\d))?"
_LABEL = (
    r"(?:score|rating|grade|mark|verdict|evaluation|assessment|bewertung|punktzahl|note|puntuaci[oó]n|puntaje|nota"
    r"|calificaci[oó]n|оценка|评分|得分|分数|評価|スコア)(?:\s?\([^()]{0,40}\))?"
)
_JOINED = (
    r"[\s:=|>→,(\[-]{0,6}(?:(?:is|of|as|at|was|would|should|be|an?|about|around|solid|ist|es|est|de)[\s:]{1,3}){0,4}"
)
_VERB = (
    r"\b(?:rated?|grade|scores?|gives?|gave|giving|award|assign|deserves?|merits?|earns?|gets?|receives?|say|choose"
    r"|go with|settle on|worth|makes|gebe|vergebe|donne|mets|doy|ставлю)\s(?:[^\W\d][\w'-]{0,20}\s){0,8}?"
)
_OPENER = (
    r"(?:(?:so|but|and|thus|hence|therefore|now|probably|definitely|perhaps|conclusion|an?|about|around)[,:]?\s){0,3}"
    r"(?:(?:solid|strong|clear|weak|perfect)\s)?"
)
_RANKS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:final|overall|total)(?:\s{_LABEL}|\s?(?=[:=-])){_JOINED}{_VALUE}",
        rf"(?<![^\W_]){_LABEL}{_JOINED}{_VALUE}",
        rf"{_VERB}{_VALUE}",
        rf"(?P<value>{_NUMBER})\s?/\s?(?P<top>\d{{1,6}}(?:\.0)?)(?!\d|[.,/]\d)",
        rf"^\W*{_OPENER}{_VALUE}",
        rf"\b(?:is|'s|be|as) an?\s(?:[^\W\d]\w{{0,12}}\s)?{_VALUE}",
    )
)
_ALONE = re.compile(_VALUE)
_WHOLE = re.compile(rf"\W*{_VALUE}\W*")

_CLAUSE = re.compile(
    r"(?<=[.!?])\s+|[;\n]+|\s-\s(?!\d)|,?\s(?=(?:but|although|though|because|since|while|whereas|however)\b)"
    r"|,\s(?=(?:so|and|hence|thus|therefore|not|I|my)\b)",
    re.IGNORECASE,
)
_NO_GRADE = re.compile(
    r"\b(?:if|unless|needed|between|almost|nearly|going to|last time|instead of|rather than|short of"
    r"|(?:would|could|might) (?:need|have|require|take|deserve|get|earn|make)|(?:less|more|higher|lower) than"
    r"|to (?:get|earn|reach|deserve|receive|be) (?:an?|the|full)|(?:initial|previous|earlier)(?:ly)?)\b"
    rf"|(?:\bnot|n't|never|neither)\s(?:\w+\s){{0,3}}{_NUMBER}"
    rf"|{_NUMBER}\s?(?:=|means?\b|stands for|represents?\b)",
    re.IGNORECASE,
)
_CLAIMED = re.compile(
    r"\b(?:student|candidate|answer|response|model|assistant|author|writer|it|he|she|they|user|text)\s(?:\w+\s){0,3}?"
    r"(?:claim|say|said|wrote|write|state|call|ask|demand|want|tell|told|instruct|request|suggest"
    r"|\w+\s(?:it|him|her|them)sel(?:f|ves)\b)",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\b(?:no,? wait|on reflection|on second thoughts?|scratch that|correction|let me (?:revise|correct)"
    r"|i (?:revise|change|correct) (?:it|this|that|my \w+))\b",
    re.IGNORECASE,
)
_OPEN = re.compile(r"\s?(?:[-+*=^%]\s?\d|(?:to|or|and)\s(?:an?\s)?\d)", re.IGNORECASE)
_NEXT_WORD = re.compile(r"\s{0,3}([^\W\d_]+)")
_MAY_FOLLOW = (
    r"(?:points?|stars?|pts|punkten?|puntos|баллов|because|since|as|for|and|but|in|on|with|overall|due|here|given"
    r"|though|although|while|so|at|which|that|is|it|this|from|total|based|seems|feels|appears)\b"
)

_QUOTED = re.compile(r"\"([^\"\n]{0,400})\"|(?<!\w)'([^'\n]{0,400})'(?!\w)|^\s{0,3}>[^\n]*$", re.MULTILINE)
_STARS = re.compile("((?:[★⭐]\ufe0f?){1,12})(½?)[☆✩]{0,12}")
_DIGITS = {"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
           "eight": "8", "nine": "9", "ten": "10"}  # fmt: skip
_WORD = "|".join(_DIGITS)
_SPELT = re.compile(
    rf"\b(?:{_WORD})\b(?=\s(?:out of|of (?:five|ten|\d)|stars?|points?)|[.!\s]*$)"
    rf"|(?<=of )(?:five|ten)\b|(?<=: )(?:{_WORD})\b|(?<=\ba )(?:{_WORD})\b",
    re.IGNORECASE,
)
_OUT_OF = re.compile(
    rf"({_NUMBER})\s?(?:points?|stars?|pts)?[\s,(]{{1,2}}(?:out of|of|von|sur|de|из)\s(?:(?:an?|the)\s)?"
    r"(?:(?:possible|maximum|total)\s)?(?:of\s)?(\d{1,6})\b\)?"
    rf"(?!\s(?!{_MAY_FOLLOW})[^\W\d])",
    re.IGNORECASE,
)
_BOXES = re.compile(r"\[\[\s?([^\[\]]{1,20})\]\]|\\boxed\{([^{}]{1,20})\}|<(?:\w{1,20})>([^<>]{1,40})</\w{1,20}>")
_FULL_MARKS = re.compile(
    r"\b(?:full|top) marks\b|\b(?:a perfect|the (?:maximum|highest|top)) (?:score|grade|rating|mark)\b", re.IGNORECASE
)
_PAIRS = (("pass", "fail"), ("correct", "incorrect"), ("acceptable", "unacceptable"), ("yes", "no"), ("true", "false"))


@dataclass(frozen=True, slots=True)
class Scale:
    """The lowest and the highest grade, and the words that a rubric has for some."""

    low: float
    high: float
    words: Mapping[str, float]

    @classmethod
    def of(cls, low: float, high: float, rubric: str = "") -> "Scale":
        """Make a scale, with the words of a rubric such as "5 = excellent" or "say pass or fail"."""
        text = unify(rubric).casefold()
        named = re.findall(rf"({_NUMBER})\s?(?:=|:|-|means)\s?([^\W\d]{{3,}}(?: [^\W\d]+)?)(?=[,;.\n(:)]|\s?$)", text)
        named += [(number, word) for word, number in re.findall(rf"([^\W\d]{{3,}})\s?[=:(]\s?({_NUMBER})", text)]
        words = {word: float(number.replace(",", ".")) for number, word in named}
        for good, bad in _PAIRS:
            if re.search(rf"\b{good}\b", text) and re.search(rf"\b{bad}\b", text):
                words |= {good: high, bad: low}
        return cls(low, high, {word: value for word, value in words.items() if low <= value <= high})

    def within(self, number: str, top: str | None = None) -> float | None:
        """Return a grade if it lies on the scale, and is out of its top if out of anything."""
        value = float(number.replace(",", "."))
        return value if self.low <= value <= self.high and (top is None or float(top) == self.high) else None

    def worded(self, text: str) -> float | None:
        """Return the grade of the only word of the rubric that a text has."""
        found = {
            value
            for word, value in self.words.items()
            if re.search(rf"(?<!not )(?<!n't )(?<!very )\b{re.escape(word)}\b", text, re.IGNORECASE)
        }
        return found.pop() if len(found) == 1 else None


def grade(said: str, scale: Scale, *, alone: bool = False) -> float | None:
    """Return the grade that a judgement gives; None if it gives none on this scale.

    `alone` takes the only number of the prose for it, as where nothing but a number was asked for.
    """
    found = _under_key(said, KEYS)
    if found is not None:
        return _of_value(found, scale)
    *_, last = _CORRECTED.split(_prose(said, scale))
    return _in_prose(last, scale, alone=alone)


def _in_prose(text: str, scale: Scale, *, alone: bool) -> float | None:
    clauses = [one for one in _CLAUSE.split(text) if not (_NO_GRADE.search(one) or _CLAIMED.search(one))]
    for rank in (*_RANKS, _ALONE) if alone else _RANKS:
        given = {value for clause in clauses for value in _grades(rank, clause, scale)}
        if given:
            return given.pop() if len(given) == 1 else None
    return scale.worded(" ".join(clauses))


def _grades(rank: re.Pattern[str], clause: str, scale: Scale) -> Iterator[float | None]:
    """Yield what a rank of phrasing gives; None for a range, a percentage, or what lies off the scale."""
    for found in rank.finditer(clause):
        rest = clause[found.end() :]
        word = _NEXT_WORD.match(rest)
        if _OPEN.match(rest) or (rest.lstrip()[:1] == "%" and scale.high != 100):
            yield None
        elif word is None or re.match(_MAY_FOLLOW, word[1], re.IGNORECASE):
            yield scale.within(found["value"], found["top"])


def _of_value(value: JsonValue, scale: Scale) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return scale.within(str(value))
    if not isinstance(value, str):
        return None
    text = _prose(value, scale)
    whole = _WHOLE.fullmatch(text)
    return scale.within(whole["value"], whole["top"]) if whole else scale.worded(text)


def _under_key(said: str, keys: tuple[str, ...]) -> JsonValue | None:
    """Return what the last JSON object that has a key holds there, or what stands behind a key of broken JSON.

    None where there is no key, "" where it holds several things.
    """
    text = bounded(said)
    found: list[JsonValue] = []
    for before, item in objects_in(text):
        named = {str(name).casefold(): value for name, value in item.items()}
        held = [named[key] for key in keys if key in named] or [
            one for key in keys for one in select(item, f"$..{key}")
        ]
        if held and not _CLAIMED.search(_CLAUSE.split(before)[-1]):
            found = held
    if not found:
        broken = rf"(?<!\\)[\"'](?:{'|'.join(keys)})[\"']\s?:\s?[\"']?([^\"',}}\n]{{1,24}})[\"']?\s{{0,40}}[,}}\n]"
        found = [one[1].strip() for one in re.finditer(broken, text, re.IGNORECASE)]
    if not found:
        return None
    return found[0] if all(one == found[0] for one in found) else ""


def _prose(said: str, scale: Scale) -> str:
    """Return a judgement's prose: numbers as digits, "N out of M" as N/M, without markup, quotations, the scale."""
    text = _STARS.sub(
        lambda run: f" {len(run[1].replace(chr(0xFE0F), ''))}{'.5' if run[2] else ''}/{scale.high:g} ", bounded(said)
    )
    text = _BOXES.sub(lambda box: f"\nscore: {box[1] or box[2] or box[3]}\n", unify(re.sub(r"(?<=\d)\s?½", ".5", text)))
    text = re.sub(r"[*#`_]+", "", _QUOTED.sub(_kept_quotation, text))
    ends = rf"{scale.low:g}\s?(?:-|to|and|through)\s?{scale.high:g}"
    text = re.sub(
        rf"[(\[]?(?:\b(?:on|using|from|between)\s)?(?:an?\s|the\s)?(?:scale\s)?(?:of\s|from\s)?\(?\b{ends}\b[)\]]?",
        " ",
        text,
    )
    text = re.sub(rf"\([^()]{{0,80}}\d\s?(?:=|is|means)[^()]{{0,80}}\)|\b{scale.high:g}-point\b", " ", text)
    text = _FULL_MARKS.sub(f"score {scale.high:g}", text)
    text = _SPELT.sub(lambda word: _DIGITS[word.group().casefold()], text)
    text = _OUT_OF.sub(r"\1/\2", re.sub(r"\bone(?= (?:out of|star|point))", "1", text, flags=re.IGNORECASE))
    text = re.sub(rf"({_NUMBER}) stars?\b", rf"\1/{scale.high:g}", text)
    return re.sub(rf"\(?\b(?:out of|max(?:imum)?(?: of)?) {scale.high:g}\b\)?", " ", text, flags=re.IGNORECASE)


def _kept_quotation(quote: re.Match[str]) -> str:
    inner = quote[1] or quote[2] or ""
    return inner if _WHOLE.fullmatch(inner) else " "


_ANSWER = r"(?:the |answer |response )?(1|2|first|second|one|two|a|b)\b(?: one| answer| response)?"
_WINS = (
    r"(?:is|was|does|seems)? ?(?:clearly |much |slightly |the )?"
    r"(?:better|best|stronger|superior|preferable|preferred|wins?|winner)\b"
)
_PREFERRED = re.compile(
    rf"(?<![\w/]){_ANSWER} {_WINS}|\b(?:prefer|choose|pick|better|winner|preferred|best)(?: is|:)? {_ANSWER}"
)
_LONE_PLACE = re.compile(
    r"\W*(?:(?:answer|response)\W{0,3})?(?:(0|tie|neither|both)|(1|first|a|one)|(2|second|b|two))\W*"
)
_EQUAL = re.compile(r"\b(?:equally|a tie|as good as (?:each other|the other)|(?:is|it's) a draw)\b")


def preference(said: str) -> int | None:
    """Return which of two answers is preferred, 1 or 2, 0 for neither; None if that is not said plainly."""
    found = _under_key(said, ("better",))
    text = unify(bounded(said) if found is None else str(found)).casefold()
    lone = _LONE_PLACE.fullmatch(text)
    if lone is not None:
        return (lone.lastindex or 1) - 1
    if found is not None:
        return None
    text = re.sub(r"[*#`_]+", "", _QUOTED.sub(" ", text))
    named = {one[1] or one[2] for one in _PREFERRED.finditer(text)}
    places = {1 if name in {"1", "first", "one", "a"} else 2 for name in named} | (
        {0} if _EQUAL.search(text) else set()
    )
    negated = re.search(r"(?:\bnot|n't|\bneither) (?:\w+ )?(?:better|best|preferable)", text)
    return places.pop() if len(places) == 1 and not negated else None
