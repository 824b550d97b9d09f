"""Questions that are alike: the same but for case, spaces, marks and long numbers; nearly the same; or similar.

Nearly the same are two with a token F1 of 0.9 that nothing keeps apart: no negation, opposite, name or number. Similar
are two with a token F1 of 0.6. Both are `scoring.similarity` and `scoring.meaning`, which comparisons use, too.
"""

import hashlib
import re
from collections import Counter

from insideLLMs.core.types import Example
from insideLLMs.scoring.meaning import held_apart
from insideLLMs.scoring.normalise import fold
from insideLLMs.scoring.similarity import tokens

NEARLY_THE_SAME, SIMILAR = 0.9, 0.6
METHOD = f"token F1 of {SIMILAR} or more"
_READ_CHARACTERS = 20_000
_LONG_NUMBER = re.compile(r"\d{4,}")
"""The number of an order, a customer, a year: short ones are often what is asked about."""
_MARKS = re.compile(r"[^\w+*/=<>%$€£-]+")


def question_of(example: Example) -> str:
    """Return what an example asks as one text; of a chat, all its turns."""
    if isinstance(example.input, str):
        return example.input
    return "\n".join(f"{message.role}: {message.text}" for message in example.input)


def same_question(example: Example) -> int:
    """Return 64 bits that two questions share that differ in case, spaces, marks and long numbers at most."""
    text = question_of(example)
    plain = _MARKS.sub(" ", _LONG_NUMBER.sub("0000", fold(text[:_READ_CHARACTERS]))).strip()
    told = f"{plain}\n{text[_READ_CHARACTERS:]}" if plain else text
    return int.from_bytes(hashlib.blake2b(told.encode("utf-8", "replace"), digest_size=8).digest(), "little")


class Questions:
    """The questions of examples, by number, to be asked which is closest to another."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._sizes: list[int] = []
        self._places: dict[str, list[tuple[int, int]]] = {}

    def add(self, text: str) -> None:
        """Add a question; its number is how many there were before."""
        words = _words(text)
        for word, count in words.items():
            self._places.setdefault(word, []).append((len(self._texts), count))
        self._texts.append(text)
        self._sizes.append(words.total())

    def twin(self, text: str) -> int | None:
        """Return the number of a question that is nearly the same; None where none is."""
        number, share = self.closest(text)
        return number if share >= NEARLY_THE_SAME and held_apart(self._texts[number], text) is None else None

    def closest(self, text: str) -> tuple[int, float]:
        """Return the number of the closest question with its token F1; (-1, 0.0) where none shares a word."""
        words = _words(text)
        shared: Counter[int] = Counter()
        for word, count in words.items():
            for number, other in self._places.get(word, ()):
                shared[number] += min(count, other)
        size = words.total()
        scored = ((2 * both / (size + self._sizes[number]), -number) for number, both in shared.items())
        share, number = max(scored, default=(0.0, 1))
        return -number, share


def _words(text: str) -> Counter[str]:
    return Counter(tokens(text[:_READ_CHARACTERS], keep_articles=False))
