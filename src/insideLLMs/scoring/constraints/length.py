"""How long an answer is: words, sentences, paragraphs, lines, characters.

A word is a run of letters, digits and inner apostrophes or hyphens. Scripts that write no spaces between words
(Chinese, Japanese, Thai, Lao, Khmer, Burmese) count one word per character, as word processors count Chinese;
Korean has spaces. A sentence ends at ``. ! ?`` followed by space or the end, or at ``。！？।؟``.
"""

import re

from insideLLMs.scoring.constraints.model import Failing, Family, Parameters, within

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+(?:(?:['’-]|(?<=\d)[.,](?=\d))[^\W_{_UNSPACED}]+)*")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*]*+(?=\s|$)|[。！？।؟]+")
_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|prof|sr|jr|st|vs|etc|e\.g|i\.e|cf|no|fig|approx|[a-z])$", re.IGNORECASE)
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
            before = paragraph[max(start, end.start() - 12) : end.start()]
            inner = end.end() < len(paragraph) and end.group() == "."
            if inner and (_LIST_MARK.search(before) or _ABBREVIATION.search(before)):
                continue
            found.append(paragraph[start : end.end()])
            start = end.end()
        found.append(paragraph[start:])
    return [sentence.strip() for sentence in found if _WORD.search(sentence)]


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


FAMILIES = {
    "words": Family(check=_words, counts=True),
    "sentences": Family(check=_sentences, counts=True),
    "paragraphs": Family(check=_paragraphs, counts=True, optional={"separator": "text"}),
    "lines": Family(check=_lines, counts=True),
    "characters": Family(check=_characters, counts=True),
    "paragraph_first_word": Family(check=_paragraph_first_word, required={"paragraph": "count", "word": "text"}),
}
