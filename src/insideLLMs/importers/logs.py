"""Which tool a log is of, and the logs of one tool as a source of trials."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from insideLLMs.core.errors import DatasetError
from insideLLMs.core.types import JsonValue
from insideLLMs.importers.fields import count_left
from insideLLMs.importers.foreign import ForeignTrial, Gathering, Importer, Place, Reading, TrialChange
from insideLLMs.importers.log_file import LogFile
from insideLLMs.plugins import importer_registry


def importer_of(name: str) -> Importer:
    """Return an importer. Raises UnknownPluginError, naming the nearest name."""
    importer: Importer = importer_registry.get(name)
    return importer


def recognise(log: LogFile) -> str | None:
    """Return the name of the importer that takes a log's content, None where there is none."""
    return next((name for name in importer_registry.list() if importer_of(name).recognises(log)), None)


def known_logs() -> str:
    """Say which logs are known, a line each."""
    names = importer_registry.list()
    return "\n".join(f"  {name:<14} {importer_registry.info(name)['doc']}" for name in names)


_RECORD = "let the instrumentation record messages, e.g. by OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class LogSource:
    """The logs of one tool. The files of a run follow each other as they are given.

    `changes` are made to every trial of traffic, such as replacing personal data.
    """

    repeat_hint = "was the log written twice into one file?"

    def __init__(self, name: str, reading: Reading) -> None:
        self.name = name
        self.logs = reading.logs
        self.reading = reading
        self._importer = importer_of(name)
        self._is_first = True
        self.changes: list[TrialChange] = []

    @property
    def is_traffic(self) -> bool:
        """Whether the trials are requests of an application in production."""
        return isinstance(self._importer, Gathering)

    @property
    def left_out(self) -> Mapping[str, int]:
        """How often each field was not carried."""
        return self.reading.left_out

    @property
    def secrets(self) -> Iterable[str]:
        """What stood under names that say secret."""
        return {secret for log in self.logs for secret in log.decoder.secrets}

    def trials(self, wanted: Callable[[int], bool] | None = None) -> Iterator[tuple[int, ForeignTrial]]:
        """Yield every trial; in the first pass, what could not be carried is counted and all is decoded.

        `wanted` says of the number of a trace whether its requests are.
        """
        reading = self.reading if self._is_first else self.reading.again()
        if isinstance(self._importer, Gathering):
            for number, trial in self._importer.gathered(self.logs, reading, wanted):
                changed = self._changed(trial, reading)
                if changed is not None:
                    yield number, changed
            return
        for number, log in enumerate(self.logs):
            if self._is_first:
                log.sweep()
            for trial in self._importer.trials(log, reading):
                yield number, trial
            if log.entries is not None:
                log.entries.close()

    def _changed(self, trial: ForeignTrial, reading: Reading) -> ForeignTrial | None:
        for change in self.changes:
            changed = change.of(trial)
            if changed is None:
                count_left(reading.left_out, change.leaves_out)
                return None
            trial = changed
        return trial

    def read_as(self) -> dict[str, JsonValue]:
        """Return what tells runs apart that were read differently from the same files; nothing where all is usual."""
        each_call: dict[str, JsonValue] = {"each_call": True} if self.reading.each_call else {}
        return {**each_call, **({"changes": [change.identity() for change in self.changes]} if self.changes else {})}

    def end(self) -> list[str]:
        """End the first pass."""
        self._is_first = False
        return []

    def place(self, place: Place, *, short: bool = False) -> str:
        """Say where a trial stands."""
        log = self.logs[place[0]]
        return f"line {place[1]}" if short and log.entries is None and len(self.logs) == 1 else log.place(place[1])

    def refusal(self, problems: Sequence[str]) -> DatasetError:
        """Make the error for logs with problems, or without trials."""
        names = ", ".join(log.name for log in self.logs)
        if problems:
            told = "\n".join(problems)
            return DatasetError(
                f"the log of {self.name} cannot be imported:\n{told}", fix="export the log again with its own tool"
            )
        if self.is_traffic:
            told = (
                ", ".join(f"{name} ({count:,})" for name, count in sorted(self.left_out.items())) or "it has no spans"
            )
            return DatasetError(f"{names}: no request with a question was found: {told}", fix=_RECORD)
        return DatasetError(f"{names} has no samples", fix=f"did {self.name} end before it asked anything?")


def open_logs(paths: Sequence[Path], name: str | None, reading: Reading) -> LogSource | None:
    """Open logs of one tool, recognised by content unless `name` says which. None for what is no known log.

    Raises DatasetError for a file that cannot be read, or of another tool than the first.
    """
    logs, found = [], []
    for path in paths:
        logs.append(LogFile(path))
        found.append(recognise(logs[-1]))
        if len(paths) > 1:
            logs[-1].release()
    reading.logs = tuple(logs)
    if name is not None:
        source = LogSource(name, reading)
        for log, tool in zip(logs, found, strict=True):
            if tool not in {None, name}:
                raise DatasetError(
                    f"{log.name} is a log of {tool}, not of {name}", fix=f"leave --from out, or --from {tool}"
                )
        return source
    if len(set(found)) > 1:
        told = "; ".join(f"{log.name}: {tool or 'not recognised'}" for log, tool in zip(logs, found, strict=True))
        raise DatasetError(f"the files are of different tools: {told}", fix="import each tool's logs into its own run")
    return None if found[0] is None else LogSource(found[0], reading)
