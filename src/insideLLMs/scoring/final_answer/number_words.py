"""Numbers and magnitudes written as words: "minus forty-two", "two and a half", "three quarters"."""

import re
from fractions import Fraction

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_MULTIPLIERS = {"hundred": 100, "dozen": 12}
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
}
_OTHER_LANGUAGES = {
    word: value
    for table in (
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "zero um dois três quatro cinco seis sete oito nove dez onze doze",
        "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать",
        "零 一 二 三 四 五 六 七 八 九 十",
    )
    for value, word in enumerate(table.split())
}
_OTHER_LANGUAGES |= {
    word: value
    for value, words in (
        (13, "trece treize dreizehn treze тринадцать"),
        (14, "catorce quatorze vierzehn четырнадцать"),
        (15, "fünfzehn пятнадцать"),
        (16, "dieciséis sechzehn шестнадцать"),
        (17, "diecisiete siebzehn dezessete семнадцать"),
        (18, "dieciocho achtzehn dezoito восемнадцать"),
        (19, "diecinueve neunzehn dezenove девятнадцать"),
        (20, "veinte vingt zwanzig vinte двадцать"),
        (30, "treinta trente dreißig trinta тридцать"),
        (40, "cuarenta quarante vierzig quarenta сорок"),
        (50, "cincuenta cinquante fünfzig cinquenta пятьдесят"),
        (60, "sesenta soixante sechzig sessenta шестьдесят"),
        (70, "setenta siebzig семьдесят"),
        (80, "ochenta achtzig oitenta восемьдесят"),
        (90, "noventa neunzig девяносто"),
    )
    for word in words.split()
}
_DIGITS = "一二三四五六七八九"
_CHINESE_VALUES = {
    **{digit: value for value, digit in enumerate(_DIGITS, 1)},
    **{
        f"{_DIGITS[tens - 1] if tens > 1 else ''}十{_DIGITS[ones - 1] if ones else ''}": 10 * tens + ones
        for tens in range(1, 10)
        for ones in range(10)
    },
}
_CHINESE = re.compile(rf"([{_DIGITS}]?十[{_DIGITS}]?|[{_DIGITS}])(?=[。.]?$|[个個只本天年元岁次条张块人つ])")
_MINUS = frozenset({"minus", "negative"})
_ANY = "|".join((*_UNITS, *_SCALES, *_MULTIPLIERS))
_SPELLED = re.compile(
    rf"\b(?:(?:minus|negative) )?(?:half[ -](?:an? )?(?:dozen|hundred|thousand|million|billion)"
    rf"|(?:a|an) (?:hundred|thousand|million|billion|dozen|half|third|quarter)"
    rf"|(?:{_ANY})\b)"
    rf"(?:(?:-| and | )(?:{_ANY}|a half|{'|'.join(_PARTS)})s?\b)*\b",
    re.IGNORECASE,
)
_FOREIGN = re.compile(
    rf"(?<!-)\b(?:{'|'.join(word for word, value in _OTHER_LANGUAGES.items() if value > 12)}"
    r"|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|deux|trois|quatre|cinq|huit|neuf|onze|douze|zwei"
    r"|drei|vier"
    r"|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|dois|três|quatro|sete|oito|nove|dez|doze|два|три|четыре|пять"
    r"|шесть|семь"
    r"|восемь|девять|десять|одиннадцать|двенадцать)\b(?!-)",
    re.IGNORECASE,
)
_ENGLISH = re.compile(r"\b(?:the|are|is|of|answer|has|have|there|and|it)\b", re.IGNORECASE)
_ONE_AFTER = re.compile(r"'s| (?:another|of|can|could|may|might|must|should|would|has|who|that|way|day)\b")
_PRONOUN = re.compile(
    r"(?:^|[.:,;] ?|\b(?:the|this|that|no|any|each|every|which|another|other|some|last|first|next|hard|right|wrong"
    r"|the only"
    r"|by|of|and|a|an|good|tough|easy|tricky)) ?$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")

COUNTS = {**_OTHER_LANGUAGES, **_UNITS}
"""What single words count: "three" is 3."""

MAGNITUDES = {
    word: value
    for value, words in (
        (12, "dozen"),
        (100, "hundred 百 백"),
        (10**3, "k thousand thousands tsd tausend mil mille mila тыс тысяч тысячи тысяча 千 천"),
        (10**4, "万 萬 만"),
        (10**5, "lakh lakhs lac"),
        (10**6, "mn mio mln million millions millionen millones millón milhões milhão milioni миллион миллионов млн"),
        (10**7, "crore crores"),
        (10**8, "亿 億 억"),
        (10**9, "bn bln mrd mld billion billions milliard milliards milliarden miliardi миллиард миллиардов млрд"),
        (10**12, "tn trn trillion trillions billionen"),
    )
    for word in words.split()
}  # fmt: skip
LETTERS = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
"""What a single letter behind a number multiplies it by, where it is no unit."""


def spelled_in(text: str) -> list[tuple[int, int, Fraction]]:
    """Return where numbers are written out in a text, and which; "one" only where it counts something."""
    found = []
    if not _ENGLISH.search(text):
        found = [
            (match.start(), match.end(), Fraction(_OTHER_LANGUAGES[match.group().casefold()]))
            for match in _FOREIGN.finditer(text)
        ]
    for match in _SPELLED.finditer(text):
        words = _WORD.findall(match.group().casefold())
        negative = words[0] in _MINUS
        words = words[1:] if negative else words
        value, used = _half(words) or _english(words)
        if used and not (words == ["one"] and _is_pronoun(text, match)):
            found.append((match.start(), match.end(), -value if negative else value))
    return found


def _is_pronoun(text: str, found: re.Match[str]) -> bool:
    return bool(
        _ONE_AFTER.match(text, found.end()) or _PRONOUN.search(text[max(0, found.start() - 20) : found.start()])
    )


def spelled(text: str) -> Fraction | None:
    """Return the number that opens `text`, where at most three words follow it; None where no word is a number."""
    chinese = _CHINESE.match(text.strip())
    if chinese:
        return Fraction(_CHINESE_VALUES[chinese[1]])
    words = _WORD.findall(text.casefold()[:200])
    negative = words[:1] in (["minus"], ["negative"])
    words = words[1:] if negative else words
    if words == ["once"]:
        return None  # eleven in Spanish, one time in English
    if words and words[0] in _OTHER_LANGUAGES and words[0] not in _UNITS:
        value, used = Fraction(_OTHER_LANGUAGES[words[0]]), 1
    else:
        value, used = _half(words) or _english(words)
    rest = words[used:]
    if used and words[0] not in _UNITS and _OTHER_LANGUAGES.keys() & rest:
        return None  # "vingt-deux"
    if not used or len(rest) > 3 or rest[:1] in (["of"], ["or"], ["and"], ["to"]):
        return None
    return -value if negative else value


def _half(words: list[str]) -> tuple[Fraction, int] | None:
    """Read half of a large number, "half a dozen", as `_english` does."""
    at = 2 if words[1:2] in (["a"], ["an"]) else 1
    whole = {**_MULTIPLIERS, **_SCALES}.get(words[at]) if words[:1] == ["half"] and len(words) > at else None
    return (Fraction(whole, 2), at + 1) if whole else None


def _english(words: list[str]) -> tuple[Fraction, int]:
    """Read as many number words as there are; return the value and how many words it took (0 for none)."""
    if words[:1] in (["a"], ["an"]) and words[1:2] and words[1] in {*_MULTIPLIERS, *_SCALES, *_PARTS}:
        words = ["one", *words[1:]]
    total = group = Fraction(0)
    position = 0
    while position < len(words):
        word = words[position]
        if word in _UNITS and _fits(group, _UNITS[word]):
            group += _UNITS[word]
        elif word in _MULTIPLIERS and group:
            group *= _MULTIPLIERS[word]
        elif word in _SCALES and group:
            total, group = total + group * _SCALES[word], Fraction(0)
        elif _part(word):
            return (total + group or Fraction(1)) / _part(word), position + 1
        elif not (word == "and" and position and words[position + 1 : position + 2]):
            break
        elif words[position + 1 : position + 3] in (["a", "half"], ["one", "half"]):
            return total + group + Fraction(1, 2), position + 3
        elif words[position + 1] not in _UNITS:
            break
        position += 1
    return total + group, position


def _fits(group: Fraction, unit: int) -> bool:
    """Whether `unit` continues the number: "forty two" does, "five three" does not."""
    last = group % 100
    return last == 0 or (last >= 20 and last % 10 == 0 and 0 < unit < 10)


def _part(word: str) -> int:
    return _PARTS.get(word) or _PARTS.get(word.removesuffix("s"), 0)
