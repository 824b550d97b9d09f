"""Batch files: what a run has to ask, written for somebody else to ask it, and the answers read back.

A line's custom_id is the key of its request, which covers the model with its parameters, all that is sent, and the
repeat: Trials that share an answer share the line. What judges and probes of several calls ask next is known only once
the first answers are there, so a run may take several rounds; it is sealed when nothing is left to ask.
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import Ask
from insideLLMs.core import canonical
from insideLLMs.core.errors import (
    BatchFileError,
    CanonicalError,
    ConfigError,
    ModelError,
    NothingToDoError,
    Problem,
    RunUnfinishedError,
)
from insideLLMs.core.types import JsonValue, Response
from insideLLMs.execute.wanted import WantedAnswers
from insideLLMs.providers.batches.lines import BatchAnswer, read_answer, request_line
from insideLLMs.providers.chat_model import ChatModel
from insideLLMs.store.batch_log import Answered, BatchLog, Entry, Exported, Failed, Origin
from insideLLMs.store.journal import Journal
from insideLLMs.store.whole_file import whole_file

_SHOWN = 8
_AT_ONCE = 500
"""So many answers are made durable at a time."""
_BOM = b"\xef\xbb\xbf"
_PACKED = {b"\x1f\x8b": "gunzip", b"\x28\xb5\x2f\xfd": "unzstd", b"PK": "unzip"}


def batch_models(prepared: Prepared) -> dict[str, ChatModel]:
    """Return the models by id, the judges among them. Raises ConfigError for those that no batch can ask."""
    found = {name: ready.model for name, ready in prepared.asked.items()}
    models = {name: model for name, model in found.items() if isinstance(model, ChatModel) and _has_batches(model)}
    others = [f"{name!r} ({found[name].identity().get('type', 'your own')})" for name in found if name not in models]
    if others:
        raise ConfigError(
            [Problem(f"model {name} has no batches", field="models") for name in others],
            fix="run without a batch, or choose models of OpenAI's, Anthropic's or Gemini's API with --model",
        )
    return models


def _has_batches(model: ChatModel) -> bool:
    return model.batch_prefix is not None


class BatchExport:
    """The rounds of a run that writes what it has to ask to the file `out`; `models` leaves out those of others.

    After the run, `written` says how many requests of each model are in the file. Raises RunUnfinishedError once it
    is written; a run that has nothing left to ask is sealed, and no file is written.
    """

    def __init__(self, out: Path, origin: Origin, models: Sequence[str] = ()) -> None:
        self.written: dict[str, int] = {}
        self._out = out
        self._origin = origin
        self._models = models

    def check(self, prepared: Prepared) -> None:
        """Raise ConfigError for what cannot be written to a file: models without batches, and secrets."""
        problems: list[Problem] = []
        models = batch_models(prepared)
        for name, model in models.items():
            if model.secrets_sent():
                told = "a value from the environment stands in its requests, and no file may hold it"
                problems.append(Problem(told, field=f"model {name!r}", hint="use `run --batch`, which keeps no file"))
        unknown = [name for name in self._models if name not in models]
        problems += [Problem(f"there is no model {name!r}; there are {', '.join(models)}") for name in unknown]
        if problems:
            raise ConfigError(problems)

    async def rounds(self, prepared: Prepared, journal: Journal, ask: Ask) -> Mapping[str, JsonValue]:
        """Collect, write, and leave the run open."""
        with BatchLog(journal, max_attempts=1) as log:
            if log.origin != self._origin:
                log.append([self._origin])
            wanted = WantedAnswers()
            await ask(journal, answers=log, wanted=wanted)
            if wanted and _note_refused(prepared, log, wanted):  # which become records, without being asked
                wanted = WantedAnswers()
                await ask(journal, answers=log, wanted=wanted)
            if wanted:
                self._write(prepared, log, wanted)
                raise RunUnfinishedError(f"{len(wanted):,} requests are to be asked")
        return {}

    def _write(self, prepared: Prepared, log: BatchLog, wanted: WantedAnswers) -> None:
        keys: list[str] = []
        models = batch_models(prepared)
        with _written(self._out) as file:
            for one in wanted:
                if self._models and one.model not in self._models:
                    continue
                model = models[one.model]
                call = model.written(one.request, repeat=one.repeat)
                file.write(request_line(one.key, call, model.batch_prefix or ""))
                keys.append(one.key)
                self.written[one.model] = self.written.get(one.model, 0) + 1
            if not keys:
                raise NothingToDoError(
                    f"there is nothing to ask {', '.join(self._models)} yet",
                    fix="judges are asked once there are answers: import those of the other models first",
                )
        fresh = tuple(key for key in keys if key not in log.exported)
        if fresh:
            log.append([Exported(keys=fresh)])


def _note_refused(prepared: Prepared, log: BatchLog, wanted: WantedAnswers) -> bool:
    """Note what an API cannot be asked at all; say whether there is any."""
    models, refused = batch_models(prepared), list[Entry]()
    for one in wanted:
        try:
            models[one.model].written(one.request, repeat=one.repeat)
        except ModelError as error:
            refused.append(Failed.of(one.key, error))
    if refused:
        log.append(refused)
    return bool(refused)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """Write a file that is there whole or not at all. Raises BatchFileError."""
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise BatchFileError(f"cannot write {path}: {error.strerror or error}", fix="choose another file") from error


class LineError(msgspec.Struct, frozen=True, kw_only=True):
    """A line that holds an error instead of an answer."""

    place: str
    type: str
    message: str


class BatchImport:
    """The rounds of a run that takes answers from files, each line of which is checked before any is taken.

    After the run, `taken` counts new answers, `known` those that were there, and `refused` errors that are now the
    outcome of their Trials; `failed` are lines with errors that are to be asked again, and `missing` counts requests
    that are still to be asked. Raises RunUnfinishedError where there are any, and BatchFileError for files of which
    nothing was taken.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.taken = self.known = self.refused = self.missing = 0
        self.failed: list[LineError] = []
        self._files = files

    def check(self, prepared: Prepared) -> None:
        """Raise ConfigError for models whose answers no file holds."""
        batch_models(prepared)

    async def rounds(self, prepared: Prepared, journal: Journal, ask: Ask) -> Mapping[str, JsonValue]:
        """Take the answers, and score what is complete."""
        with BatchLog(journal, max_attempts=1) as log:
            wanted = WantedAnswers()
            await ask(journal, answers=log, wanted=wanted)
            reader = _AnswerReader(prepared, log, wanted)
            reader.check(self._files)
            self._take(reader, log)
            left = WantedAnswers()
            await ask(journal, answers=log, wanted=left)
            self.missing = len(left)
            if left:
                raise RunUnfinishedError(f"requests still to be asked: {self.missing:,}")
        return {}

    def _take(self, reader: "_AnswerReader", log: BatchLog) -> None:
        """Store what the files hold. Raises BatchFileError where that is nothing but errors to be asked again."""
        pending: list[Entry] = []
        for place, key, outcome in reader.outcomes(self._files):
            if outcome is None:
                self.known += 1
            elif isinstance(outcome, Response):
                pending.append(reader.answered(key, outcome))
                self.taken += 1
            elif outcome.retryable or outcome.fatal:
                self.failed.append(LineError(place=place, type=type(outcome).__name__, message=outcome.message))
            else:
                pending.append(Failed.of(key, outcome))
                self.refused += 1
            if len(pending) >= _AT_ONCE:
                log.append(pending)
                pending.clear()
        log.append(pending)
        if self.failed and not (self.taken or self.known or self.refused):
            raise BatchFileError(
                f"there are errors only, and no answer, in {len(self.failed):,} lines; first {self.failed[0].place}: "
                f"{self.failed[0].message}",
                fix="fix the cause, and ask again: insidellms batch export --run-dir ... -o FILE",
            )


class _Line(msgspec.Struct, frozen=True):
    """A line that is not blank; only a file's last one may be without an end."""

    place: str
    data: bytes
    has_end: bool


class _AnswerReader:
    """Reads files of answers to what a run wants, or has had."""

    def __init__(self, prepared: Prepared, log: BatchLog, wanted: WantedAnswers) -> None:
        self._models = batch_models(prepared)
        self._digests = {name: ready.digest for name, ready in prepared.asked.items()}
        self._log = log
        self._wanted = wanted
        self._problems: list[str] = []
        self._answers: dict[str, tuple[str, bytes]] = {}

    def check(self, files: Sequence[Path]) -> None:
        """Read everything and take nothing. Raises BatchFileError with all that is wrong."""
        unknown = total = 0
        for line in _lines(files):
            total += 1
            found = self._read(line)
            if found is not None and found.custom_id in self._wanted:
                self._compare(line, found)
            elif found is not None and not self._log.knows(found.custom_id):
                unknown += 1
                self._problems.append(f"{line.place}: this run has no request {_short(found.custom_id)!r}")
        if unknown == total:
            raise _foreign(files, total)
        self._raise_any()

    def _compare(self, line: _Line, found: BatchAnswer) -> None:
        """Remember an answer; another one to the same request is a problem, unless it is the same."""
        if isinstance(self._outcome(found), Response):
            body = hashlib.sha256(found.answer.body).digest()
            place, known = self._answers.setdefault(found.custom_id, (line.place, body))
            if known != body:
                self._problems.append(f"{line.place}: another answer to {_short(found.custom_id)!r} stands in {place}")

    def outcomes(self, files: Sequence[Path]) -> Iterator[tuple[str, str, Response | ModelError | None]]:
        """Yield place, key and what each line comes to, each key once: an answer before an error.

        None stands for one that is not wanted any more.
        """
        seen: set[str] = set()
        for line in _lines(files):
            found = read_answer(line.data)
            key = found.custom_id
            if key in seen:
                continue
            outcome = self._outcome(found) if key in self._wanted else None
            if not isinstance(outcome, ModelError) or key not in self._answers:
                seen.add(key)
                yield line.place, key, outcome

    def answered(self, key: str, response: Response) -> Answered:
        """Return what is stored of an answer."""
        return Answered(key=key, model_digest=self._digests[self._wanted[key].model], response=response)

    def _outcome(self, found: BatchAnswer) -> Response | ModelError:
        return outcome_of(self._models[self._wanted[found.custom_id].model], found)

    def _read(self, line: _Line) -> BatchAnswer | None:
        try:
            return read_answer(line.data)
        except BatchFileError as error:
            cut = "" if line.has_end else "; the file ends here, so it may be cut off"
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
        try:
            with path.open("rb") as file:
                for number, data in enumerate(file, start=1):
                    text = data.removeprefix(_BOM) if number == 1 else data
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
    if start.strip() == b"[":
        raise BatchFileError(f"{path} is one JSON array", fix=f"write one object a line: jq -c '.[]' {path}")


def _short(key: str) -> str:
    return key if len(key) <= 24 else f"{key[:16]}…"
