"""The semantic level, if asked for: do two texts that differ in their wording alone say the same?

Certain things come first. A flipped status, verdict, label, score, value or tool call has a level above this one and is
never weighed; a number, a negation, a refusal and the like hold two texts apart before a model is asked. What is left
has one meaning if the cosine of the two embeddings reaches a threshold.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from insideLLMs.compare.levels import Difference, Level
from insideLLMs.core.types import EmbeddingModel
from insideLLMs.scoring.meaning import held_apart

Similarity = Callable[[str, str], float]
"""The cosine of two texts, from -1 to 1."""
QUANTILE = 0.01
MIN_PAIRS = 20
"""With fewer pairs of the baseline's own answers there is no threshold to be had of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What tells whether two texts say the same; `threshold_from` says who set the threshold."""

    model: EmbeddingModel
    similarity: Similarity
    threshold: float
    threshold_from: str

    def weigh(self, baseline: str, candidate: str) -> Difference:
        """Weigh two texts that differ in their wording."""
        apart = held_apart(baseline, candidate)
        if apart is not None:
            note = f"text differs: {apart.check}, {apart.saw}"
            return Difference(Level.SEMANTIC, note, held_apart=apart.check)
        cosine = self.similarity(baseline, candidate)
        if cosine >= self.threshold:
            note = f"text differs, meaning does not: cosine {cosine:.3f}, at least {self.threshold:.3f}"
            return Difference(Level.NORMALISED, note, same_meaning=True, similarity=cosine)
        note = f"text differs: cosine {cosine:.3f}, below {self.threshold:.3f}"
        return Difference(Level.SEMANTIC, note, similarity=cosine)


def lowest_own_similarity(cosines: Sequence[float]) -> float | None:
    """Return the 1st percentile (nearest rank) of how close an unchanged system's answers are; None of too few."""
    if len(cosines) < MIN_PAIRS:
        return None
    return sorted(cosines)[math.ceil(QUANTILE * len(cosines)) - 1]


def own_similarities(answers: Sequence[str], similarity: Similarity) -> Iterator[float]:
    """Yield how close the different answers to one question are, of those pairs that a model would be asked about."""
    for one, two in combinations(dict.fromkeys(answers), 2):
        if held_apart(one, two) is None:
            yield similarity(one, two)
