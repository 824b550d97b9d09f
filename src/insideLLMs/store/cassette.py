"""Cassettes: recorded answers by request key, for runs without keys and network, in a file made for git.

One exchange a line, as canonical JSON, sorted by model, then key: an edited prompt changes its own lines only.
While recording, answers are appended to ``FILE.partial`` at once, so that a killed run loses none of them.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CassetteError
from insideLLMs.core.types import Exchange, Response

_decode = msgspec.json.Decoder(Exchange).decode


class CassetteRecorder:
    """Keeps every answer of a run. `is_resumed` goes on with what an interrupted recording left."""

    closed = False
    takes_user_code = True

    def __init__(self, path: Path, *, is_resumed: bool) -> None:
        self.path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._has_all = not is_resumed
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._partial.open("ab" if is_resumed else "wb")
        except OSError as error:
            raise _unwritable(path, error) from error

    def find(self, key: str, model_digest: str) -> Response | None:  # noqa: ARG002 - the store's contract
        """Find nothing: what is recorded is asked."""
        return None

    def keep(self, exchange: Exchange) -> None:
        """Append an answer. Raises CassetteError if the disk refuses."""
        try:
            self._file.write(canonical.line(exchange) + b"\n")
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Let go of the file; what was recorded stays in the partial one."""
        self._file.close()

    def finish(self) -> None:
        """Sort what was recorded into the cassette; a resumed recording keeps what the cassette had before."""
        self.close()
        lines: dict[tuple[str, str], bytes] = {}
        sources = [self._partial] if self._has_all or not self.path.exists() else [self.path, self._partial]
        for source in sources:
            for exchange, line in read_cassette(source, torn_end=source == self._partial):
                lines[exchange.model, exchange.key] = line
        draft = self.path.with_name(f"{self.path.name}.tmp")
        try:
            with draft.open("wb") as file:
                file.writelines(lines[name] + b"\n" for name in sorted(lines))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
            self._partial.unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from error


class CassettePlayer:
    """Stands in for the models: every answer comes from the file. Raises CassetteError if that cannot be read."""

    closed = True
    takes_user_code = True

    def __init__(self, path: Path) -> None:
        self._answers: dict[str, tuple[str, Response]] = {}
        for exchange, _ in read_cassette(path):
            self._answers[exchange.key] = exchange.model_digest, exchange.response

    def find(self, key: str, model_digest: str) -> Response | None:
        """Return the recorded answer to a request."""
        digest, response = self._answers.get(key, ("", None))
        return response if digest == model_digest else None

    def keep(self, exchange: Exchange) -> None:
        """Keep nothing: nothing was asked."""

    def close(self) -> None:
        """There is nothing to close."""


def read_cassette(path: Path, *, torn_end: bool = False) -> Iterator[tuple[Exchange, bytes]]:
    """Yield each exchange with its line. With `torn_end`, a last line without an end is left out."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if torn_end and not line.endswith(b"\n"):
                    return
                yield _read(path, number, line), line.rstrip(b"\n")
    except OSError as error:
        raise CassetteError(
            f"the cassette {path} cannot be read: {error.strerror}", fix=f"make one: insidellms run ... --record {path}"
        ) from error


def _read(path: Path, number: int, line: bytes) -> Exchange:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        return _decode(line)
    raise CassetteError(
        f"{path}, line {number} is no recorded answer", fix="was it edited? restore it, or record it anew"
    )


def _unwritable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be written: {error.strerror or error}", fix="check the folder and the disk's space"
    )
