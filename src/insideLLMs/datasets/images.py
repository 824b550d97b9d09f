"""Image files that examples name: read once, and sent as data URLs."""

import base64
import hashlib
from pathlib import Path

import msgspec

from insideLLMs.core.errors import DatasetError
from insideLLMs.datasets.source import near_files

LARGEST_IMAGE = 20 << 20
"""Bytes; OpenAI, Anthropic and Gemini refuse larger ones, or smaller ones already."""
_HEADS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


class Images(msgspec.Struct):
    """The image files of a dataset, which lie in its `folder` or below."""

    folder: Path | None
    _seen: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """SHA-256 over the digests of all images read so far, by name; None where there were none."""
        if not self._seen:
            return None
        return hashlib.sha256("".join(digest for _, digest in sorted(self._seen.items())).encode()).hexdigest()

    def data_url(self, name: str) -> str:
        """Read an image. Raises DatasetError for what is none, is too large, lies elsewhere, or has changed.

        A dataset may come from a stranger: whatever else it names on this machine is never read, let alone sent.
        """
        content = self._read(name)
        kind = _kind_of(content)
        if kind is None:
            raise DatasetError(f"image {name!r} is not a PNG, JPEG, GIF or WebP file")
        digest = hashlib.sha256(content).hexdigest()
        if self._seen.setdefault(name, digest) != digest:
            raise DatasetError(f"image {name!r} changed while it was in use")
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"

    def _read(self, name: str) -> bytes:
        if self.folder is None:
            raise DatasetError(f"image {name!r} is a file, but this dataset has no folder to look it up in")
        folder = self.folder.resolve()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            raise DatasetError(f"image {name!r} lies outside of the dataset's folder; put a copy beside the dataset")
        if not path.is_file():
            near = near_files(path)
            raise DatasetError(
                f"image {name!r}: there is no such file" + (f" (did you mean {near[0]}?)" if near else "")
            )
        if path.stat().st_size > LARGEST_IMAGE:
            raise DatasetError(f"image {name!r} is larger than {LARGEST_IMAGE >> 20} MB")
        return path.read_bytes()


def _kind_of(content: bytes) -> str | None:
    """Tell the media type by the first bytes: a suffix may lie."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for head, kind in _HEADS.items() if content.startswith(head)), None)
