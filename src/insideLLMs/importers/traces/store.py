"""Spans sorted by trace, on disk: memory holds one part of the traces at a time, in whatever order they come."""

import hashlib
import struct
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO

import msgspec

from insideLLMs.core.errors import DatasetError
from insideLLMs.importers.fields import count_left
from insideLLMs.trajectories.span import Span

_PART_BYTES = 1 << 25
_MOST_PARTS = 120
"""Open files, of which a process may have 256."""
_LARGEST_TRACE = 1 << 26
_HEAD = struct.Struct("<QI")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Span).decode


class SpanStore:
    """Spans by trace. The files have no name, so nothing of them stays, whatever ends the process.

    `expected_bytes` is about how much will be put aside. Raises DatasetError where the disk is full.
    """

    def __init__(self, expected_bytes: int) -> None:
        count = min(_MOST_PARTS, 1 + expected_bytes // _PART_BYTES)
        self._parts: list[IO[bytes]] = []
        weakref.finalize(self, _close, self._parts)
        for _ in range(count):
            self._parts.append(tempfile.TemporaryFile())  # noqa: SIM115 - open as long as the store is

    def add(self, span: Span, left_out: Counter[str]) -> None:
        """Put a span aside; one that holds what cannot be stored is counted."""
        try:
            data = _encode(span)
        except (UnicodeEncodeError, OverflowError, RecursionError):
            count_left(left_out, "span (that cannot be stored)")
            return
        number = number_of(span.trace)
        try:
            self._parts[number % len(self._parts)].write(_HEAD.pack(number, len(data)) + data)
        except OSError as error:
            raise DatasetError(
                f"temporary files of traces cannot be written in {tempfile.gettempdir()}: {error.strerror}",
                fix="set TMPDIR to a folder with as much free space as the traces take",
            ) from error

    def traces(self, left_out: Counter[str], wanted: Callable[[int], bool] | None = None) -> Iterator[list[Span]]:
        """Yield the spans of each trace, in an order that does not depend on theirs.

        `wanted` says of a trace's number whether it is read at all.
        """
        for part in self._parts:
            by_trace: dict[int, list[bytes]] = {}
            sizes: Counter[int] = Counter()
            part.seek(0)
            while head := part.read(_HEAD.size):
                number, size = _HEAD.unpack(head)
                data = part.read(size)
                if wanted is not None and not wanted(number):
                    continue
                sizes[number] += size
                if sizes[number] > _LARGEST_TRACE:
                    count_left(left_out, f"span (of a trace beyond {_LARGEST_TRACE:,} bytes)")
                    continue
                by_trace.setdefault(number, []).append(data)
            for number in sorted(by_trace):
                yield from _split([_decode(data) for data in by_trace.pop(number)])


def _close(parts: list[IO[bytes]]) -> None:
    for part in parts:
        part.close()


def number_of(trace: str) -> int:
    """Return the 64-bit number of a trace."""
    return int.from_bytes(hashlib.blake2b(trace.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _split(spans: list[Span]) -> Iterator[list[Span]]:
    """Yield the spans of each trace where two share a number."""
    by_trace: dict[str, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace, []).append(span)
    yield from by_trace.values()
