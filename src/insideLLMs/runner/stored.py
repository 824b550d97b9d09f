"""Records and their telemetry as a finished run left them, by the number of their Trial."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import InsideLLMsError, RunDirectoryError
from insideLLMs.core.types import JsonValue, Record, Telemetry
from insideLLMs.execute.memory import MemorySink
from insideLLMs.store.directory import RECORDS, TELEMETRY, read_lines
from insideLLMs.store.journal import decode_record

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
    records = tuple(read_lines(path / RECORDS))
    stored = read_lines(path / TELEMETRY) if (path / TELEMETRY).exists() else iter(())
    facts: Iterator[Telemetry] = chain((_telemetry(line) for line in stored), repeat(Telemetry()))
    return Lines(records, tuple(next(facts) for _ in records))


def _telemetry(line: bytes) -> Telemetry:
    """Read a line of telemetry.jsonl, which names its Trial besides."""
    facts: Mapping[str, JsonValue] = msgspec.json.decode(line)
    names = Telemetry.__struct_fields__
    return msgspec.convert({name: facts[name] for name in names if name in facts}, Telemetry)


def _decode(number: int, line: bytes, *, validate: bool) -> Record:
    try:
        record = decode_record(line)
        if validate and canonical.line(record) != line:
            raise InsideLLMsError("it is not in canonical form")
    except (msgspec.MsgspecError, InsideLLMsError) as error:
        raise RunDirectoryError(
            f"record {number} is not valid: {error}",
            fix="was the run directory edited? Run `insidellms validate` on it",
        ) from error
    return record
