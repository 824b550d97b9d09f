"""Which words, letters and case an answer uses."""

import re
import unicodedata

from insideLLMs.scoring.constraints.length import words
from insideLLMs.scoring.constraints.model import Failing, Family, Parameters, within
from insideLLMs.scoring.text import fold


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
