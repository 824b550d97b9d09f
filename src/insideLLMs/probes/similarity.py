"""Checks by degree: token F1, ROUGE, edit similarity; each passes from a threshold on."""

from abc import abstractmethod
from threading import Lock
from typing import ClassVar

from insideLLMs.core.arguments import non_negative, one_of, refuse
from insideLLMs.core.types import Example, JsonValue, Scores, as_text
from insideLLMs.local.embedding import embedding_model, load_embedder, require_embedder
from insideLLMs.probes.check import READINGS, CheckProbe
from insideLLMs.scoring import final_answer
from insideLLMs.scoring.meaning import held_apart
from insideLLMs.scoring.similarity import LONGEST_EDITED, edit_distance, edit_similarity, rouge_l, rouge_n, token_f1

VARIANTS = ("rouge1", "rouge2", "rougeL")


class SimilarityProbe(CheckProbe):
    """Compare an answer with each expected one and keep the best; `correct` from `threshold` on.

    `reading` is `whole`, or `final` for the final answer that the prose comes to.
    """

    measure: ClassVar[str]

    def __init__(
        self, name: str | None, description: str, *, threshold: float, reading: str, template: JsonValue
    ) -> None:
        super().__init__(name, description, template)
        one_of(self.kind, "reading", reading, READINGS)
        if non_negative(self.kind, "threshold", threshold) > 1:
            raise refuse(self.kind, "threshold", threshold, "a share from 0 to 1")
        self.threshold = float(threshold)
        self.reading = reading

    @abstractmethod
    def similarity(self, given: str, expected: str) -> float:
        """Return the similarity of two texts, from 0 to 1."""

    def check(self, example: Example, answer: str) -> Scores:
        """Take the similarity to the nearest expected text."""
        given = final_answer.final_text(answer) if self.reading == "final" else answer
        if given is None:
            return self.failed("there is no final answer")
        said = final_answer.phrases(given, example.text) if self.reading == "final" else (given,)
        accepted = tuple(map(as_text, example.expected))
        best = max(self.similarity(one, value) for one in said for value in accepted)
        passed, why = self.verdict(given, accepted, best)
        return Scores(values={"correct": float(passed), self.measure: best}, passed=passed, explanation=why)

    def verdict(self, given: str, expected: tuple[str, ...], best: float) -> tuple[bool, str]:
        """Say whether an answer passes that is so similar, and why."""
        del given, expected  # named for those who override
        passed = best >= self.threshold
        return passed, f"{self.measure} {best:.3f} is {'at least' if passed else 'below'} {self.threshold:g}"


class F1Probe(SimilarityProbe):
    """Score the F1 of the words that an answer shares with the expected one, as SQuAD does."""

    kind = "f1"
    version = "4"
    measure = "f1"
    score_ranges: ClassVar = {"correct": (0, 1), "f1": (0, 1)}

    def __init__(
        self, name: str | None = None, *, threshold: float = 0.5, reading: str = "whole", template: JsonValue = None
    ) -> None:
        super().__init__(
            name, "Words shared with what is expected.", threshold=threshold, reading=reading, template=template
        )

    def similarity(self, given: str, expected: str) -> float:
        """Return the token F1."""
        return token_f1(given, expected)


class RougeProbe(SimilarityProbe):
    """Score the ROUGE F-measure against the expected text: `variant` rouge1, rouge2 or rougeL.

    Words are not stemmed.
    """

    kind = "rouge"
    version = "4"
    measure = "rouge"
    score_ranges: ClassVar = {"correct": (0, 1), "rouge": (0, 1)}

    def __init__(
        self,
        name: str | None = None,
        *,
        variant: str = "rougeL",
        threshold: float = 0.5,
        reading: str = "whole",
        template: JsonValue = None,
    ) -> None:
        super().__init__(
            name, "Overlap with what is expected.", threshold=threshold, reading=reading, template=template
        )
        one_of(self.kind, "variant", variant, VARIANTS)
        self.variant = variant

    def similarity(self, given: str, expected: str) -> float:
        """Return the variant's F-measure."""
        return rouge_l(given, expected) if self.variant == "rougeL" else rouge_n(given, expected, int(self.variant[-1]))


class EditSimilarityProbe(SimilarityProbe):
    """Score 1 less the edit distance as a share of the longer text.

    With `max_edits`, an answer is right up to so many edits (characters put in, taken out or replaced; every character
    counts), in place of `threshold`.
    """

    kind = "edit_similarity"
    version = "4"
    measure = "similarity"
    score_ranges: ClassVar = {"correct": (0, 1), "similarity": (0, 1)}

    def __init__(
        self,
        name: str | None = None,
        *,
        threshold: float = 0.8,
        max_edits: int | None = None,
        reading: str = "whole",
        template: JsonValue = None,
    ) -> None:
        super().__init__(
            name, "Edit distance to what is expected.", threshold=threshold, reading=reading, template=template
        )
        if max_edits is not None:
            non_negative(self.kind, "max_edits", max_edits)
        self.max_edits = max_edits

    def verdict(self, given: str, expected: tuple[str, ...], best: float) -> tuple[bool, str]:
        """Compare edits, where they are bounded."""
        if self.max_edits is None:
            return super().verdict(given, expected, best)
        edits = min(edit_distance(given[:LONGEST_EDITED], one[:LONGEST_EDITED]) for one in expected)
        return edits <= self.max_edits, f"{edits} edits away, where {self.max_edits:g} are allowed"

    def similarity(self, given: str, expected: str) -> float:
        """Return the edit similarity."""
        return edit_similarity(given, expected)


_MODEL = embedding_model()
_TURN = Lock()  # the embedder remembers texts, and serves one thread at a time


class EmbeddingSimilarityProbe(SimilarityProbe):
    """Score the cosine of an answer and the expected text, by the pinned local model `wordllama`.

    With `guarded`, an answer that turns the expected text around (another number, negation, name, opposite, or a
    refusal) is as unlike as can be: the model alone finds "safe" and "not safe" nearly the same.
    """

    kind = "embedding_similarity"
    measure = "similarity"
    version: ClassVar[str] = (
        f"4 {_MODEL.name} {_MODEL.version} {_MODEL.weights_sha256} {_MODEL.tokenizer_sha256} {_MODEL.algorithm}"
    )
    score_ranges: ClassVar = {"correct": (0, 1), "similarity": (0, 1)}

    def __init__(
        self,
        name: str | None = None,
        *,
        threshold: float = 0.7,
        guarded: bool = True,
        reading: str = "whole",
        template: JsonValue = None,
    ) -> None:
        super().__init__(
            name, "Closeness in meaning to what is expected.", threshold=threshold, reading=reading, template=template
        )
        if not isinstance(guarded, bool):
            raise refuse(self.kind, "guarded", guarded, "true or false")
        self.guarded = guarded

    def complaint(self, example: Example) -> str | None:
        """Raise what is missing of the model before anything is asked; the example itself always does."""
        require_embedder()
        return super().complaint(example)

    def similarity(self, given: str, expected: str) -> float:
        """Return the cosine; below 0 it counts as 0."""
        if self.guarded and held_apart(given, expected) is not None:
            return 0.0
        with _TURN:
            return max(0.0, load_embedder().similarity(given, expected))
