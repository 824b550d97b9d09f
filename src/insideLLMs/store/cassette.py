"""Cassettes: recorded answers by request key, for runs without keys and network, in a file made for git.

One exchange a line, as canonical JSON, sorted by model, then key: an edited prompt changes its own lines only.
Before them stands, for each model that ran on the machine itself, what its identity holds of that machine.
While recording, answers are appended to ``FILE.partial`` at once, so that a killed run loses none of them.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CassetteError
from insideLLMs.core.types import Exchange, JsonValue, Response


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a LocalModel's identity held of the machine that recorded it, under its origin; `model` is its label."""

    model: str
    origin: str
    facts: dict[str, JsonValue]


_decode_exchange = msgspec.json.Decoder(Exchange).decode
_decode_facts = msgspec.json.Decoder(ModelFacts).decode


class CassetteRecorder:
    """Keeps every answer of a run, and the facts of its models.

    `is_resumed` goes on with what an interrupted recording left.
    """

    closed = False
    takes_user_code = True

    def __init__(self, path: Path, models: Sequence[ModelFacts] = (), *, is_resumed: bool) -> None:
        self.path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._has_all = not is_resumed
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._partial.open("ab" if is_resumed else "wb")
        except OSError as error:
            raise _unwritable(path, error) from error
        for facts in models:
            self._append(facts)

    def find(self, key: str, model_digest: str) -> Response | None:  # noqa: ARG002 - the store's contract
        """Find nothing: what is recorded is asked."""
        return None

    def keep(self, exchange: Exchange) -> None:
        """Append an answer. Raises CassetteError if the disk refuses."""
        self._append(exchange)

    def _append(self, entry: Exchange | ModelFacts) -> None:
        try:
            self._file.write(canonical.line(entry) + b"\n")
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Let go of the file; what was recorded stays in the partial one."""
        self._file.close()

    def finish(self) -> None:
        """Sort what was recorded into the cassette; a resumed recording keeps what the cassette had before."""
        self.close()
        lines: dict[tuple[bool, str, str], bytes] = {}
        sources = [self._partial] if self._has_all or not self.path.exists() else [self.path, self._partial]
        for source in sources:
            for entry, line in read_cassette(source, torn_end=source == self._partial):
                is_answer = isinstance(entry, Exchange)
                lines[is_answer, entry.model, entry.key if isinstance(entry, Exchange) else entry.origin] = line
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
        for entry, _ in read_cassette(path):
            if isinstance(entry, Exchange):
                self._answers[entry.key] = entry.model_digest, entry.response

    def find(self, key: str, model_digest: str) -> Response | None:
        """Return the recorded answer to a request."""
        digest, response = self._answers.get(key, ("", None))
        return response if digest == model_digest else None

    def keep(self, exchange: Exchange) -> None:
        """Keep nothing: nothing was asked."""

    def close(self) -> None:
        """There is nothing to close."""


def read_facts(path: Path) -> dict[str, Mapping[str, JsonValue]]:
    """Return the facts of the models that a cassette was recorded with, by their origin. Raises CassetteError."""
    found: dict[str, Mapping[str, JsonValue]] = {}
    for entry, _ in read_cassette(path):
        if isinstance(entry, Exchange):  # facts stand before all answers
            break
        found[entry.origin] = entry.facts
    return found


def read_cassette(path: Path, *, torn_end: bool = False) -> Iterator[tuple[Exchange | ModelFacts, bytes]]:
    """Yield each entry with its line. With `torn_end`, a last line without an end is left out."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if torn_end and not line.endswith(b"\n"):
                    return
                yield _read(path, number, line), line.rstrip(b"\n")
    except OSError as error:
        raise CassetteError(
            f"the cassette {path} cannot be read: {error.strerror}",
            fix=f"record one: insidellms run ... --record {path}",
        ) from error


def _read(path: Path, number: int, line: bytes) -> Exchange | ModelFacts:
    for decode in (_decode_exchange, _decode_facts):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return decode(line)
    raise CassetteError(
        f"{path}, line {number} is not a recorded answer", fix="was it edited? restore it, or record it again"
    )


def _unwritable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be written: {error.strerror or error}", fix="check the folder and the disk's space"
    )
