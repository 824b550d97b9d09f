"""The semantic level of a comparison: the pinned embedding model, and who sets the threshold."""

from collections.abc import Iterator, Sequence

from insideLLMs.compare import RunView
from insideLLMs.compare.align import FurtherRuns, items_of, probes_told_apart_by_dataset
from insideLLMs.compare.levels import response_of
from insideLLMs.compare.meaning import MIN_PAIRS, Meaning, lowest_own_similarity, own_similarities
from insideLLMs.compare.view import view_of
from insideLLMs.core.errors import CompareError
from insideLLMs.local.embedding import embedding_model, load_embedder
from insideLLMs.store.sealed_run import SealedRun

_ANSWERS = 6
"""Answers of one item beyond this are not read for the threshold: one item must not outweigh the others."""


def load_meaning(threshold: float | None, baselines: Sequence[SealedRun]) -> Meaning:
    """Load the embedding model; without a threshold the baseline's own answers set it.

    Raises ModelUnavailableError if the model is not here, CompareError for a threshold that there cannot be.
    """
    similarity = load_embedder().similarity
    told = "given"
    if threshold is None:
        cosines = [
            cosine
            for answers in _own_answers([view_of(run) for run in baselines])
            for cosine in own_similarities(answers[:_ANSWERS], similarity)
        ]
        threshold = lowest_own_similarity(cosines)
        if threshold is None:
            raise CompareError(
                f"the baseline has {len(cosines)} pairs of answers that differ in their wording alone; a threshold "
                f"takes {MIN_PAIRS}",
                fix="give one: --semantic 0.9, or make the baseline with more runs or repeats",
            )
        told = f"1st percentile of {len(cosines):,} pairs of the baseline's own answers"
    elif not 0.0 < threshold <= 1.0:
        raise CompareError(f"the semantic threshold is {threshold!r}", fix="give a cosine above 0 and at most 1")
    return Meaning(model=embedding_model(), similarity=similarity, threshold=threshold, threshold_from=told)


def _own_answers(runs: Sequence[RunView]) -> Iterator[list[str]]:
    """Yield, for each item of the newest run, the texts of its answers of one verdict, over all runs and repeats."""
    newest, named = runs[-1], probes_told_apart_by_dataset(*runs)
    ranks = {model: place for place, model in enumerate(newest.models)}
    pool = FurtherRuns(runs[:-1], [ranks for _ in runs[:-1]], named)
    for key, trials in items_of(newest, ranks, named):
        first = trials[0]
        kin = [*trials, *(facts for run in pool.take(key) for facts in run)]
        yield [
            response_of(facts).text
            for facts in kin
            if facts.answered and facts.scores == first.scores and facts.example_digest == first.example_digest
        ]
