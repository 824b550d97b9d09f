"""Numbers as they are written in a text: separators, fractions, percent, units, words, LaTeX; exact, never rounded.

An expression that was not worked out ("2√3", "5x") is not a number.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from insideLLMs.scoring.final_answer.number_words import LETTERS, MAGNITUDES, spelled_in
from insideLLMs.scoring.normalise import unify
from insideLLMs.scoring.units import CURRENCIES, conversion, unit_named

MAX_DIGITS = 400
"""More digits, or a larger power of ten, are no answer; the bound keeps arithmetic fast."""
_PLAIN = (
    r"(?:\d{1,3}(?:,\d{3})++(?:\.\d++)?(?!,?\d)"  # 1,234,567.8
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!,?\d)"  # 12,34,567
    r"|\d{1,3}(?:\.\d{3})+,\d++|\d{1,3}(?:\.\d{3}){2,}(?!\d)"  # 1.234.567,8
    r"|\d{1,3}(?:[ '_]\d{3})+(?!\d)(?:[.,]\d++)?"  # 1 234 567
    r"|\d++,(?:\d{1,2}|\d{4,400})(?![\d,])"  # 3,14
    r"|\d++(?:\.\d++)?|\.\d++)"
)
_SIGN = r"(?:(?<![\w)\]}])[-−+]\s?|(?<![\w)\]}])(?<!\d )–(?=[$€£¥]?\d)|\b(?:minus|negative|moins|menos|meno)\s)"
_CURRENCY = r"(?:[$€£¥₹₽₩₺]\s?|\b(?:USD|EUR|GBP|JPY|CHF|INR|Rs\.?|US\$)\s?)"
_NUMBER = re.compile(
    rf"(?P<sign>{_SIGN})?(?:(?P<currency>{_CURRENCY})(?P<inner>-)?)?(?<![A-Za-z0-9√^_\\.])"
    rf"(?:(?P<whole>\d{{1,9}}) (?P<top>\d{{1,9}})/(?P<bottom>\d{{1,9}})(?![\d/])"
    rf"|(?P<plain>{_PLAIN})(?:\s?/\s?(?P<under>\d{{1,60}})(?!\d|/|\.\d))?"
    r"(?:[eE](?P<exponent>[+-]?\d{1,6})(?!\w)|\s?[×x*·⋅]\s?10\s?(?:\^|\*\*)\s?(?P<power>[+-]?\d{1,6}))?)",
    re.IGNORECASE,
)
_SYMBOLIC = re.compile(r"\s?[*·×]?\s?(?:[√πθ∞]|sqrt)|(?:[xyznieab]|ln|log|sin|cos)(?![A-Za-z])|[:/]\d|\.\d|\s?\*\*")
_TO_THE_POWER = re.compile(r"(?<=\d)\*\*(?=[-\d])")
_RAISED = re.compile(r"\^(-?\d{1,3})(?!\d)")
_AFTER = re.compile(r"\s?(%|‰|°\s?[CFK]?(?![A-Za-z])|[^\W\d_]+\.?(?:\s?(?:/|per)\s?[A-Za-z]+)?(?:\^[23])?|[€£¥$₹₽₩₺])")
_BOTH_SIGNS = re.compile(r"(?:±|\+/-?|\bplus or minus) ?$", re.IGNORECASE)
_WITHIN = re.compile(r" ?(?:and )?")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|ère|º|ª)\b", re.IGNORECASE)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAmount:
    """A number with where it stands in a text."""

    start: int
    end: int
    amount: Amount | None
    """None for what holds a digit and is not a number: an expression, a date, a version, a value of either sign."""
    is_word: bool = False


def numbers_in(text: str) -> tuple[str, ...]:
    """Return every number of a text in order, as exact values with their units; what is none as it stands."""
    text = plain_math(unify(text))
    return tuple(str(token.amount or text[token.start : token.end].strip()) for token in amounts_in_digits(text))


def amounts_in_digits(text: str) -> list[FoundAmount]:
    """Return the numbers that are written in digits in a text, and what only looks like one."""
    found: list[FoundAmount] = []
    for match in _NUMBER.finditer(text):
        amount, end = _amount(match, text)
        token = FoundAmount(start=match.start(), end=end, amount=amount)
        joined = _joined(found[-1], token, text) if found else None
        found[-1:] = [joined] if joined else [*found[-1:], token]
    return found


def _joined(first: FoundAmount, second: FoundAmount, text: str) -> FoundAmount | None:
    """Return two parts of one amount as one, in the unit of the first: "1 h 30 min", "5 feet and 6 inches"."""
    whole, part = first.amount, second.amount
    if whole is None or part is None or not (whole.unit and part.unit):
        return None
    factor = conversion(part.unit, whole.unit)
    is_apart = not _WITHIN.fullmatch(text, first.end, second.start) or text[second.start] in "+-−–"
    if factor is None or factor >= 1 or is_apart or text[: first.start].casefold().endswith("between "):
        return None
    value = whole.value + part.value * factor
    return FoundAmount(start=first.start, end=second.end, amount=Amount(value=value, unit=whole.unit))


def amounts_in_words(text: str) -> list[FoundAmount]:
    """Return the numbers that are written out in a text."""
    return [
        FoundAmount(start=start, end=end, amount=Amount(value=value, unit=_unit(text, end)), is_word=True)
        for start, end, value in spelled_in(text)
    ]


def plain_math(text: str) -> str:
    """Write LaTeX as plain text, and leave out the points that group digits in other languages: 1.234 Menschen."""
    if "\\" in text or "{" in text:
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    text = _TO_THE_POWER.sub("^", text)
    if _POINT_GROUPS.search(text) and not _ENGLISH.search(text):
        text = _GROUPED_BY_POINT.sub(r"\1\2", text)
    return text


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
