"""Wire cassettes: the calls of a command to its models, each as it went over the wire, in a file made for git.

The first line says what was left out of requests because it differs each time. Then follows one call a line, case by
case, in an order that parallel calls do not change. While recording, calls are appended to ``FILE.partial`` at once,
so that a killed recording loses none that was answered; at its end the cassette is written whole.
"""

import contextlib
import fcntl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, CassetteError
from insideLLMs.core.repeated_keys import repeated_key
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.types import JsonValue
from insideLLMs.store.answers.cassette import cassette_is_there
from insideLLMs.store.whole_file import whole_file

FORMAT: Literal["insidellms-wire/1"] = "insidellms-wire/1"
_Status = Annotated[int, msgspec.Meta(ge=200, le=999)]
_HeaderName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+$")]
_HeaderText = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]*$")]
_Base64 = Annotated[str, msgspec.Meta(pattern="^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]


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

    status: _Status | None = None
    headers: dict[_HeaderName, _HeaderText] = {}
    body: str = ""
    events: tuple[str, ...] = ()
    base64: _Base64 | None = None
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
Cleaning = Callable[[WireCall], WireCall]


class WireRecorder:
    """Keeps every call at once. Raises CassetteError if what is at `path` is neither free nor a wire cassette.

    With `resume`, `left` are the calls of a recording that was stopped; those that are used again are kept.
    """

    def __init__(self, path: Path, head: WireHead, *, resume: bool = False) -> None:
        self.path = path
        self.partial = partial_of(path)
        self.count = 0
        self._head = head
        self._used: set[int] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if cassette_is_there(path) and path.stat().st_size:
                _check_replaceable(path)
            self._file, self.left = _open_partial(self.partial, head, resume=resume)
        except OSError as error:
            raise _unwritable(path, error) from error

    def keep(self, call: WireCall) -> None:
        """Append a call. Raises CassetteError if the disk refuses."""
        try:
            self._write(call)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.count += 1

    def use(self, number: int) -> None:
        """Keep the one of `left` with this number, from 0 on."""
        self._used.add(number)
        self.count += 1

    def finish(self, order: Order, clean: Cleaning) -> None:
        """Write the cassette, whole and in `order`, each call cleaned. Raises CassetteError."""
        unused = set(range(len(self.left))) - self._used
        kept = (clean(call) for number, call in enumerate(read_wire_calls(self.partial)) if number not in unused)
        calls = [each for _, calls in _by_case(kept) for each in order(calls)]
        try:
            with whole_file(self.path) as file:
                file.write(canonical.line(self._head) + b"\n")
                file.writelines(canonical.line(_timeless(call)) + b"\n" for call in calls)
            self.partial.unlink()
            self._file.close()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def clean(self, clean: Cleaning) -> None:
        """Clean each call of the partial recording, which stays. Raises CassetteError."""
        lines = [canonical.line(self._head), *(canonical.line(clean(call)) for call in read_wire_calls(self.partial))]
        try:
            with whole_file(self.partial) as file:
                file.writelines(line + b"\n" for line in lines)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Let go of the file; what was recorded stays in the partial one."""
        if not self._file.closed and not self.count and not self.left:
            self.partial.unlink(missing_ok=True)
        self._file.close()

    def _write(self, call: WireCall) -> None:
        self._file.write(canonical.line(call) + b"\n")
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
            f"{path} is not a recording of calls",
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
                if number > 1 and line.strip() and not (torn_end and not line.endswith(b"\n")):
                    yield _read(path, number, line)
    except OSError as error:
        raise _unreadable(path, error) from error


def _check_replaceable(path: Path) -> None:
    try:
        read_head(path)
    except CassetteError as error:
        if isinstance(error.__cause__, OSError):
            raise
        raise CassetteError(
            f"{path} is no recording of calls, so it is not written over", fix="name another file, or remove this one"
        ) from error


def _read(path: Path, number: int, line: bytes) -> WireCall:
    try:
        call = _decode_call(line)
        canonical.check(call.request.body)  # as every recorder does: what is nested without end is text
        key = repeated_key(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, CanonicalError) as error:
        raise CassetteError(
            f"{path}, line {number} is not a recorded call", fix="if it was edited, restore it, or record it again"
        ) from error
    if key is not None:
        raise CassetteError(f"{path}, line {number} has the key {key!r} twice", fix="restore it, or record it again")
    return call


def _by_case(calls: Iterator[WireCall]) -> list[tuple[str, list[WireCall]]]:
    cases: dict[str, list[WireCall]] = {}
    for call in calls:
        cases.setdefault(call.case, []).append(call)
    return sorted(cases.items())


def _timeless(call: WireCall) -> WireCall:
    return msgspec.structs.replace(call, began=0, ended=0)


def _open_partial(partial: Path, head: WireHead, *, resume: bool) -> tuple[BinaryIO, tuple[WireCall, ...]]:
    """Open a partial recording, locked, with the calls of one that was stopped. Raises CassetteError."""
    cassette_is_there(partial)
    with contextlib.ExitStack() as on_error:
        file = on_error.enter_context(partial.open("ab"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CassetteError(
                f"another recording writes {partial}", fix="wait for it, or name another file"
            ) from None
        left = _left_in(partial, head, resume=resume)
        whole = [canonical.line(entry) + b"\n" for entry in (head, *left)]
        file.truncate(sum(map(len, whole)) if left else 0)
        if not left:
            file.write(whole[0])
            file.flush()
        on_error.pop_all()
        return file, left


def _left_in(partial: Path, head: WireHead, *, resume: bool) -> tuple[WireCall, ...]:
    """Return the calls that a stopped recording left. Raises CassetteError unless it is to be resumed."""
    with partial.open("rb") as file:
        if sum(line.endswith(b"\n") for _, line in zip(range(2), file, strict=False)) < 2:
            return ()
    if not resume:
        raise CassetteError(
            f"a recording that was stopped left {partial}",
            fix="add --resume to continue it without repeating its calls, or remove it",
        )
    if read_head(partial) != head:
        raise CassetteError(
            f"{partial} was recorded with other declarations",
            fix="give the same --volatile, --volatile-text, --variable",
        )
    return tuple(read_wire_calls(partial))


def _unreadable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be read: {error.strerror}",
        fix=f"record one: insidellms record --to {as_typed(path)} -- COMMAND",
    )


def _unwritable(path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be written: {error.strerror or error}",
        fix=f"check the folder and the disk's space; what was recorded is kept in {path.name}.partial",
    )
