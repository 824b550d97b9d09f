"""How long an answer is, and which words, letters and case it uses.

A word is a run of letters, digits and inner apostrophes or hyphens. Scripts that write no spaces between words
(Chinese, Japanese, Thai, Lao, Khmer, Burmese) count one word per character, as word processors count Chinese;
Korean has spaces. A sentence ends at ``. ! ?`` followed by space or the end, or at ``。！？।؟``.
"""

import re
import unicodedata

from insideLLMs.scoring.constraints.constraint import Failing, Family, Parameters, within
from insideLLMs.scoring.normalise import fold

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:(?:['’-]|(?<=\d)[.,](?=\d))[^\W_{_UNSPACED}]+)*")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*]*+(?=\s|$)|[。！？।؟]+")
_TITLE = re.compile(
    r"\b(?:mr|mrs|ms|dr|prof|rev|hon|st|mt|capt|col|gen|lt|sgt|gov|sen|rep|messrs|mme|mlle|hr|fr)$", re.IGNORECASE
)
_NEVER_LAST = re.compile(r"\b(?:e\.\s?g|i\.\s?e|vs|cf|viz|approx|ca|esp|z\.\s?b|d\.\s?h|bzw|p\.\s?ej)$", re.IGNORECASE)
_NUMBERED = re.compile(r"\b(?:no|nos|nr|fig|figs|vol|ch|p|pp|sec|eq|art|tab|ex|v|ver)$", re.IGNORECASE)
_SOMETIMES_LAST = re.compile(
    r"\b(?:etc|inc|ltd|co|corp|jr|sr|al|ed|dept|est|ave|blvd|ph\.d|ft|lbs?|oz|hrs?|mins?|secs?|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|(?:[a-z]\.)+[a-z])$",
    re.IGNORECASE,
)
_STARTER = re.compile(
    r"(?:he|she|it|they|we|i|you|the|this|that|these|those|there|then|but|and|so|however|if|when|as|in|on|at|for|my|our"
    r"|his|her|their|its|an?|what|why|how|no|yes|later|after|now)\b",
    re.IGNORECASE,
)
_BEFORE_A_NAME = frozenset({"by", "of", "and", "with", "from", "to", "for", "as", "met", "see"})
_BEFORE_A_LETTER = frozenset(
    {"option", "answer", "plan", "type", "class", "group", "grade", "part", "section", "vitamin", "rated", "appendix"}
)
_LIST_MARK = re.compile(r"(?:^|\n)[ \t]{0,4}\d{1,3}$")


def words(text: str) -> list[str]:
    """Return the words of `text`."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """Return the sentences of `text`; a line break without a stop ends one only between paragraphs."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        start = 0
        for end in _SENTENCE_END.finditer(paragraph):
            before = paragraph[max(start, end.start() - 24) : end.start()]
            after = paragraph[end.end() : end.end() + 12].lstrip(" \t\n\"'“‘(*_")
            if after and _goes_on(before, end.group(), after):
                continue
            found.append(paragraph[start : end.end()])
            start = end.end()
        found.append(paragraph[start:])
    return [sentence.strip() for sentence in found if _WORD.search(sentence)]


def _goes_on(before: str, stop: str, after: str) -> bool:
    """Whether a sentence goes on behind a stop: of an abbreviation, an initial, a list's number, or quoted speech."""
    small = after[0].islower()
    if stop != ".":
        return small and (len(stop) > 1 and (stop[-1] in "\"'”’)" or not set(stop) - {".", "…"}))
    if _LIST_MARK.search(before) or _TITLE.search(before) or _NEVER_LAST.search(before):
        return True
    if _SOMETIMES_LAST.search(before):
        return not after[0].isupper() or (before[-2:-1] == "." and not _STARTER.match(after))
    return (bool(_NUMBERED.search(before)) and after[0].isdigit()) or _is_initial(before.split(), after)


def _is_initial(words_before: list[str], after: str) -> bool:
    """Whether the last word before a stop is a letter that stands for a name, or a small one that marks an item."""
    *others, letter = words_before or [""]
    if len(letter) != 1 or not letter.isalpha():
        return False
    if after[0].islower():
        return True
    previous = others[-1] if others else ""
    if letter.islower() or (_STARTER.match(after) and after[1:2] != ".") or previous.casefold() in _BEFORE_A_LETTER:
        return False
    return not previous or previous in _BEFORE_A_NAME or (previous[0].isupper() and previous[-1] != ":")


def paragraphs(text: str, separator: str | None = None) -> list[str]:
    """Return the paragraphs of `text`: between blank lines, or between `separator`."""
    parts = text.split(separator) if separator else re.split(r"\n\s*\n", text)
    return [part.strip() for part in parts if part.strip()]


def _words(text: str, parameters: Parameters) -> Failing:
    return within(len(words(text)), "words", parameters)


def _sentences(text: str, parameters: Parameters) -> Failing:
    return within(len(sentences(text)), "sentences", parameters)


def _paragraphs(text: str, parameters: Parameters) -> Failing:
    return within(len(paragraphs(text, parameters.get("separator"))), "paragraphs", parameters)


def _lines(text: str, parameters: Parameters) -> Failing:
    return within(sum(bool(line.strip()) for line in text.splitlines()), "lines", parameters)


def _characters(text: str, parameters: Parameters) -> Failing:
    return within(len(text.strip()), "characters", parameters)


def _paragraph_first_word(text: str, parameters: Parameters) -> Failing:
    number, wanted = int(parameters["paragraph"]), str(parameters["word"])
    found = paragraphs(text)
    if not 1 <= number <= len(found):
        return f"there is no paragraph {number}; there are {len(found)}"
    first = next(iter(words(found[number - 1])), "")
    return (
        None if first.casefold() == wanted.casefold() else f"paragraph {number} begins with {first!r}, not {wanted!r}"
    )


def occurrences(text: str, word: str) -> int:
    """Count `word` (or phrase) in `text`, whole and without regard to case."""
    return len(re.findall(rf"(?<!\w){re.escape(fold(word))}(?!\w)", fold(text)))


def _keywords(text: str, parameters: Parameters) -> Failing:
    missing = [word for word in parameters["words"] if not occurrences(text, word)]
    return f"without {', '.join(map(repr, missing))}" if missing else None


def _forbidden_words(text: str, parameters: Parameters) -> Failing:
    used = [word for word in parameters["words"] if occurrences(text, word)]
    return f"uses {', '.join(map(repr, used))}" if used else None


def _keyword_frequency(text: str, parameters: Parameters) -> Failing:
    word = str(parameters["word"])
    return within(occurrences(text, word), f"times {word!r}", parameters)


def _letter_frequency(text: str, parameters: Parameters) -> Failing:
    letter = str(parameters["letter"])
    return within(text.casefold().count(letter.casefold()), f"times {letter!r}", parameters)


def _all_upper(text: str, _parameters: Parameters) -> Failing:
    small = next((char for char in text if char.islower()), None)
    return _cased(text, f"has the small letter {small!r}" if small else None)


def _all_lower(text: str, _parameters: Parameters) -> Failing:
    capital = next((char for char in text if char.isupper() or char.istitle()), None)
    return _cased(text, f"has the capital {capital!r}" if capital else None)


def _cased(text: str, fault: Failing) -> Failing:
    """Return `fault`, or that the text has no letter at all."""
    return fault or (None if any(char.isalpha() for char in text) else "has no letters")


def _capital_words(text: str, parameters: Parameters) -> Failing:
    capitals = [word for word in words(text) if word.isupper() and any(char.isalpha() for char in word)]
    return within(len(capitals), "words in capitals", parameters)


def _no_comma(text: str, _parameters: Parameters) -> Failing:
    commas = sum(text.count(comma) for comma in ",，、،")
    return f"has {commas} comma{'s' if commas > 1 else ''}" if commas else None


def _script(text: str, parameters: Parameters) -> Failing:
    wanted = str(parameters["name"]).upper()
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return "has no letters"
    inside = sum(unicodedata.name(char, "").startswith(wanted) for char in letters)
    if inside / len(letters) >= 0.9:
        return None
    return f"only {inside} of {len(letters)} letters are {parameters['name']}"


FAMILIES = {
    "words": Family(check=_words, counts=True),
    "sentences": Family(check=_sentences, counts=True),
    "paragraphs": Family(check=_paragraphs, counts=True, optional={"separator": "text"}),
    "lines": Family(check=_lines, counts=True),
    "characters": Family(check=_characters, counts=True),
    "paragraph_first_word": Family(check=_paragraph_first_word, required={"paragraph": "count", "word": "text"}),
    "keywords": Family(check=_keywords, required={"words": "texts"}),
    "forbidden_words": Family(check=_forbidden_words, required={"words": "texts"}),
    "keyword_frequency": Family(check=_keyword_frequency, required={"word": "text"}, counts=True),
    "letter_frequency": Family(check=_letter_frequency, required={"letter": "text"}, counts=True),
    "all_upper": Family(check=_all_upper),
    "all_lower": Family(check=_all_lower),
    "capital_words": Family(check=_capital_words, counts=True),
    "no_comma": Family(check=_no_comma),
    "script": Family(check=_script, required={"name": "text"}),
}
