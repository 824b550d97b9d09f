"""A line of the journal: ``{"crc":"<crc32>","body":{...}}``. CRC-32 is over the body's bytes: it shows a damaged line.

The body is a header, or holds a Trial's number with its *answer* (its record before it is scored) or its *record*.
"""

import zlib
from collections.abc import Iterable, Iterator

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.record_views import RecordIdentity, RecordStatus, read_record
from insideLLMs.core.types import JsonValue, Record, ResultStatus, expand


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run that what follows belongs to; a journal has more than one where the probes were changed.

    `described` says what the run is, for those who read it before it is finished.
    """

    run_id: str
    trials: int
    answers_id: str = ""
    described: dict[str, JsonValue] | None = None


_FORMAT = "insidellms/journal/2"
_NONE = msgspec.Raw(b"")


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What a line says; one that is no Trial's has the number -1."""

    index: int = -1
    header: JournalHeader | None = None
    answer: msgspec.Raw = _NONE
    record: msgspec.Raw = _NONE
    telemetry: msgspec.Raw = _NONE
    is_answer: bool = False

    def status(self) -> str | None:
        """Return what the Trial of its record came to; None where there is no record, or none that can be read."""
        try:
            return _decode_status(self.record).status if bytes(self.record) else None
        except msgspec.DecodeError:
            return None


class _Line(msgspec.Struct, frozen=True):
    crc: str
    body: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_status = msgspec.json.Decoder(RecordStatus).decode
_decode_body = msgspec.json.Decoder(Body).decode


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A finished Trial: the bytes of its record and of its telemetry."""

    index: int
    record: bytes
    telemetry: bytes


def header_line(header: JournalHeader) -> bytes:
    """Return the line that says which run the following ones belong to."""
    return checked_line(canonical.line({"header": {"format": _FORMAT, **expand(header)}}))


def answer_line(index: int, record: bytes, telemetry: bytes) -> bytes:
    """Return the line of an answer, given as the canonical line of a record without scores."""
    return checked_line(b'{"answer":%b,"index":%d,"telemetry":%b}' % (record, index, telemetry))


def record_line(index: int, record: bytes, telemetry: bytes, *, is_answer: bool = False) -> bytes:
    """Return the line of a finished Trial; whether its record `is_answer`, too, as no line of its own holds that."""
    mark = b'"is_answer":true,' if is_answer else b""
    return checked_line(b'{"index":%d,%b"record":%b,"telemetry":%b}' % (index, mark, record, telemetry))


def journal_lines(entries: Iterable[tuple[RecordIdentity, Entry]], header: JournalHeader) -> Iterator[bytes]:
    """Yield the lines of a journal for a sealed run to be reopened: its successes, and the answers of failures."""
    yield header_line(header)
    for found, entry in entries:
        if found.status == ResultStatus.SUCCESS:
            yield record_line(entry.index, entry.record, entry.telemetry)
        elif read_record(entry.record, Record).response is not None:
            yield answer_line(entry.index, entry.record, entry.telemetry)


def checked_line(body: bytes) -> bytes:
    """Return the line of a body, with its checksum."""
    return b'{"crc":"%08x","body":%b}\n' % (zlib.crc32(body), body)


def checked_body(line: bytes) -> msgspec.Raw | None:
    """Return the line's body as it stands, or None if it is torn or damaged."""
    try:
        parsed = _decode_line(line)
        intact = line.endswith(b"\n") and int(parsed.crc, 16) == zlib.crc32(parsed.body)
    except (msgspec.DecodeError, ValueError):
        return None
    return parsed.body if intact else None


def read_body(line: bytes) -> Body | None:
    """Return the line's body, or None if it is torn or damaged."""
    body = checked_body(line)
    try:
        return None if body is None else _decode_body(body)
    except msgspec.DecodeError:
        return None
