"""Records and their telemetry as a finished run left them, by the number of their Trial."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import Record, Telemetry
from insideLLMs.execute.memory import MemorySink
from insideLLMs.store.sealed_run import SealedRun

Finished = tuple[Record, Telemetry]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of records.jsonl and the telemetry beside each, in the order of the Trials' numbers."""

    records: tuple[bytes, ...]
    telemetry: tuple[Telemetry, ...]

    def decode(self, *, validate: bool) -> list[Finished]:
        """Type the records. Raises RunDirectoryError for one that is none, or, if asked, is not as we write it."""
        typed = [_decode(number, line, validate=validate) for number, line in enumerate(self.records, start=1)]
        return list(zip(typed, self.telemetry, strict=True))


def lines_in_memory(sink: MemorySink) -> Lines:
    """Take what the sink kept."""
    entries = list(sink.entries())
    return Lines(tuple(line for _, line, _ in entries), tuple(telemetry for _, _, telemetry in entries))


def lines_in_directory(path: Path) -> Lines:
    """Read a sealed run; without telemetry.jsonl its telemetry is blank. Raises RunDirectoryError."""
    run = SealedRun.open(path)
    records = tuple(run.lines())
    stored = (line.facts for line in run.telemetry()) if run.has_telemetry else iter(())
    facts: Iterator[Telemetry] = chain(stored, repeat(Telemetry()))
    return Lines(records, tuple(next(facts) for _ in records))


def _decode(number: int, line: bytes, *, validate: bool) -> Record:
    record = read_record(line, Record, where=f"record {number}")
    if validate and canonical.line(record) != line:
        raise RunDirectoryError(
            f"record {number} is not in canonical form",
            fix="was the run directory edited? Run `insidellms validate` on it",
        )
    return record
