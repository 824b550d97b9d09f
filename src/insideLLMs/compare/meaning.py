"""The semantic level, if asked for: do two texts that differ only in their wording say the same?

Certain things come first. A flipped status, verdict, label, score, value or tool call has a level above this one and is
never weighed; a number, a negation, a refusal and the like hold two texts apart before a model is asked. What is left
has one meaning if the cosine of the two embeddings reaches a threshold.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from insideLLMs.compare.align import FurtherRuns, items_of, probes_told_apart_by_dataset
from insideLLMs.compare.answers.levels import Difference, Level, response_of
from insideLLMs.compare.sides import RunView
from insideLLMs.core.errors import CompareError
from insideLLMs.core.types import EmbeddingModel
from insideLLMs.scoring.meaning import held_apart

Similarity = Callable[[str, str], float]
"""The cosine of two texts, from -1 to 1."""
QUANTILE = 0.01
MIN_PAIRS = 20
"""With fewer pairs of the baseline's own answers there is no threshold."""
_ANSWERS = 6
"""Answers of one item beyond this are not read for the threshold: one item must not outweigh the others."""


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


def own_threshold(baselines: Sequence[RunView], similarity: Similarity) -> tuple[float, str]:
    """Return how close the baseline's own answers are, and in words where that is from.

    Raises CompareError if they are too few.
    """
    cosines = [
        cosine for answers in _own_answers(baselines) for cosine in own_similarities(answers[:_ANSWERS], similarity)
    ]
    threshold = lowest_own_similarity(cosines)
    if threshold is None:
        raise CompareError(
            f"the baseline has {len(cosines)} pairs of answers that differ only in their wording; a threshold takes "
            f"{MIN_PAIRS}",
            fix="give one: --semantic 0.9, or make the baseline with more runs or repeats",
        )
    return threshold, f"1st percentile of {len(cosines):,} pairs of the baseline's own answers"


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


def _own_answers(runs: Sequence[RunView]) -> Iterator[list[str]]:
    """Yield, for each item of the newest run, the texts of its answers of one verdict, over all runs and repeats."""
    newest, named = runs[-1], probes_told_apart_by_dataset(*runs)
    ranks = {subject: place for place, subject in enumerate(newest.subjects)}
    pool = FurtherRuns(runs[:-1], [ranks for _ in runs[:-1]], named)
    for key, trials in items_of(newest, ranks, named):
        first = trials[0]
        kin = [*trials, *(facts for run in pool.take(key) for facts in run)]
        yield [
            response_of(facts).text
            for facts in kin
            if facts.answered and facts.scores == first.scores and facts.example_digest == first.example_digest
        ]
