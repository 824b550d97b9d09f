"""How a command ended -> a Response, or the ModelError that fits."""

import errno
import hashlib
import os
import re
import signal
from collections.abc import Mapping, Sequence

import msgspec

from insideLLMs.core.arguments import check_mapping, nearest
from insideLLMs.core.errors import (
    ArgumentError,
    BadAnswerError,
    CommandFailedError,
    ConnectionFailedError,
    ModelUnavailableError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.types import Response
from insideLLMs.providers.applications.answer_paths import AnswerPaths
from insideLLMs.providers.codec import EXCERPT_LENGTH, excerpt, one_line
from insideLLMs.providers.failures import Complaint, find_error, require_answer
from insideLLMs.providers.lenient_json import decode_text, read_json
from insideLLMs.sandbox.commands import CommandEnd

MEANINGS = ("answered", "again", "refused")
"""What an exit status other than 0 may mean, beside an error."""
_USUAL: Mapping[str, tuple[int, ...]] = {"again": (75,)}
"""EX_TEMPFAIL of sysexits.h: a failure that may pass."""
_OF_A_SIGNAL = 128
"""As shells count: a command that signal n ended has status 128 + n."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
_DROPPED = 8 << 10
"""Of errors that were cut, so much is left out at the front: half a key may stand there, which nobody knows."""


class CommandAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Reads what a command wrote: all of it as text where there are no `paths`, else JSON."""

    who: str
    paths: AnswerPaths | None
    statuses: Mapping[int, str]

    def read(self, end: CommandEnd) -> Response:
        """Return the answer. Raises ModelError."""
        _require_start(end, self.who)
        if end.stdout_is_cut:
            raise CommandFailedError(
                f"{self.who} wrote more than {len(end.stdout):,} bytes", fix="let it write only the answer"
            )
        assert end.status is not None
        status = end.status if end.status >= 0 else _OF_A_SIGNAL - end.status
        match "answered" if status == 0 else self.statuses.get(status):
            case "answered":
                return self._answer(end.stdout)
            case "refused":
                return Response(text=_text(end.stdout), finish_reason="refusal")
            case "again":
                raise ServerError(f"{self.who} asks to be run again: {describe_end(end)}")
            case _:
                raise CommandFailedError(f"{self.who} {describe_end(end)}")

    def _answer(self, stdout: bytes) -> Response:
        if not stdout.strip():
            raise self._bad(f"{self.who} ended well, and wrote nothing to its standard output", stdout)
        if self.paths is None:
            return Response(text=_text(stdout))
        body = self._body(stdout, self.paths)
        try:
            response = self.paths.response(body)
        except BadAnswerError as unread:
            raise self._bad(f"{self.who} wrote no trajectory {unread.message}", stdout) from unread
        if response is None:
            error = find_error(body)
            if error is not None:
                raise CommandFailedError(f"{self.who} answered with an error: {excerpt(Complaint.of(error).message)}")
            raise self._bad(self.paths.lacks(self.who, body), stdout)
        return require_answer(response, self.who, 0) if response.finish_reason is not None else response

    def _body(self, stdout: bytes, paths: AnswerPaths) -> object:
        try:
            return read_json(stdout)
        except ValueError as error:
            if paths.trajectory is not None and (listed := _json_lines(stdout)) is not None:
                return listed
            if paths.is_all:
                return _text(stdout)
            raise self._bad(f"{self.who} wrote what is not JSON: {excerpt(stdout)!r}", stdout) from error

    def _bad(self, message: str, stdout: bytes) -> BadAnswerError:
        error = BadAnswerError(message)
        error.answer_digest = hashlib.sha256(stdout).hexdigest()  # once more, and not if it is the same again
        return error


def read_statuses(given: Mapping[str, Sequence[int]] | None) -> dict[int, str]:
    """Return what exit statuses mean. Raises ArgumentError."""
    check_mapping("exit_status", given)
    meanings: dict[int, str] = {}
    for meaning, numbers in {**_USUAL, **(given or {})}.items():
        if meaning not in MEANINGS:
            near = nearest(meaning, MEANINGS)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(MEANINGS)}"
            raise _of_status(f"exit_status has {meaning!r}", hint)
        listed = numbers if isinstance(numbers, list | tuple) else [numbers]
        for number in listed:
            if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 255:
                raise _of_status(f"exit_status.{meaning} has {number!r}", "write whole numbers from 1 to 255")
            if meanings.setdefault(number, meaning) != meaning:
                raise _of_status(f"exit_status gives {number} two meanings", "list it once")
    return meanings


def _of_status(message: str, fix: str) -> ArgumentError:
    error = ArgumentError(message, fix=fix)
    error.argument = "exit_status"
    return error


def _require_start(end: CommandEnd, who: str) -> None:
    """Raise the ModelError of a command that did not start, or of whose end nobody knows."""
    if end.errno is not None:
        why = os.strerror(end.errno)
        if end.errno == errno.E2BIG:
            raise RequestRefusedError(
                f"{who} cannot be started: its arguments are too long", fix="send long texts on stdin"
            )
        if end.errno == errno.ENOEXEC:
            raise ModelUnavailableError(
                f"{who} cannot be started: its file is not a program",
                fix="give a script a first line such as #!/bin/sh",
            )
        if end.at == "processes":
            raise ConnectionFailedError(f"{who} cannot be started: {why}", fix="lower execution.concurrency")
        raise ModelUnavailableError(
            f"{who} cannot be started ({end.at}): {why}", fix="check that it and what its first line names are there"
        )
    if end.status is None:
        raise ConnectionFailedError(f"{who} was ended together with the process that watches it")


def describe_end(end: CommandEnd) -> str:
    """Say how a command ended, with the end of what it wrote to its standard error."""
    how = "was ended" if end.status is None else f"ended with exit status {end.status}"
    if end.errno is not None:
        how = f"cannot be started ({end.at}): {os.strerror(end.errno)}"
    elif end.status is not None and end.status < 0:
        number = -end.status
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        how = f"was ended by signal {name}"
    stderr = end.stderr[_DROPPED:] if end.stderr_is_cut else end.stderr
    said = one_line(_SEQUENCE.sub("", stderr.decode("utf-8", "replace")))
    shown = said if len(said) <= 2 * EXCERPT_LENGTH else "…" + said[-2 * EXCERPT_LENGTH :]
    return f"{how}: {shown}" if shown else how


def _text(stdout: bytes) -> str:
    """Decode an answer, without the line ends behind it, as a shell's ``$(...)`` does."""
    return decode_text(stdout).rstrip("\r\n")


def _json_lines(stdout: bytes) -> list[object] | None:
    """Return the values of JSON Lines, as coding agents write them; None for other text."""
    try:
        return [read_json(line) for line in stdout.splitlines() if line.strip()]
    except ValueError:
        return None
