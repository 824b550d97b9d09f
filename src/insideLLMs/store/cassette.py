"""Cassettes: recorded answers by request key, for runs without keys and network, in a file made for git.

One exchange a line, as canonical JSON, sorted by model, then key: an edited prompt changes its own lines only.
Before them stands, for each model that ran on the machine itself, what its identity holds of that machine.
While recording, answers are appended to ``FILE.partial`` at once, so that a killed run loses none of them; they join
the cassette when the run is done. A cassette only grows: an answer replaces that to the same request, and no other.
"""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CassetteError
from insideLLMs.core.types import Exchange, JsonValue, Response
from insideLLMs.store.held_folder import only_writer


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a LocalModel's identity held of the machine that recorded it, under its origin; `model` is its label."""

    model: str
    origin: str
    facts: dict[str, JsonValue]


_decode_exchange = msgspec.json.Decoder(Exchange).decode
_decode_facts = msgspec.json.Decoder(ModelFacts).decode


class CassetteRecorder:
    """Keeps every answer of a run, and with the first of them the facts of its models.

    Raises CassetteError, before anything is asked, if `path` is neither free nor a cassette.
    """

    closed = False
    finds_again = False
    takes_user_code = True

    def __init__(self, path: Path, models: Sequence[ModelFacts] = ()) -> None:
        self.path = path
        self._facts = list(models)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with only_writer(path.parent):
                _entries_of(path)
                self._partial, self._file = _open_partial(path)
        except OSError as error:
            raise _unwritable(path, error) from error

    def find(self, key: str, model_digest: str) -> Response | None:  # noqa: ARG002 - the store's contract
        """Find nothing: what is recorded is asked."""
        return None

    def keep(self, exchange: Exchange) -> None:
        """Append an answer. Raises CassetteError if the disk refuses."""
        entries = [*self._facts, exchange]
        self._facts.clear()
        try:
            self._file.write(b"".join(canonical.line(entry) + b"\n" for entry in entries))
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Let go of the file; what was recorded stays in the partial one."""
        if self._file.closed:
            return
        with contextlib.suppress(OSError), only_writer(self.path.parent):  # a full disk was reported by `keep`
            if not os.fstat(self._file.fileno()).st_size:
                self._partial.unlink(missing_ok=True)
            self._file.close()

    def finish(self) -> None:
        """Add what was recorded, and what killed recordings left, to the cassette. Raises CassetteError."""
        try:
            with only_writer(self.path.parent), contextlib.ExitStack() as left:
                partials = [self._partial, *(partial for partial in _partials(self.path) if _hold(partial, left))]
                _add(self.path, partials)
                for partial in partials:
                    partial.unlink()
                self._file.close()
        except OSError as error:
            raise _unwritable(self.path, error) from error


def _add(path: Path, partials: Sequence[Path]) -> None:
    """Write the cassette with the entries of `partials` in it; leave it as it is where these are in it."""
    lines = before = _entries_of(path)
    for partial in reversed(partials):
        lines = lines | _entries_of(partial, torn_end=True)
    if lines == before:
        return
    draft = path.with_name(f"{path.name}.tmp")
    draft.unlink(missing_ok=True)
    with draft.open("xb") as file:
        file.writelines(lines[name] + b"\n" for name in sorted(lines))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _entries_of(path: Path, *, torn_end: bool = False) -> dict[tuple[bool, str, str], bytes]:
    """Return the lines of a cassette by what each answers, facts before answers; nothing where there is no file."""
    found: dict[tuple[bool, str, str], bytes] = {}
    for entry, line in read_cassette(path, torn_end=torn_end) if _is_there(path) else ():
        is_answer = isinstance(entry, Exchange)
        found[is_answer, entry.model, entry.key if isinstance(entry, Exchange) else entry.origin] = line
    return found


def _is_there(path: Path) -> bool:
    """Whether a file is there. Raises CassetteError for what is no regular file: links, devices, folders."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(kind):
        raise CassetteError(f"{path} is not a regular file, so it is no cassette", fix="name another file to record in")
    return True


def _open_partial(path: Path) -> tuple[Path, BinaryIO]:
    """Open the first partial recording that nobody writes: several runs may record in one cassette at once."""
    partial, number = path.with_name(f"{path.name}.partial"), 1
    while (file := _open_free(partial)) is None:
        number += 1
        partial = path.with_name(f"{path.name}.partial-{number}")
    return partial, file


def _partials(path: Path) -> list[Path]:
    names = re.compile(re.escape(path.name) + r"\.partial(-\d+)?")
    return [each for each in sorted(path.parent.iterdir()) if names.fullmatch(each.name)]


def _hold(partial: Path, stack: contextlib.ExitStack) -> bool:
    """Hold a partial recording until the stack ends, unless somebody writes it."""
    file = _open_free(partial)
    return file is not None and stack.enter_context(file) is file


def _open_free(partial: Path) -> BinaryIO | None:
    """Open a partial recording behind its last whole line, and lock it; None where somebody writes it."""
    _is_there(partial)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(partial.open("ab"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        file.truncate(sum(len(line) + 1 for _, line in read_cassette(partial, torn_end=True)))
        stack.pop_all()
        return file


class CassettePlayer:
    """Stands in for the models: every answer comes from the file. Raises CassetteError if that cannot be read."""

    closed = True
    finds_again = False
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
        f"{path}, line {number} is not a recorded answer", fix="was it edited? restore it; to record, name another file"
    )


def _unwritable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be written: {error.strerror or error}",
        fix=f"check the folder and the disk's space; what was recorded is kept in {path.name}.partial "
        "and joins the cassette with the next --record",
    )
