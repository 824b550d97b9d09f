"""A line of `telemetry.jsonl`, with a CRC-32 of its own: the manifest has no digest of what is volatile."""

import zlib

import msgspec

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.record_views import RecordIdentity, TelemetryLine, read_record

_CHECKSUM = b',"crc":"%08x"}'
_CHECKSUM_BYTES = len(_CHECKSUM % 0)


def telemetry_line(trial: RecordIdentity, facts: bytes) -> bytes:
    """Return the line of a Trial, without a newline; `facts` is an object of plain JSON, as the journal has it."""
    named = msgspec.json.encode(trial)
    line = named[:-1] + (b"," if len(facts) > 2 else b"") + facts[1:]
    return line[:-1] + _CHECKSUM % zlib.crc32(line)


def has_checksum(line: bytes) -> bool:
    """Whether the line ends with the checksum of the rest."""
    rest = line[:-_CHECKSUM_BYTES] + b"}"
    return line[-_CHECKSUM_BYTES:] == _CHECKSUM % zlib.crc32(rest)


def read_telemetry_line(line: bytes, *, where: str) -> TelemetryLine:
    """Read a line; those of earlier versions have no checksum. Raises RunDirectoryError saying `where`."""
    read = read_record(line, TelemetryLine, where=where)
    if read.crc is not None and not has_checksum(line):
        raise RunDirectoryError(
            f"{where} was changed: its checksum differs", fix="restore the file from where the run was copied"
        )
    return read
