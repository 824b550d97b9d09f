"""Which number an answer gives; a range or two candidates are none."""

import re
from fractions import Fraction
from itertools import pairwise

from insideLLMs.scoring.final_answer.amounts import Amount, FoundAmount, amounts_in_digits, amounts_in_words, plain_math
from insideLLMs.scoring.final_answer.claims import sentences, views
from insideLLMs.scoring.final_answer.declared import AMBIGUOUS, Ambiguity, declarations
from insideLLMs.scoring.final_answer.number_words import spelled
from insideLLMs.scoring.normalise import readable

_RANGE = re.compile(
    r"\s?(?:[-–—~±,;&+*×÷]|\+/-|\.\.\.?|to|through|and|und|bis|y|et|e|и|至|到|and also|plus|times|minus)\s?",
    re.IGNORECASE,
)
_OPERATOR = re.compile(r"^ (?:plus|minus|times|divided by|multiplied by|over|and) $|[+*×÷]", re.IGNORECASE)
_ACTS = re.compile(
    r"^ [^\W\d]+ (?:take|need|cost|weigh|make|earn|give|last|contain|hold|add up to|sell for)s? (?:about |only "
    r"|exactly )?\W?$",
    re.IGNORECASE,
)
"""What stands between what acts and what it comes to: "100 machines take 5 minutes"."""
_OR = re.compile(r"\s(?:or|oder|ou|o|или)\s|或", re.IGNORECASE)
_FILLER = re.compile(
    r"[^\w\d.√-]*(?:(?:about|approximately|approx\.?|roughly|around|exactly|is|are|was|a total of|the|total|equals?"
    r"|equal to|nearly|almost|just|only|simply|therefore|thus|so|it|it's|that's|[a-z]\s?=)[^\w\d.√-]+){0,5}"
    r"[^\w\d.√-]*$",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(r"\b(?:so|therefore|thus|hence)\b(?! (?:far|many|much)\b)", re.IGNORECASE)
_EQUALS = re.compile(r"[=≈≅]|\\approx|\bequals\b")
_IN_ALL = re.compile(r"(?: [^\W\d_]+){0,3}? (?:in total|altogether|in all|left|remain\w*)\b", re.IGNORECASE)
_LABELLED = re.compile(
    r"\b(?:step|part|case|question|problem|option|method|figure|fig\.|table|chapter|section|page|example|exercise"
    r"|equation"
    r"|eq\.|point|item|rule|note|no\.|nr\.|number|schritt|paso|étape|passo|шаг) ?[#(]?$",
    re.IGNORECASE,
)
"""What makes a number a name: "Step 2"."""
_REMARK = re.compile(
    r"\W{0,3}(?:this|that|which|it|they|these|so that)(?:'s|\b)[^\n]{0,60}\b(?:less|more|fewer|higher|lower"
    r"|cheaper|than"
    r"|compared|increase|decrease|discount|saving|as (?:many|much)|equivalent|corresponds)\b"
    r"|\W{0,3}(?:done|easy|that's (?:it|all)|for (?:example|instance)|note|also,|in addition|furthermore"
    r"|explanation)\b",
    re.IGNORECASE,
)
_CONVERTS = re.compile(
    r"\W{0,3}(?:that|this|which|it)(?:'s| is| equals) (?:about|roughly|approximately|around|equivalent to)\b",
    re.IGNORECASE,
)
"""How a sentence begins that says a result again in another unit."""
_NONE = re.compile(
    r"(?:[^;]{1,200}[,;] (?=so ))?\W{0,4}(?:(?:so|therefore|thus|hence),? )?"
    r"(?:none of (?:them|these|those)|(?:none|nothing) (?:(?:is|are|was|were|will be) (?:left|remaining)"
    r"|remains?)|there (?:is|are|was|were) none(?: left| remaining)?)\W{0,4}",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r",? (?:which (?:is|was|means|makes)|i\.e\.,?|that is,?|down|up|reduced|a (?:saving|discount|drop"
    r"|rise))[^.\n]{0,60}"
    r"\b(?:from|of|less|more|fewer|higher|lower|cheaper|than|as (?:many"
    r"|much))\b[^.\n]{0,60}",
    re.IGNORECASE,
)
_VERB_BEFORE = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals|has|have|had|gets?|got|makes?|leaves?|leaving|gives?|giving|total(?:s|ing)?"
    r"|totals? of|costs?|needs?|pays?|paid|earn(?:s|ed)?|spen[dt]s?|saved?|sold|received|becomes|(?:adds?(?: up)?"
    r"|sums?(?: up)?|amounts?|comes?) to|left with"
    r"|that is,|i\.e\.,?"
    r"|(?:takes?|took)(?: (?:him|her|them|us|me|you))?|remain(?:s|ing)?|so|thus|therefore)"
    r"(?: (?:about|only|exactly|a total of|approximately))? )$",
    re.IGNORECASE,
)
_NEGATED_BEFORE = re.compile(r"(?:\bnot|n't|\bnever)(?: (?:be|equal|to))* ?\S{0,2}$", re.IGNORECASE)
_LIST_LINE = re.compile(r"^\s?(?:(\d{1,3})[.)]|[-•])\s+(?=\S)", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<!i\.e)(?<!e\.g)[.!?。](?=\s|$)|\n")


def number(answer: str) -> Amount | None:
    """Return the number that `answer` gives; None where it gives none, several, a range, or declines.

    What it declares wins; then an answer, first or last line that is only a number; then the last sentence
    that has one.
    """
    for view in views(answer):
        found = _read(plain_math(view.text).strip(), plainly=view.declined)
        if found is not None:
            return None if isinstance(found, Ambiguity) else found
    return None


def _read(text: str, *, plainly: bool) -> Amount | Ambiguity | None:
    """Return the number that a text gives; `plainly`: not by merely naming it."""
    for segment in declarations(text):
        numbered = (one for one in _SENTENCE_END.split(segment) if any(char.isdigit() for char in one))
        found = _in_segment(next(numbered, segment))
        if found is not None:
            return found
    text = re.sub(r"^\d{1,2}\)\s+(?=[^\n]*\d)", "", text)
    listed = len(_LIST_LINE.findall(text[:2000])) > 1 or text.startswith("1")
    text = _LIST_LINE.sub("", text) if listed else text
    lines = text.split("\n")
    for line in (
        text,
        "" if listed and len(lines) > 1 else lines[0],
        lines[-1],
        _SENTENCE_END.split(text, maxsplit=1)[0],
    ):
        lone = _lone(line)
        if lone is not None:
            return lone
    said = _SENTENCE_END.split(text[-4000:])
    if not plainly and _NONE.fullmatch(next(filter(None, map(str.strip, reversed(said))), "")):
        return Amount(value=Fraction(0))
    for before, sentence in reversed([*pairwise(["", *said])]):
        named = [token for token in amounts_in_digits(sentence) if not _is_label(sentence, token)] or amounts_in_words(
            sentence
        )
        if not named or _is_beside(sentence, before) or (plainly and not _is_plain(sentence, named)):
            continue
        found = _in_segment(sentence)
        if found is not None or not named[0].is_word:
            return found or AMBIGUOUS
    words = amounts_in_words(text[:200])
    if words and not plainly and len(sentences(text)) == 1 and _FILLER.match(text[: words[0].start]):
        return words[0].amount
    return None if plainly else _in_segment(text[-4000:])


def _is_beside(sentence: str, before: str) -> bool:
    """Whether a sentence remarks on a result, or converts what the sentence before concluded."""
    converts = (
        _CONVERTS.match(sentence)
        and _CONCLUSION.search(before)
        and any(one.amount for one in amounts_in_digits(before))
    )
    return bool(converts or _REMARK.match(sentence))


def _is_plain(sentence: str, tokens: list[FoundAmount]) -> bool:
    return bool(_EQUALS.search(sentence)) or any(_is_said(sentence, token) for token in tokens)


def _is_label(text: str, token: FoundAmount) -> bool:
    return _LABELLED.search(text, max(0, token.start - 12), token.start) is not None


def parse_number(text: str) -> Amount | None:
    """Return the number that `text` is, unit or currency included; None if it is anything more or else."""
    return _lone(plain_math(readable(text)))


def _lone(text: str) -> Amount | None:
    """Return the number where `text` is a number and at most three words more, none of them a number."""
    text = text.strip().lstrip("([{\"'").rstrip(")]}.,;:!?\"'")
    tokens = amounts_in_digits(text[:200])
    if len(text) > 200 or len(tokens) > 1:
        return None
    if not tokens:
        tokens = [] if any(char.isdigit() for char in text) else amounts_in_words(text)
        value = spelled(text) if len(tokens) < 2 and not any(char.isdigit() for char in text) else None
        if value is not None and not (tokens and tokens[0].amount and tokens[0].amount.value == value):
            return Amount(value=value)
    if len(tokens) != 1:
        return None
    token = tokens[0]
    rest = text[token.end :]
    if token.amount is None or not _FILLER.match(text[: token.start]) or len(rest.split()) > 3:
        return None
    return None if re.search(r"[=<>?^√]", rest) else token.amount


def _in_segment(segment: str) -> Amount | Ambiguity | None:
    """Return the number that a declaration or sentence gives: after "=", at its start, the only one, or "is N"."""
    pieces = [piece for piece in _OR.split(segment) if any(char.isdigit() for char in piece)]
    if len(pieces) > 1:
        given = {_in_segment(piece) for piece in pieces}
        return given.pop() if len(given) == 1 else AMBIGUOUS
    if re.match(r"\W*(?:not|never|neither)\b", segment, re.IGNORECASE):
        return None
    concluded = _CONCLUSION.split(segment)[-1]
    segment = _ASIDE.sub("", concluded if amounts_in_digits(concluded) else segment)
    tail = _EQUALS.split(segment)[-1]
    tokens = amounts_in_digits(tail) or amounts_in_digits(segment)
    text = tail if amounts_in_digits(tail) else segment
    if not tokens:
        words = amounts_in_words(segment)
        if words:
            return _in_prose(segment, words)
        value = spelled(re.sub(_FILLER.pattern.removesuffix("$"), "", segment, count=1, flags=re.IGNORECASE))
        return Amount(value=value) if value is not None else None
    before = text[: tokens[0].start]
    counts_nouns = len(tokens) > 1 and before.casefold().strip().endswith("the")  # "The 3 cats ate 6 fish, so 18"
    if _FILLER.match(before) and not counts_nouns:
        return _at_start(text, tokens)
    return _in_prose(text, tokens)


def _at_start(text: str, tokens: list[FoundAmount]) -> Amount | Ambiguity:
    first = tokens[0]
    if first.amount is None:
        return AMBIGUOUS
    following = text[first.end : first.end + 3].lstrip()
    between = text[first.end : tokens[1].start] if len(tokens) > 1 else ""
    if _OPERATOR.search(between) or _ACTS.search(between):
        said = [token for token in tokens[1:] if _VERB_BEFORE.search(text[: token.start][-40:])]
        return said[-1].amount or AMBIGUOUS if said else AMBIGUOUS
    if len(tokens) > 1 and _RANGE.fullmatch(text[first.end : tokens[1].start] or " "):
        return AMBIGUOUS
    return AMBIGUOUS if following[:1] in {"+", "*", "×", "/", "÷", "^", "√"} else first.amount


def _in_prose(text: str, tokens: list[FoundAmount]) -> Amount | Ambiguity | None:
    tokens = [token for token in tokens if not _is_label(text, token)] or tokens
    ranged = {
        token
        for left, right in pairwise(tokens)
        if (_RANGE.fullmatch(gap := text[left.end : right.start]) or (gap == " " and text[right.start] == "+"))
        and (gap.strip() != "," or _unit_of(left) == _unit_of(right))
        for token in (left, right)
    }
    if any(_NEGATED_BEFORE.search(text[: token.start][-30:]) for token in tokens):
        return None
    for found in (tokens, amounts_in_words(text)):
        said = [token for token in found if _is_said(text, token) and token not in ranged]
        if said:
            return said[-1].amount
    if not ranged and len({token.amount for token in tokens}) == 1:
        return tokens[0].amount
    return AMBIGUOUS if ranged else None


def _unit_of(token: FoundAmount) -> str:
    return token.amount.unit if token.amount else ""


def _is_said(text: str, token: FoundAmount) -> bool:
    """Whether a sentence says that something comes to this number: "is 5", "5 in total"."""
    return bool(_VERB_BEFORE.search(text[: token.start][-40:]) or _IN_ALL.match(text, token.end))
