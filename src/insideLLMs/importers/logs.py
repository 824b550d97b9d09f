"""Which tool a log is of, and the logs of one tool as a source of trials."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from insideLLMs.core.errors import DatasetError
from insideLLMs.importers.foreign import ForeignTrial, Importer, Place, Reading
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


class LogSource:
    """The logs of one tool. The files of a run follow each other as they are given."""

    repeat_hint = "was the log written twice into one file?"

    def __init__(self, name: str, logs: Sequence[LogFile], *, unfinished: bool) -> None:
        self.name = name
        self.logs = tuple(logs)
        self.reading = Reading(unfinished=unfinished, logs=self.logs)
        self._importer = importer_of(name)
        self._is_first = True

    @property
    def left_out(self) -> Mapping[str, int]:
        """How often each field was not carried."""
        return self.reading.left_out

    @property
    def secrets(self) -> Iterable[str]:
        """What stood under names that say secret."""
        return {secret for log in self.logs for secret in log.decoder.secrets}

    def trials(self) -> Iterator[tuple[int, ForeignTrial]]:
        """Yield every trial; in the first pass, what could not be carried is counted and all is decoded."""
        reading = self.reading if self._is_first else Reading(unfinished=self.reading.unfinished, logs=self.logs)
        for number, log in enumerate(self.logs):
            if self._is_first:
                log.sweep()
            for trial in self._importer.trials(log, reading):
                yield number, trial
            if log.entries is not None:
                log.entries.close()

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
        return DatasetError(f"{names} has no samples", fix=f"did {self.name} end before it asked anything?")


def open_logs(paths: Sequence[Path], name: str | None, *, unfinished: bool) -> LogSource | None:
    """Open logs of one tool, recognised by content unless `name` says which. None for what is no known log.

    Raises DatasetError for a file that cannot be read, or of another tool than the first.
    """
    logs = [LogFile(path) for path in paths]
    found = [recognise(log) for log in logs]
    if name is not None:
        source = LogSource(name, logs, unfinished=unfinished)
        for log, tool in zip(logs, found, strict=True):
            if tool not in {None, name}:
                raise DatasetError(
                    f"{log.name} is a log of {tool}, not of {name}", fix=f"leave --from out, or --from {tool}"
                )
        return source
    if len(set(found)) > 1:
        told = "; ".join(f"{log.name}: {tool or 'not recognised'}" for log, tool in zip(logs, found, strict=True))
        raise DatasetError(f"the files are of different tools: {told}", fix="import each tool's logs into its own run")
    return None if found[0] is None else LogSource(found[0], logs, unfinished=unfinished)
