"""Cassettes: recorded answers by request key, for runs without keys and network, in a file made for git.

One exchange a line, as canonical JSON, sorted by model, then key: an edited prompt changes its own lines only.
Before them stands, for each model that ran on the machine itself, what its identity holds of that machine.
While recording, answers are appended to ``FILE.partial`` at once, so that a killed run loses none of them; they join
the cassette when the run is done. A cassette only grows: an answer replaces that to the same request, and no other.
The first answer of a model says what the model is, so that a miss can be explained.
"""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CassetteError
from insideLLMs.core.record_views import UNREADABLE
from insideLLMs.core.repeated_keys import repeated_key
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import Exchange, JsonValue, Response
from insideLLMs.store.answers.remote_cassette import cassette_to_record
from insideLLMs.store.held_folder import make_folder, only_writer, remove_empty
from insideLLMs.store.whole_file import whole_file


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a LocalModel's identity held of the machine that recorded it, under its origin; `model` is its label."""

    model: str
    origin: str
    facts: dict[str, JsonValue]


class _Line(NamedTuple):
    """A line, and of an answer the digest of its model, with what the line says of that."""

    data: bytes
    digest: str = ""
    identity: Mapping[str, JsonValue] = {}


_Name = tuple[bool, str, str]
"""Whether it is an answer, its model, and its key or origin: the order of a cassette's lines."""
_Answer = tuple[str, Response]
"""The digest of the model that gave it, and the answer."""
Identities = Mapping[str, Mapping[str, JsonValue]]
"""What models are, by their digests."""
_decode_exchange = msgspec.json.Decoder(Exchange).decode
_decode_facts = msgspec.json.Decoder(ModelFacts).decode


class CassetteRecorder:
    """Keeps every answer of a run, and with the first of them the facts of its models.

    With `missing`, it finds the answers that are recorded already. Raises CassetteError, before anything is asked, if
    what is at `place` is neither free nor a cassette.
    """

    closed = False
    batch = False
    takes_user_code = True

    def __init__(
        self,
        place: Path,
        models: Sequence[ModelFacts] = (),
        *,
        identities: Identities | None = None,
        missing: bool = False,
    ) -> None:
        self.path, self._change = cassette_to_record(place)
        path = self.path
        self.finds_again = missing
        self._facts = list(models)
        self._identities = identities or {}
        try:
            self._made = make_folder(path.parent)
            with only_writer(path.parent):
                _entries_of(path)
                self._partial, self._file = _open_partial(path)
                recorded = [path, *_partials(path)] if missing else []
                self._answers: dict[str, _Answer] = {}
                for file in filter(cassette_is_there, recorded):
                    self._answers |= _answers_in(read_cassette(file, torn_end=True))
        except OSError as error:
            raise _unwritable(path, error) from error

    def find(self, key: str, model_digest: str) -> Response | None:
        """Return the recorded answer to a request, where only missing ones are asked."""
        return _found(self._answers, key, model_digest)

    def keep(self, exchange: Exchange) -> None:
        """Append an answer. Raises CassetteError if the disk refuses."""
        if self.finds_again:
            self._answers[exchange.key] = exchange.model_digest, exchange.response
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
        remove_empty(self._made)

    def finish(self) -> None:
        """Add what was recorded, and what killed recordings left, to the cassette. Raises CassetteError."""
        try:
            with only_writer(self.path.parent), contextlib.ExitStack() as left:
                partials = [self._partial, *(partial for partial in _partials(self.path) if _hold(partial, left))]
                self._change(self.path, lambda path: _add(path, partials, self._identities))
                for partial in partials:
                    partial.unlink()
                self._file.close()
        except OSError as error:
            raise _unwritable(self.path, error) from error


def _add(path: Path, partials: Sequence[Path], identities: Identities) -> None:
    """Write the cassette with the entries of `partials` in it; leave it as it is where these are in it."""
    before = _entries_of(path)
    lines = dict(before)
    for partial in reversed(partials):
        lines |= _entries_of(partial, torn_end=True)
    _say_what_models_are(lines, identities)
    if {name: line.data for name, line in lines.items()} == {name: line.data for name, line in before.items()}:
        return
    with whole_file(path) as file:
        file.writelines(lines[name].data + b"\n" for name in sorted(lines))


def _say_what_models_are(lines: dict[_Name, _Line], identities: Identities) -> None:
    """Write what a model is into the first of its answers, and take it out of the others."""
    known = {line.digest: line.identity for line in lines.values() if line.identity} | dict(identities)
    for name in sorted(lines):
        line = lines[name]
        identity = known.pop(line.digest, {}) if line.digest else {}
        if identity != line.identity:
            exchange = msgspec.structs.replace(_decode_exchange(line.data), model_identity=dict(identity))
            lines[name] = _Line(canonical.line(exchange), line.digest, identity)


def _entries_of(path: Path, *, torn_end: bool = False) -> dict[_Name, _Line]:
    """Return the lines of a cassette by what each answers, facts before answers; nothing where there is no file."""
    found: dict[_Name, _Line] = {}
    for entry, line in read_cassette(path, torn_end=torn_end) if cassette_is_there(path) else ():
        if isinstance(entry, Exchange):
            found[True, entry.model, entry.key] = _Line(line, entry.model_digest, entry.model_identity)
        else:
            found[False, entry.model, entry.origin] = _Line(line)
    return found


def _answers_in(entries: Iterable[tuple[Exchange | ModelFacts, bytes]]) -> dict[str, _Answer]:
    """Return answers by their keys."""
    found = (entry for entry, _ in entries if isinstance(entry, Exchange))
    return {entry.key: (entry.model_digest, entry.response) for entry in found}


def _found(answers: Mapping[str, _Answer], key: str, model_digest: str) -> Response | None:
    """Return the answer to a request, if this very model gave it."""
    digest, response = answers.get(key, ("", None))
    return response if digest == model_digest else None


def cassette_is_there(path: Path) -> bool:
    """Whether a file is there. Raises CassetteError for what is no regular file: links, devices, folders."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(kind):
        raise CassetteError(
            f"{path} is not a regular file, so it is not a cassette", fix="name another file to record in"
        )
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
    cassette_is_there(partial)
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
    batch = False
    finds_again = False
    takes_user_code = True

    def __init__(self, path: Path) -> None:
        self._answers = _answers_in(read_cassette(path))

    def find(self, key: str, model_digest: str) -> Response | None:
        """Return the recorded answer to a request."""
        return _found(self._answers, key, model_digest)

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
            fix=f"record one: insidellms run ... --record {as_typed(path)}",
        ) from error


def _read(path: Path, number: int, line: bytes) -> Exchange | ModelFacts:
    fault = "is not a recorded answer"
    for decode in (_decode_exchange, _decode_facts):
        with contextlib.suppress(*UNREADABLE):
            entry = decode(line)
            key = repeated_key(line)
            if key is None:
                return entry
            fault = f"has the key {key!r} twice"
    raise CassetteError(
        f"{path}, line {number} {fault}",
        fix="was it edited? restore it; to record, name another file; what `insidellms record` wrote is for "
        "`insidellms replay`",
    )


def _unwritable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be written: {error.strerror or error}",
        fix=f"check the folder and the disk's space; what was recorded is kept in {path.name}.partial "
        "and joins the cassette with the next --record",
    )
