"""Which number an answer gives: separators, fractions, percent, units, words, LaTeX; exact, never rounded.

A range, two candidates, or an expression that was not worked out ("2√3", "5x") is not a number.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from insideLLMs.scoring.final_answer.claims import sentences, views
from insideLLMs.scoring.final_answer.declared import AMBIGUOUS, Ambiguity, declarations
from insideLLMs.scoring.final_answer.number_words import LETTERS, MAGNITUDES, spelled, spelled_in
from insideLLMs.scoring.normalise import readable, unify
from insideLLMs.scoring.units import CURRENCIES, unit_named

MAX_DIGITS = 400
"""More digits, or a larger power of ten, are no answer; the bound keeps arithmetic fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number as it was given: `value` is what was written (50 for "50%"), `unit` a known unit or ""."""

    value: Fraction
    unit: str = ""

    def __str__(self) -> str:
        exact = _decimal(self.value)
        return f"{exact}%" if self.unit == "%" else f"{exact} {self.unit}".strip()


def _decimal(value: Fraction) -> str:
    """Write a value as a decimal where it is one of at most 18 places, else as a fraction."""
    scaled = value * 10**18
    if value.denominator == 1 or scaled.denominator != 1:
        return str(value)
    digits = f"{abs(scaled.numerator):019d}"
    return f"{'-' if value < 0 else ''}{digits[:-18]}.{digits[-18:]}".rstrip("0").rstrip(".")


_PLAIN = (
    r"(?:\d{1,3}(?:,\d{3})++(?:\.\d++)?(?!,?\d)"  # 1,234,567.8
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!,?\d)"  # 12,34,567
    r"|\d{1,3}(?:\.\d{3})+,\d++|\d{1,3}(?:\.\d{3}){2,}(?!\d)"  # 1.234.567,8
    r"|\d{1,3}(?:[ '_]\d{3})+(?!\d)(?:[.,]\d++)?"  # 1 234 567
    r"|\d++,(?:\d{1,2}|\d{4,400})(?![\d,])"  # 3,14
    r"|\d++(?:\.\d++)?|\.\d++)"
)
_SIGN = r"(?:(?<![\w)\]}])[-−+]\s?|\b(?:minus|negative|moins|menos|meno)\s)"
_CURRENCY = r"(?:[$€£¥₹₽₩₺]\s?|\b(?:USD|EUR|GBP|JPY|CHF|INR|Rs\.?|US\$)\s?)"
_NUMBER = re.compile(
    rf"(?P<sign>{_SIGN})?(?:(?P<currency>{_CURRENCY})(?P<inner>-)?)?(?<![A-Za-z0-9√^_\\.])"
    rf"(?:(?P<whole>\d{{1,9}}) (?P<top>\d{{1,9}})/(?P<bottom>\d{{1,9}})(?![\d/])"
    rf"|(?P<plain>{_PLAIN})(?:\s?/\s?(?P<under>\d{{1,60}})(?!\d|/|\.\d))?"
    r"(?:[eE](?P<exponent>[+-]?\d{1,6})(?!\w)|\s?[×x*·⋅]\s?10\s?(?:\^|\*\*)\s?(?P<power>[+-]?\d{1,6}))?)",
    re.IGNORECASE,
)
_SYMBOLIC = re.compile(r"\s?[*·×]?\s?(?:[√πθ∞]|sqrt)|(?:[xyznieab]|ln|log|sin|cos)(?![A-Za-z])|[:/]\d|\.\d|\s?\*\*")
_RAISED = re.compile(r"\^(-?\d{1,3})(?!\d)")
_AFTER = re.compile(r"\s?(%|‰|°\s?[CFK]?(?![A-Za-z])|[^\W\d_]+\.?(?:\s?(?:/|per)\s?[A-Za-z]+)?(?:\^[23])?|[€£¥$₹₽₩₺])")
_BOTH_SIGNS = re.compile(r"(?:±|\+/-?|\bplus or minus) ?$", re.IGNORECASE)
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|ère|º|ª)\b", re.IGNORECASE)
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
    r"(?:(?:none|nothing) (?:(?:is|are|was|were|will be) (?:left|remaining)"
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
_COUNTED = re.compile(
    r" (?:[a-z]+ ){0,2}?(?:people|men|women|children|[a-z]{2,}(?:s|ers|ants|ents)|dollars?|euros?|pounds?|€|yen|won)\b"
)
_MOLAR = re.compile(r" ?(?:solution|[A-Z][a-z]?(?:[A-Z]|\d)|acid)")
_LONG = re.compile(
    r" (?:long|wide|high|tall|deep|away|thick|apart|above|below|of|from|per|radius|rods?|walls?|poles?)\b"
)
_HOT = re.compile(r"\b(?:temperature|kelvin|boil|melt|freez|heat|hot|cold|warm|cool|absolute)", re.IGNORECASE)
_GROUPED_BY_POINT = re.compile(
    r"(?<![\d.,])(\d{1,3})\.(\d{3})(?![\d.,]\d|\d)(?=\s?(?:€|eur\b|euros?\b|kr\b|pesos?\b|reais\b|r\$|tl\b|lira\b|zł|"
    r"dollars?\b|dólares\b|[^\W\d_]{2,}(?:en|er|nts|as|os|es|ne|ni|ti|nen|men|gente|leute|personas|menschen)\b))",
    re.IGNORECASE,
)
_POINT_GROUPS = re.compile(
    r"\b(?:ist|sind|die|der|das|und|hat|haben|einwohner|menschen|leute|la|tiene|tienen|habitantes|personas|kostet"
    r"|kosten|beträgt|antwort|insgesamt|es|el|los|las|hay|respuesta|cuesta|cuestan|son"
    r"|il|gli"
    r"|ci|risposta|costa|costano|resposta|custa|são|é|há|het|een|zijn|antwoord|kost|svaret|koster|cevap|jawaban"
    r"|adalah)\b"
    r"|€|\beuro\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(r"\b(?:the|are|of|answer|costs?|has|have|there|it)\b", re.IGNORECASE)
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
_LATEX = (
    (re.compile(r"(?<=\d)\s?\\[dtc]?frac"), r" \\frac"),
    (re.compile(r"\\[dtc]?frac\s?\{\s?(-?[\d.]{1,60})\s?\}\s?\{\s?([\d.]{1,60})\s?\}"), r"\1/\2"),
    (re.compile(r"\\[dtc]?frac(\d)(\d)"), r"\1/\2"),
    (re.compile(r"\\times"), "×"),
    (re.compile(r"\\(?:pm|mp)(?![A-Za-z])"), "±"),
    (re.compile(r"\\cdot"), "·"),
    (re.compile(r"\\sqrt\s?\{([^{}]{0,60})\}"), r"√\1"),
    (re.compile(r"\\sqrt"), "√"),
    (re.compile(r"\\pi(?![A-Za-z])"), "π"),
    (re.compile(r"\^\{?\s?\\circ\s?\}?"), "°"),
    (re.compile(r"\^\{([+-]?\d{1,6})\}"), r"^\1"),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"(?<=\d)\s?\\,\s?(?=\d)"), ","),
    (re.compile(r"\\([%$])"), r"\1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    start: int
    end: int
    amount: Amount | None
    """None for what holds a digit and is not a number: an expression, a date, a version, a value of either sign."""
    is_word: bool = False


def number(answer: str) -> Amount | None:
    """Return the number that `answer` gives; None where it gives none, several, a range, or declines.

    What it declares wins; then an answer, first or last line that is only a number; then the last sentence
    that has one.
    """
    for view in views(answer):
        found = _read(_plain_math(view.text).strip(), plainly=view.declined)
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
        named = [token for token in _tokens(sentence) if not _is_label(sentence, token)] or _words(sentence)
        if not named or _is_beside(sentence, before) or (plainly and not _is_plain(sentence, named)):
            continue
        found = _in_segment(sentence)
        if found is not None or not named[0].is_word:
            return found or AMBIGUOUS
    words = _words(text[:200])
    if words and not plainly and len(sentences(text)) == 1 and _FILLER.match(text[: words[0].start]):
        return words[0].amount
    return None if plainly else _in_segment(text[-4000:])


def _is_beside(sentence: str, before: str) -> bool:
    """Whether a sentence remarks on a result, or converts what the sentence before concluded."""
    converts = _CONVERTS.match(sentence) and _CONCLUSION.search(before) and any(one.amount for one in _tokens(before))
    return bool(converts or _REMARK.match(sentence))


def _is_plain(sentence: str, tokens: list[_Token]) -> bool:
    return bool(_EQUALS.search(sentence)) or any(_is_said(sentence, token) for token in tokens)


def _is_label(text: str, token: _Token) -> bool:
    return _LABELLED.search(text, max(0, token.start - 12), token.start) is not None


def parse_number(text: str) -> Amount | None:
    """Return the number that `text` is, unit or currency included; None if it is anything more or else."""
    return _lone(_plain_math(readable(text)))


def numbers_in(text: str) -> tuple[str, ...]:
    """Return every number of a text in order, as exact values with their units; what is none as it stands."""
    text = _plain_math(unify(text))
    return tuple(str(token.amount or text[token.start : token.end].strip()) for token in _tokens(text))


def _plain_math(text: str) -> str:
    if "\\" in text or "{" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    if _POINT_GROUPS.search(text) and not _ENGLISH.search(text):
        text = _GROUPED_BY_POINT.sub(r"\1\2", text)
    return text


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _NUMBER.finditer(text):
        amount, end = _amount(match, text)
        found.append(_Token(start=match.start(), end=end, amount=amount))
    return found


def _words(text: str) -> list[_Token]:
    """Return the numbers that are written out in a text."""
    return [
        _Token(start=start, end=end, amount=Amount(value=value, unit=_unit(text, end)), is_word=True)
        for start, end, value in spelled_in(text)
    ]


def _unit(text: str, start: int) -> str:
    after = _AFTER.match(text, start)
    return unit_named(after[1]) if after else ""


def _amount(match: re.Match[str], text: str) -> tuple[Amount | None, int]:
    """Read one match and the unit after it; return the amount and where it ends."""
    end = match.end()
    value = _value(match)
    raised = _RAISED.match(text, end)
    if raised and value is not None and not match["under"]:
        value, end = _power(value, int(raised[1])), raised.end()
    if (
        value is None
        or _SYMBOLIC.match(text, end)
        or _BOTH_SIGNS.search(text, max(0, match.start() - 14), match.start())
    ):
        return None, end
    if match["sign"] and match["sign"].strip() != "+":
        value = -value
    value = -value if match["inner"] else value
    unit = CURRENCIES.get((match["currency"] or "").strip().rstrip(".").upper(), "")
    ordinal = _ORDINAL.match(text, end)
    end = ordinal.end() if ordinal else end
    for _ in range(2):  # a magnitude, then a unit: "5 million dollars"
        factor, behind = _magnitude(text, end, is_money=bool(unit))
        after = _AFTER.match(text, end)
        if factor > 1:
            value, end = value * factor, behind
        elif after and unit_named(after[1]):
            unit, end = unit or unit_named(after[1]), after.end()
    return Amount(value=value, unit=unit), end


def _magnitude(text: str, start: int, *, is_money: bool) -> tuple[int, int]:
    """Return what the word or letter at `start` multiplies a number by (1: nothing), and where it ends."""
    after = _AFTER.match(text, start)
    word = after[1].rstrip(".") if after else ""
    if after is None or not word:
        return 1, start
    if len(word) == 1 and word.casefold() in LETTERS:
        is_one = _multiplies(word, text, after, is_money=is_money)
        return LETTERS[word.casefold()] if is_one else 1, after.end()
    factor = MAGNITUDES.get(word.casefold(), 1)
    if factor == 1 and word[0] in MAGNITUDES and not word[0].isascii():  # scripts without spaces: 5万人
        return MAGNITUDES[word[0]], after.start(1) + 1
    return factor, after.end()


def _multiplies(letter: str, text: str, found: re.Match[str], *, is_money: bool) -> bool:
    """Whether a letter behind a number is thousand, million, ... and no unit: 5M people, but 5 m and 300 K."""
    behind = text[found.end() : found.end() + 40]
    is_attached = found[0][0] == letter
    if is_money or _COUNTED.match(behind):
        return letter.isupper() or is_money or (is_attached and not _LONG.match(behind))
    if letter == "M":
        return not _MOLAR.match(behind)
    return is_attached and (letter == "k" or (letter == "K" and not _HOT.search(text)))


def _value(match: re.Match[str]) -> Fraction | None:
    if match["whole"]:
        bottom = int(match["bottom"])
        return int(match["whole"]) + Fraction(int(match["top"]), bottom) if bottom else None
    value = _plain_value(match["plain"])
    exponent = int(match["exponent"] or match["power"] or 0)
    if value is None or abs(exponent) > MAX_DIGITS:
        return None
    if match["under"]:
        under = int(match["under"])
        value = value / under if under else None
    return value * Fraction(10) ** exponent if value is not None else None


def _plain_value(plain: str) -> Fraction | None:
    """Resolve separators: the last of two kinds is the decimal one; a single comma before three digits groups."""
    if len(plain) > MAX_DIGITS:
        return None
    digits = re.sub(r"[ '_]", "", plain)
    commas, points = digits.count(","), digits.count(".")
    if commas and points:
        decimal = "," if digits.rfind(",") > digits.rfind(".") else "."
    elif commas == 1 and not re.fullmatch(r"\d{1,3},\d{3}", digits):
        decimal = ","
    else:
        decimal = "." if points == 1 else ""
    digits = "".join("." if char == decimal else char for char in digits if char.isdigit() or char == decimal)
    return Fraction(digits if digits[0] != "." else f"0{digits}")


def _power(value: Fraction, exponent: int) -> Fraction | None:
    size = max(len(str(value.numerator)), len(str(value.denominator)))
    if abs(exponent) * size > MAX_DIGITS or (value == 0 and exponent < 0):
        return None
    return value**exponent


def _lone(text: str) -> Amount | None:
    """Return the number where `text` is a number and at most three words more, none of them a number."""
    text = text.strip().lstrip("([{\"'").rstrip(")]}.,;:!?\"'")
    tokens = _tokens(text[:200])
    if len(text) > 200 or len(tokens) > 1:
        return None
    if not tokens:
        tokens = [] if any(char.isdigit() for char in text) else _words(text)
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
    segment = _ASIDE.sub("", concluded if _tokens(concluded) else segment)
    tail = _EQUALS.split(segment)[-1]
    tokens = _tokens(tail) or _tokens(segment)
    text = tail if _tokens(tail) else segment
    if not tokens:
        words = _words(segment)
        if words:
            return _in_prose(segment, words)
        value = spelled(re.sub(_FILLER.pattern.removesuffix("$"), "", segment, count=1, flags=re.IGNORECASE))
        return Amount(value=value) if value is not None else None
    before = text[: tokens[0].start]
    counts_nouns = len(tokens) > 1 and before.casefold().strip().endswith("the")  # "The 3 cats ate 6 fish, so 18"
    if _FILLER.match(before) and not counts_nouns:
        return _at_start(text, tokens)
    return _in_prose(text, tokens)


def _at_start(text: str, tokens: list[_Token]) -> Amount | Ambiguity:
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


def _in_prose(text: str, tokens: list[_Token]) -> Amount | Ambiguity | None:
    tokens = [token for token in tokens if not _is_label(text, token)] or tokens
    ranged = {
        token
        for left, right in pairwise(tokens)
        if _RANGE.fullmatch(gap := text[left.end : right.start])
        and (gap.strip() != "," or _unit_of(left) == _unit_of(right))
        for token in (left, right)
    }
    if any(_NEGATED_BEFORE.search(text[: token.start][-30:]) for token in tokens):
        return None
    for found in (tokens, _words(text)):
        said = [token for token in found if _is_said(text, token)]
        if said and said[-1] not in ranged:
            return said[-1].amount
    if not ranged and len({token.amount for token in tokens}) == 1:
        return tokens[0].amount
    return AMBIGUOUS if ranged else None


def _unit_of(token: _Token) -> str:
    return token.amount.unit if token.amount else ""


def _is_said(text: str, token: _Token) -> bool:
    """Whether a sentence says that something comes to this number: "is 5", "5 in total"."""
    return bool(_VERB_BEFORE.search(text[: token.start][-40:]) or _IN_ALL.match(text, token.end))
