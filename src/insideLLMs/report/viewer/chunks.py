"""Rows -> columns of JSON -> chunks inside a page, which reads them only when it shows them.

A chunk is one object of columns, ``{"prompt": [...], "answer": [...]}``, in a script element that no browser
runs. Little data stays readable JSON; much is deflated, by libdeflate and not by zlib: of zlib there are several
(zlib, zlib-ng, Chromium's), which make different bytes of the same text, and a page must be the same everywhere.
"""

import base64
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import orjson

PLAIN_LIMIT_BYTES = 2 * 1024 * 1024
"""Up to this much JSON is embedded as it is."""
CHUNK_BYTES = 384 * 1024
CHUNK_ROWS = 4096
SHORT_ROWS = 1024
_MEMORY_BYTES = 1024 * 1024
_COPY_BYTES = 1024 * 1024
_LEVEL = 6  # 9 takes twice the time for 2 % less


def script_safe(json: bytes) -> bytes:
    """Spell JSON so that it cannot close the script element it stands in, nor open a comment."""
    return json.replace(b"<", b"\\u003c")


def script_element(name: str, json: bytes, *, compressed: bool) -> bytes:
    """Return a data block; `name` is its id."""
    if not compressed:
        return b'<script type="application/json" id="%s">%s</script>\n' % (name.encode(), script_safe(json))
    import deflate  # noqa: PLC0415 - only large pages need it

    data = base64.b64encode(deflate.deflate_compress(json, _LEVEL))
    return b'<script type="application/octet-stream" id="%s">%s</script>\n' % (name.encode(), data)


class Chunks:
    """Collects rows of one table, and afterwards writes them as chunks named ``NAME-0``, ``NAME-1``, ...

    Memory is bounded: finished chunks go to a temporary file once there are many. `starts` are the row numbers
    with which the chunks begin. Values are JSON already; those of ValueChunks become it.
    """

    def __init__(self, name: str, columns: Sequence[str], *, plain_limit_bytes: int = PLAIN_LIMIT_BYTES) -> None:
        self._name = name
        self._keys = [b"%s:" % orjson.dumps(column) for column in columns]
        self._columns: list[list[Any]] = [[] for _ in columns]
        self._chunk_bytes = 0
        self._plain: list[bytes] | None = []
        self._plain_room = plain_limit_bytes
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115 - closed by close()
        self.starts: list[int] = []
        self.rows = 0

    def add(self, values: Sequence[bytes]) -> None:
        """Append a row: the JSON of each column."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
            self._chunk_bytes += len(value) + 1
        self.rows += 1
        if self._chunk_bytes >= CHUNK_BYTES or len(self._columns[0]) >= CHUNK_ROWS:
            self._finish()

    def pieces(self) -> Iterator[bytes]:
        """Yield the script elements; nothing can be added after that."""
        self._finish()
        if self._plain is not None:
            for number, json in enumerate(self._plain):
                yield script_element(f"{self._name}-{number}", json, compressed=False)
            return
        self._file.seek(0)
        while piece := self._file.read(_COPY_BYTES):
            yield piece

    def finish(self) -> None:
        """Close the last chunk, so that `starts` is whole."""
        self._finish()

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()

    def _finish(self) -> None:
        rows = len(self._columns[0])
        if not rows:
            return
        json = b"{%s}" % b",".join(
            key + self._spell(column) for key, column in zip(self._keys, self._columns, strict=True)
        )
        for column in self._columns:
            column.clear()
        self._chunk_bytes = 0
        self.starts.append(self.rows - rows)
        if self._plain is None:
            self._store(len(self.starts) - 1, json)
            return
        self._plain.append(json)
        self._plain_room -= len(json)
        if self._plain_room < 0:
            waiting, self._plain = self._plain, None
            for number, held in enumerate(waiting):
                self._store(number, held)

    def _spell(self, column: list[Any]) -> bytes:
        return b"[%s]" % b",".join(column)

    def _store(self, number: int, json: bytes) -> None:
        self._file.write(script_element(f"{self._name}-{number}", json, compressed=True))


class ValueChunks(Chunks):
    """Chunks of rows of short values, whose columns become JSON at once: value by value it costs four times as much."""

    def add(self, values: Sequence[object]) -> None:
        """Append a row."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self.rows += 1
        if len(self._columns[0]) >= SHORT_ROWS:
            self._finish()

    def _spell(self, column: list[Any]) -> bytes:
        return orjson.dumps(column)


class Dictionary:
    """Numbers for texts that recur, in the order in which they were first met."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:  # Any: whatever hashes and is JSON
        """Return the value's number."""
        return self._numbers.setdefault(value, len(self._numbers))

    def values(self) -> list[Any]:
        """Return the values; each stands at its number."""
        return list(self._numbers)
