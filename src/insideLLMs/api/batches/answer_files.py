"""The answers to batch files: every line read and checked before any is taken, with the place of what is wrong."""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import BatchFileError, CanonicalError, ModelError
from insideLLMs.core.types import Response
from insideLLMs.execute.wanted import WantedAnswers
from insideLLMs.providers.batches.lines import BatchAnswer, read_answer
from insideLLMs.providers.chat_model import ChatModel
from insideLLMs.store.batch_log import Answered, BatchLog

_SHOWN = 8
_BOM = b"\xef\xbb\xbf"
_PACKED = {
    b"\x1f\x8b": "gunzip",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"PK": "unzip",
    b"BZh": "bunzip2",
    b"\xfd7zXZ": "unxz",
}


class _Line(msgspec.Struct, frozen=True):
    """A line that is not blank; only a file's last one may be without an end."""

    place: str
    data: bytes
    has_end: bool


class AnswerReader:
    """Reads files of answers to what a run wants, or has had."""

    def __init__(
        self, models: Mapping[str, ChatModel], digests: Mapping[str, str], log: BatchLog, wanted: WantedAnswers
    ) -> None:
        self._models = models
        self._digests = digests
        self._log = log
        self._wanted = wanted
        self._problems: list[str] = []
        self.differing: list[str] = []
        self._answers: dict[str, tuple[str, bytes]] = {}

    def check(self, files: Sequence[Path]) -> None:
        """Read everything and take nothing. Raises BatchFileError with all that is wrong."""
        unknown = total = 0
        for line in _lines(files):
            total += 1
            found = self._read(line)
            if found is not None and found.custom_id in self._wanted:
                self._compare(line, found)
            elif found is not None and self._log.has(found.custom_id):
                self._compare_known(line, found)
            elif found is not None and not self._log.knows(found.custom_id):
                unknown += 1
                self._problems.append(f"{line.place}: this run has no request {_short(found.custom_id)!r}")
        if unknown == total:
            raise _foreign(files, total)
        self._raise_any()

    def _compare(self, line: _Line, found: BatchAnswer) -> None:
        """Remember an answer; another one to the same request is a problem, unless it is the same."""
        outcome = self._outcome(found)
        if isinstance(outcome, Response):
            digest = hashlib.sha256(canonical.line(outcome)).digest()
            place, known = self._answers.setdefault(found.custom_id, (line.place, digest))
            if known != digest:
                self._problems.append(f"{line.place}: another answer to {_short(found.custom_id)!r} stands in {place}")

    def _compare_known(self, line: _Line, found: BatchAnswer) -> None:
        """Note an answer that is not the one which the run has."""
        for name, digest in self._digests.items():
            known = self._log.find(found.custom_id, digest)
            if known is not None:
                outcome = outcome_of(self._models[name], found)
                if isinstance(outcome, Response) and canonical.line(outcome) != canonical.line(known):
                    self.differing.append(line.place)
                return

    def outcomes(self, files: Sequence[Path]) -> Iterator[tuple[str, str, Response | ModelError | None]]:
        """Yield place, key and what each line comes to, each key once: an answer before an error.

        None stands for one that is not wanted any more, or that the run knows to be refused.
        """
        seen: set[str] = set()
        for line in _lines(files):
            found = read_answer(line.data)
            key = found.custom_id
            if key in seen:
                continue
            outcome = self._outcome(found) if key in self._wanted else None
            if isinstance(outcome, ModelError) and key in self._answers:
                continue
            seen.add(key)
            yield line.place, key, None if isinstance(outcome, ModelError) and self._log.refused(key) else outcome

    def answered(self, key: str, response: Response) -> Answered:
        """Return what is stored of an answer."""
        return Answered(key=key, model_digest=self._digests[self._wanted[key].model], response=response)

    def _outcome(self, found: BatchAnswer) -> Response | ModelError:
        return outcome_of(self._models[self._wanted[found.custom_id].model], found)

    def _read(self, line: _Line) -> BatchAnswer | None:
        try:
            return read_answer(line.data)
        except BatchFileError as error:
            is_cut = not line.has_end and line.data.startswith(b"{") and not line.data.endswith(b"}")
            cut = "; the file ends here, so it may be cut off" if is_cut else ""
            self._problems.append(f"{line.place}: {error}{cut}".replace("\n  fix: ", "; "))
            return None

    def _raise_any(self) -> None:
        if self._problems:
            shown = "".join(f"\n  {problem}" for problem in self._problems[:_SHOWN])
            more = len(self._problems) - _SHOWN
            raise BatchFileError(
                f"nothing was imported, because of these lines ({len(self._problems):,}):{shown}"
                + (f"\n  and {more:,} more" if more > 0 else ""),
                fix="correct or remove these lines, or download the file again",
            )


def _lines(files: Sequence[Path]) -> Iterator[_Line]:
    """Yield the lines that are not blank. Raises BatchFileError for what is no text file."""
    for path in files:
        if path.exists() and not path.is_file():
            raise BatchFileError(f"{path} is not a regular file", fix="save the answers to a file: they are read twice")
        try:
            with path.open("rb") as file:
                for number, data in enumerate(file, start=1):
                    text = data.removeprefix(_BOM)  # files that were joined may have more than one
                    if number == 1:
                        _check_kind(path, text)
                    if text.strip():
                        yield _Line(f"{path}, line {number}", text.strip(), text.endswith(b"\n"))
        except OSError as error:
            raise BatchFileError(
                f"{path} cannot be read: {error.strerror or error}", fix="name the file of answers"
            ) from error


def check_belongs(files: Sequence[Path], keys: Collection[str]) -> None:
    """Raise BatchFileError where no line of the files belongs to a run of these requests."""
    count = 0
    for line in _lines(files):
        count += 1
        with contextlib.suppress(BatchFileError):
            if read_answer(line.data).custom_id in keys:
                return
    raise _foreign(files, count)


def _foreign(files: Sequence[Path], count: int) -> BatchFileError:
    if not count:
        return BatchFileError(f"{files[0]} is empty", fix="is the batch done? give the file that the provider wrote")
    return BatchFileError(
        f"{files[0]} has another experiment's answers: none of its {count:,} lines belongs to this run",
        fix="give the answers to the file that `batch export` wrote for this run, or the other --run-dir",
    )


def outcome_of(model: ChatModel, found: BatchAnswer) -> Response | ModelError:
    """Return the answer to a request, or the error that it is."""
    try:
        response = model.read(found.answer)
        canonical.line(response)
    except ModelError as error:
        return error
    except CanonicalError as error:
        return ModelError(f"the answer cannot be stored: {error.message}")
    return response


def _check_kind(path: Path, start: bytes) -> None:
    packed = next((tool for magic, tool in _PACKED.items() if start.startswith(magic)), None)
    if packed:
        raise BatchFileError(f"{path} is compressed", fix=f"unpack it: {packed} {path}")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BatchFileError(f"{path} is not UTF-8", fix=f"convert it: iconv -f UTF-16 -t UTF-8 {path}")
    if start.startswith(b"PAR1"):
        raise BatchFileError(f"{path} is a Parquet table", fix="write it as JSON lines; with Ray Data: write_json")
    if start.strip() == b"[":
        raise BatchFileError(f"{path} is one JSON array", fix=f"write one object a line: jq -c '.[]' {path}")
    if start.strip() == b"{":
        raise BatchFileError(
            f"{path} has JSON over several lines, not an answer a line",
            fix=f"give the file of answers, which a batch names as its output_file_id; or: jq -c . {path}",
        )


def _short(key: str) -> str:
    return key if len(key) <= 24 else f"{key[:16]}…"
