"""How close two texts are in meaning, by the sum of their tokens' vectors: small, quick, and the same everywhere.

The vectors are WordLlama's (l2_supercat, 256 numbers a token). A sum of vectors knows no word order and hardly a
negation: "approved" and "not approved" are nearly one text to it. Check the texts with
`insideLLMs.scoring.meaning` before you trust a similarity.

Half-precision vectors are summed in double precision, which is exact: no order of the summands, machine or library
moves a digit; the cosine is rounded to six decimals, far above what is left of rounding errors.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import util
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.core.errors import ModelUnavailableError
from insideLLMs.core.types import EmbeddingModel
from insideLLMs.local import weights

if TYPE_CHECKING:
    import numpy as np

MODEL = "wordllama"
READ_CHARACTERS = 20_000
"""Characters of a text that are read."""
_DECIMALS = 6
_WIDTH = 256
_REMEMBERED_TEXTS = 4096


_SPACE = "▁"
_WORD = re.compile(f"{_SPACE}+[^{_SPACE}]*")
_REMEMBERED_WORDS = 200_000
_LONGEST_WORD = 200
"""Characters of one word that are merged at once: a text without spaces is cut, so that its cost stays linear."""


class _Model(msgspec.Struct, frozen=True):
    vocab: dict[str, int]
    merges: list[str]


class _File(msgspec.Struct, frozen=True):
    model: _Model


class Tokens:
    """Splits texts into token ids."""

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[str]) -> None:
        self._ids = vocabulary
        self._ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(merges)}
        self._known: dict[str, tuple[int, ...]] = {}

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        """Read a tokenizer's JSON file. Raises ModelUnavailableError if it is none."""
        try:
            model = msgspec.json.decode(path.read_bytes(), type=_File).model
        except (OSError, msgspec.DecodeError) as error:
            raise ModelUnavailableError(
                f"{path} is not a tokenizer: {error}", fix="remove it, and pull the weights again"
            ) from error
        return cls(model.vocab, model.merges)

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text; what no token covers is spelt in bytes."""
        found: list[int] = []
        for word in _WORD.findall(_SPACE + text.replace(" ", _SPACE)):
            tokens = self._known.get(word)
            if tokens is None:
                tokens = self._remember(word)
            found += tokens
        return found

    def _remember(self, word: str) -> tuple[int, ...]:
        if len(self._known) >= _REMEMBERED_WORDS:
            self._known.clear()
        pieces = (word[start : start + _LONGEST_WORD] for start in range(0, len(word), _LONGEST_WORD))
        tokens = self._known[word] = tuple(token for piece in pieces for token in self._merge(list(piece)))
        return tokens

    def _merge(self, parts: list[str]) -> list[int]:
        """Join the neighbours of the lowest rank until no two can be joined."""
        never = len(self._ranks)
        while len(parts) > 1:
            rank, place = min((self._ranks.get(pair, never), place) for place, pair in enumerate(pairwise(parts)))
            if rank == never:
                break
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return [token for part in parts for token in self._spell(part)]

    def _spell(self, part: str) -> list[int]:
        token = self._ids.get(part)
        return [token] if token is not None else [self._ids[f"<0x{byte:02X}>"] for byte in part.encode()]


def embedding_model() -> EmbeddingModel:
    """Return the pinned model; it need not be here."""
    pinned = weights.WEIGHTS[MODEL]
    vectors, tokenizer = pinned.files
    return EmbeddingModel(
        name=MODEL,
        version=pinned.version,
        weights_sha256=vectors.sha256,
        tokenizer_sha256=tokenizer.sha256,
        algorithm="sum-of-tokens/1",
    )


class Embedder:
    """Embeds texts and computes their cosine. Not thread-safe."""

    def __init__(self, vectors: "np.ndarray", tokens: Tokens) -> None:
        self._vectors = vectors
        self._tokens = tokens
        self._known: dict[str, np.ndarray] = {}

    def similarity(self, one: str, two: str) -> float:
        """Return the cosine of two texts, from -1 to 1; with a text without a token it is 0."""
        left, right = self._embed(one), self._embed(two)
        size = float((left @ left) * (right @ right)) ** 0.5
        return max(-1.0, min(1.0, round(float(left @ right) / size, _DECIMALS))) if size else 0.0

    def _embed(self, text: str) -> "np.ndarray":
        read = text[:READ_CHARACTERS].strip()
        found = self._known.get(read)
        if found is None:
            if len(self._known) >= _REMEMBERED_TEXTS:
                self._known.clear()
            ids = self._tokens.ids(read) if read else self._vectors[:0, 0].astype("i8")
            found = self._known[read] = self._vectors[ids].sum(axis=0, dtype="f8")
        return found


@cache
def load_embedder() -> Embedder:
    """Load the pinned model. Raises ModelUnavailableError, naming the command that helps, if it is not installed."""
    require_embedder()
    vectors_path, tokenizer_path = weights.find(MODEL, "embeddings") or ()
    for file, path in zip(weights.WEIGHTS[MODEL].files, (vectors_path, tokenizer_path), strict=True):
        if weights.digest(path) != file.sha256:
            raise ModelUnavailableError(
                f"{path} does not have the expected sha256", fix=f"remove it, then: insidellms model pull {MODEL}"
            )
    return Embedder(_read_vectors(vectors_path), Tokens.read(tokenizer_path))


def require_embedder() -> None:
    """Raise ModelUnavailableError, naming the command that helps, if numpy or the weights are missing."""
    if util.find_spec("numpy") is None:
        raise ModelUnavailableError(
            "semantic comparison needs the package numpy, which is not installed",
            fix=f"{Path(sys.executable).name} -m pip install 'insidellms[semantic]'",
        )
    if weights.find(MODEL, "embeddings") is None:
        raise ModelUnavailableError(
            f"the weights of the embedding model {MODEL!r} are not installed", fix=f"insidellms model pull {MODEL}"
        )


def _read_vectors(path: Path) -> "np.ndarray":
    """Read the one tensor of a safetensors file: eight bytes of header length, a JSON header, the numbers."""
    import numpy as np  # noqa: PLC0415 - an optional extra

    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    return np.frombuffer(raw, dtype="<f2", offset=start).reshape(-1, _WIDTH)
