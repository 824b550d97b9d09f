"""Batch files: what a run has to ask, written for somebody else to ask it, and the answers read back.

A line's custom_id is the key of its request, which covers the model with its parameters, all that is sent, and the
repeat: Trials that share an answer share the line. What judges and probes of several calls ask next is known only once
the first answers are there, so a run may take several rounds; it is sealed when nothing is left to ask.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from insideLLMs.api.batches.answer_files import AnswerReader
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import Ask
from insideLLMs.core.errors import (
    BatchFileError,
    ConfigError,
    ModelError,
    NothingToDoError,
    Problem,
    RunUnfinishedError,
)
from insideLLMs.core.types import JsonValue, Response
from insideLLMs.execute.wanted import WantedAnswers
from insideLLMs.providers.batches.lines import is_request, request_line
from insideLLMs.providers.chat_model import ChatModel
from insideLLMs.remote.copies import fetch_file, uploaded_file
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.batch_log import UNBOUNDED, BatchLog, Entry, Exported, Failed, Origin
from insideLLMs.store.journal import Journal
from insideLLMs.store.whole_file import whole_file

_AT_ONCE = 500
"""So many answers are made durable at a time."""


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

    def __init__(self, out: Path | RemoteUrl, origin: Origin, models: Sequence[str] = ()) -> None:
        self.written: dict[str, int] = {}
        self._out = out
        self._origin = origin
        self._models = models

    def check(self, prepared: Prepared) -> None:
        """Raise ConfigError for what cannot be written to a file: models without batches, and secrets."""
        problems: list[Problem] = []
        models = batch_models(prepared)
        _check_replaceable(self._out)
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
        with BatchLog(journal, max_attempts=UNBOUNDED) as log:
            log.check_none_is_out()
            if log.origin != self._origin:
                log.append([self._origin])
            wanted = WantedAnswers()
            await ask(journal, answers=log, wanted=wanted)
            if wanted and _note_refused(prepared, log, wanted):  # which become records, without being asked
                wanted = WantedAnswers()
                await ask(journal, answers=log, wanted=wanted)
            if wanted:
                log.upload()  # before there are requests to answer: the answers belong to it
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


def _check_replaceable(place: Path | RemoteUrl) -> None:
    """Raise BatchFileError for a file that is there and holds no requests: an experiment, answers, a run's file."""
    path = fetch_file(place) if isinstance(place, RemoteUrl) else place
    if path is None or not path.is_file():
        return
    try:
        with path.open("rb") as file:
            start = file.readline()
    except OSError as error:
        raise BatchFileError(f"cannot write {path}: {error.strerror or error}", fix="choose another file") from error
    if start and not is_request(start):
        raise BatchFileError(f"{path} exists, and is no file of requests", fix="choose another file, or remove it")


@contextlib.contextmanager
def _written(place: Path | RemoteUrl) -> Iterator[BinaryIO]:
    """Write a file that is there whole or not at all. Raises BatchFileError, and RemoteError."""
    try:
        with uploaded_file(place) if isinstance(place, RemoteUrl) else whole_file(place) as file:
            yield file
    except OSError as error:
        raise BatchFileError(f"cannot write {place}: {error.strerror or error}", fix="choose another file") from error


class LineError(msgspec.Struct, frozen=True, kw_only=True):
    """A line that holds an error instead of an answer."""

    place: str
    type: str
    message: str


class BatchImport:
    """The rounds of a run that takes answers from files, each line of which is checked before any is taken.

    After the run, `taken` counts new answers, `known` those that were there, and `refused` errors that are now the
    outcome of their Trials; `failed` are lines with errors that are to be asked again, `differing` the places of known
    answers that are not what the run has, which stays, and `missing` counts requests that are still to be asked. Raises
    RunUnfinishedError where there are any, and BatchFileError for files of which nothing was taken.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.taken = self.known = self.refused = self.missing = 0
        self.failed: list[LineError] = []
        self.differing: list[str] = []
        self._files = files

    def check(self, prepared: Prepared) -> None:
        """Raise ConfigError for models whose answers no file holds."""
        batch_models(prepared)

    async def rounds(self, prepared: Prepared, journal: Journal, ask: Ask) -> Mapping[str, JsonValue]:
        """Take the answers, and score what is complete."""
        with BatchLog(journal, max_attempts=0) as log:
            log.check_none_is_out()
            wanted = WantedAnswers()
            await ask(journal, answers=log, wanted=wanted)  # also for what was refused, which may have an answer now
            digests = {name: ready.digest for name, ready in prepared.asked.items()}
            reader = AnswerReader(batch_models(prepared), digests, log, wanted)
            reader.check(self._files)
            self.differing = reader.differing
            self._take(reader, log)
            log.max_attempts = UNBOUNDED
            left = WantedAnswers()
            await ask(journal, answers=log, wanted=left)
            self.missing = len(left)
            if left:
                log.upload()
                raise RunUnfinishedError(f"requests still to be asked: {self.missing:,}")
        return {}

    def _take(self, reader: AnswerReader, log: BatchLog) -> None:
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
