"""Wire cassettes: the calls of a command to its models, each as it went over the wire, in a file made for git.

The first line says what was left out of requests because it differs each time. Then follows one call a line, case by
case, in an order that parallel calls do not change. While recording, calls are appended to ``FILE.partial`` at once,
so that a killed recording loses none that was answered; at its end the cassette is written whole.
"""

import fcntl
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CassetteError
from insideLLMs.core.types import JsonValue
from insideLLMs.store.whole_file import whole_file

FORMAT: Literal["insidellms-wire/1"] = "insidellms-wire/1"


class WireHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The first line: JSON paths of `volatile` fields, patterns of `volatile_text`, and further `variables`.

    A variable is set to the local address of an upstream and a path, as in ``openai/v1``.
    """

    format: Literal["insidellms-wire/1"]
    volatile: tuple[str, ...] = ()
    volatile_text: tuple[str, ...] = ()
    variables: dict[str, str] = {}


class WireRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was asked, without keys and volatile parts; `text` and `base64` are bodies that are not JSON."""

    upstream: str
    method: str
    path: str
    headers: dict[str, str] = {}
    body: JsonValue = None
    text: str | None = None
    base64: str | None = None


class WireAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What came back, as it came: as `body`, `events` or `base64`, whichever can hold it.

    `broken` is one whose connection ended early; without `status` nothing of it came.
    """

    status: int | None = None
    headers: dict[str, str] = {}
    body: str = ""
    events: tuple[str, ...] = ()
    base64: str | None = None
    broken: bool = False


class WireCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One call of a case. In a partial file, `began` and `ended` count what happened until then."""

    case: str
    request: WireRequest
    answer: WireAnswer
    began: int = 0
    ended: int = 0


_decode_head = msgspec.json.Decoder(WireHead).decode
_decode_call = msgspec.json.Decoder(WireCall).decode
Order = Callable[[Sequence[WireCall]], Sequence[WireCall]]


class WireRecorder:
    """Keeps every call at once. Raises CassetteError if what is at `path` is neither free nor a wire cassette."""

    def __init__(self, path: Path, head: WireHead) -> None:
        self.path = path
        self.partial = partial_of(path)
        self.count = 0
        self._head = head
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if _is_there(path):
                read_head(path)
            self._file = _open_partial(self.partial)
            self._write(head)
        except OSError as error:
            raise _unwritable(path, error) from error

    def keep(self, call: WireCall) -> None:
        """Append a call. Raises CassetteError if the disk refuses."""
        try:
            self._write(call)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.count += 1

    def finish(self, order: Order) -> None:
        """Write the cassette, whole and in `order`. Raises CassetteError."""
        calls = [each for _, calls in _by_case(read_wire_calls(self.partial)) for each in order(calls)]
        try:
            with whole_file(self.path) as file:
                file.write(canonical.line(self._head) + b"\n")
                file.writelines(canonical.line(_timeless(call)) + b"\n" for call in calls)
            self.partial.unlink()
            self._file.close()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Let go of the file; what was recorded stays in the partial one."""
        if not self._file.closed and not self.count:
            self.partial.unlink(missing_ok=True)
        self._file.close()

    def _write(self, entry: WireHead | WireCall) -> None:
        self._file.write(canonical.line(entry) + b"\n")
        self._file.flush()


def partial_of(path: Path) -> Path:
    """Return where a recording is kept until it is done."""
    return path.with_name(f"{path.name}.partial")


def read_head(path: Path) -> WireHead:
    """Return what the first line says. Raises CassetteError for what is no wire cassette."""
    try:
        with path.open("rb") as file:
            return _decode_head(file.readline())
    except OSError as error:
        raise _unreadable(path, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CassetteError(
            f"{path} does not begin as a recording of calls does",
            fix="record one: insidellms record --to FILE -- COMMAND; a cassette of experiments is replayed by "
            "`insidellms run --replay`",
        ) from error


def read_wire_calls(path: Path) -> Iterator[WireCall]:
    """Yield the calls of a wire cassette, of a partial one without a torn last line. Raises CassetteError."""
    read_head(path)
    torn_end = path.suffix == ".partial"
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > 1 and not (torn_end and not line.endswith(b"\n")):
                    yield _read(path, number, line)
    except OSError as error:
        raise _unreadable(path, error) from error


def _read(path: Path, number: int, line: bytes) -> WireCall:
    try:
        return _decode_call(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CassetteError(
            f"{path}, line {number} is not a recorded call", fix="was it edited? restore it, or record it again"
        ) from error


def _by_case(calls: Iterator[WireCall]) -> list[tuple[str, list[WireCall]]]:
    cases: dict[str, list[WireCall]] = {}
    for call in calls:
        cases.setdefault(call.case, []).append(call)
    return sorted(cases.items())


def _timeless(call: WireCall) -> WireCall:
    return msgspec.structs.replace(call, began=0, ended=0)


def _is_there(path: Path) -> bool:
    """Whether a file is there. Raises CassetteError for what is no regular file."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(kind):
        raise CassetteError(f"{path} is not a regular file, so it is no cassette", fix="name another file to record in")
    return True


def _open_partial(partial: Path) -> BinaryIO:
    """Open a new partial recording, and lock it. Raises CassetteError where one is being made, or was left."""
    _is_there(partial)
    file = partial.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CassetteError(f"another recording writes {partial}", fix="wait for it, or name another file") from None
    if file.tell():
        file.close()
        raise CassetteError(
            f"a recording that was stopped left {partial}",
            fix=f"look at it with `insidellms replay --from {partial} -- COMMAND`, then remove it",
        )
    return file


def _unreadable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be read: {error.strerror}",
        fix=f"record one: insidellms record --to {path} -- COMMAND",
    )


def _unwritable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be written: {error.strerror or error}",
        fix=f"check the folder and the disk's space; what was recorded is kept in {path.name}.partial",
    )
