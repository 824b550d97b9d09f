"""Byte-pair tokens as the tokenizer file of a Llama model defines them, word by word.

No merge joins two words: a token has its space mark at its start, or nowhere. So every word is split once and
remembered.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from insideLLMs.core.errors import ModelUnavailableError

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
                f"{path} is no tokenizer: {error}", fix="remove it, and pull the weights again"
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
