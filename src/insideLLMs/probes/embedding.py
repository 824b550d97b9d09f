"""A check by meaning: the cosine that a local embedding model gives an answer and what is expected."""

from threading import Lock
from typing import ClassVar

from insideLLMs.core.arguments import refuse
from insideLLMs.core.types import Example
from insideLLMs.local.embedding import embedding_model, load_embedder, require_embedder
from insideLLMs.probes.similarity import SimilarityProbe
from insideLLMs.scoring.meaning import held_apart

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
        f"1 {_MODEL.name} {_MODEL.version} {_MODEL.weights_sha256} {_MODEL.tokenizer_sha256} {_MODEL.algorithm}"
    )
    score_ranges: ClassVar = {"correct": (0, 1), "similarity": (0, 1)}

    def __init__(
        self,
        name: str | None = None,
        *,
        threshold: float = 0.7,
        guarded: bool = True,
        reading: str = "whole",
        template: str | None = None,
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
