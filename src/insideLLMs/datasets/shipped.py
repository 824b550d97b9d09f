"""The datasets that come with the package: their names, sizes, licence and digests."""

import hashlib
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parents[1] / "data"


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset: `sha256` is over its file's bytes, as run directories have it."""

    name: str
    about: str
    examples: int
    licence: str
    sha256: str


class _Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    licence: str
    origin: str
    sets: dict[str, str]
    sha256: dict[str, str]


def shipped_datasets() -> tuple[Shipped, ...]:
    """Return all of them by name."""
    index = msgspec.json.decode((FOLDER / "index.json").read_bytes(), type=_Index)
    return tuple(_describe(name, about, index.licence) for name, about in sorted(index.sets.items()))


def _describe(name: str, about: str, licence: str) -> Shipped:
    content = (FOLDER / f"{name}.jsonl").read_bytes()
    return Shipped(
        name=name,
        about=about,
        examples=content.count(b"\n"),
        licence=licence,
        sha256=hashlib.sha256(content).hexdigest(),
    )
