"""How alike two texts are, from 0 to 1: token F1, ROUGE-N and ROUGE-L, edit similarity. Symmetric.

Subsequences and edit distances are computed on bit vectors (Hyyrö 2004; Myers 1999 as Hyyrö wrote it in 2003),
so that the cost of two long answers stays well under a second.
"""

import re
from collections import Counter
from collections.abc import Sequence

from insideLLMs.scoring.constraints.wording import words
from insideLLMs.scoring.normalise import bounded, comparable

LONGEST_EDITED = 20_000
"""Characters of a text that edit similarity reads."""

_ARTICLES = frozenset({"a", "an", "the"})
_POSSESSIVE = re.compile(r"['’]s\b")


def tokens(text: str, *, keep_articles: bool = True) -> list[str]:
    """Return the words of `text` in one case; scripts without spaces count by character."""
    found = words(_POSSESSIVE.sub("", comparable(bounded(text), ignore_case=True)))
    return found if keep_articles else [word for word in found if word not in _ARTICLES]


def token_f1(given: str, expected: str) -> float:
    """Return the F1 of the two bags of words, articles left out, as SQuAD counts it (arXiv 1606.05250)."""
    return _overlap(tokens(given, keep_articles=False), tokens(expected, keep_articles=False))


def rouge_n(given: str, expected: str, n: int) -> float:
    """Return the F-measure of shared n-grams (Lin 2004)."""
    return _overlap(ngrams(tokens(given), n), ngrams(tokens(expected), n))


def rouge_l(given: str, expected: str) -> float:
    """Return the F-measure of the longest common subsequence of words (Lin 2004)."""
    left, right = tokens(given), tokens(expected)
    if not left or not right:
        return float(left == right)
    return 2 * common_subsequence(left, right) / (len(left) + len(right))


def edit_similarity(given: str, expected: str) -> float:
    """Return 1 less the edit distance as a share of the longer text; case counts, runs of space do not."""
    left = comparable(given, ignore_case=False)[:LONGEST_EDITED]
    right = comparable(expected, ignore_case=False)[:LONGEST_EDITED]
    longest = max(len(left), len(right))
    return 1 - edit_distance(left, right) / longest if longest else 1.0


def ngrams(items: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return all runs of `n` neighbours."""
    return [tuple(items[start : start + n]) for start in range(len(items) - n + 1)]


def common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    places = _places(right)
    full = (1 << len(right)) - 1
    row = full
    for item in left:
        matches = row & places.get(item, 0)
        row = ((row + matches) | (row - matches)) & full
    return len(right) - row.bit_count()


def edit_distance(left: str, right: str) -> int:
    """Return how many characters must be put in, taken out or replaced (Levenshtein)."""
    if not left or not right:
        return max(len(left), len(right))
    places = _places(left)
    full, last = (1 << len(left)) - 1, 1 << (len(left) - 1)
    more, less, distance = full, 0, len(left)
    for character in right:
        match = places.get(character, 0)
        diagonal = (((match & more) + more) ^ more) | match | less
        up = less | (full & ~(diagonal | more))
        down = more & diagonal
        distance += bool(up & last) - bool(down & last)
        up = (up << 1) | 1
        more = ((down << 1) | (full & ~(diagonal | up))) & full
        less = up & diagonal & full
    return distance


def _places(items: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for position, item in enumerate(items):
        places[item] = places.get(item, 0) | 1 << position
    return places


def _overlap(given: Sequence[object], expected: Sequence[object]) -> float:
    if not given or not expected:
        return float(not given and not expected)
    shared = (Counter(given) & Counter(expected)).total()
    return 2 * shared / (len(given) + len(expected))
