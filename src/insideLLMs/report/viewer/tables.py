"""The tables of a page: a stored line -> what is shown of it -> columns of JSON -> chunks that are read when shown.

A chunk is one object of columns, ``{"prompt": [...], "answer": [...]}``, in a script element that no browser
runs. Little data stays readable JSON; much is deflated, by libdeflate and not by zlib: of zlib there are several
(zlib, zlib-ng, Chromium's), which make different bytes of the same text, and a page must be the same everywhere.
"""

import base64
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import msgspec
import orjson

from insideLLMs.core.record_views import ScoreFacts, ViewedFailure, ViewedRecord, ViewedResponse
from insideLLMs.core.types import Example, Message

PREVIEW_CHARACTERS = 72
_COMPARED_CHARACTERS = 20_000
_BEFORE_DIFFERENCE = 20
_ABSENT = msgspec.Raw(b"null")

BODY = ("input", "expected", "fields")
"""The columns of an example."""
ANSWER = ("request", "response", "scores", "failure")
"""The columns of what came of it."""


_decode_input = msgspec.json.Decoder(str | tuple[Message, ...]).decode
_decode_response = msgspec.json.Decoder(ViewedResponse | None).decode
_decode_scores = msgspec.json.Decoder(ScoreFacts | None).decode
_decode_failure = msgspec.json.Decoder(ViewedFailure | None).decode
_NO_RESPONSE = ViewedResponse()
_NO_SCORES = ScoreFacts()


def example_columns(record: ViewedRecord) -> tuple[bytes, ...]:
    """Return the JSON of the columns in BODY."""
    example = record.example
    return tuple(map(bytes, (example.input, example.expected, example.fields)))


def answer_columns(record: ViewedRecord) -> tuple[bytes, ...]:
    """Return the JSON of the columns in ANSWER."""
    return tuple(map(bytes, (record.request, record.response, record.scores, record.failure)))


def response_of(record: ViewedRecord) -> ViewedResponse:
    """Return the response, an empty one where there is none."""
    return _decode_response(record.response) or _NO_RESPONSE


def scores_of(record: ViewedRecord) -> ScoreFacts:
    """Return the scores, empty where there are none."""
    return _decode_scores(record.scores) or _NO_SCORES


def output_tokens(record: ViewedRecord) -> int | None:
    """Return how many tokens the answer has, where the provider counted them."""
    usage = response_of(record).usage
    return None if usage is None else usage.output_tokens


def prompt_preview(record: ViewedRecord) -> str:
    """Return the beginning of the input; of a chat, that of its last user message."""
    given = _decode_input(record.example.input)
    if not isinstance(given, str):
        given = Example(id="", input=tuple(given)).text
    return preview(given)


def answer_text(record: ViewedRecord, response: ViewedResponse) -> str:
    """Return the answer, or why there is none."""
    if response.text:
        return response.text
    if response.value != _ABSENT:
        return bytes(response.value).decode("utf-8", "replace")
    failure = _decode_failure(record.failure)
    return f"{failure.type}: {failure.message}" if failure else ""


def preview(text: str, start: int = 0) -> str:
    """Return the text from `start`, its blanks and line ends as single spaces, cut to PREVIEW_CHARACTERS."""
    head = text[: PREVIEW_CHARACTERS + 1]
    if not start and len(head) > PREVIEW_CHARACTERS and " ".join(head.split()) == head:
        return f"{head[:-2]}…"  # most long texts begin so, and the rest of them changes nothing
    shown = " ".join(text[start : start + 3 * PREVIEW_CHARACTERS].split())
    shown = f"…{shown}" if start else shown
    whole = len(shown) <= PREVIEW_CHARACTERS and len(text) <= start + 3 * PREVIEW_CHARACTERS
    return shown if whole else f"{shown[: PREVIEW_CHARACTERS - 1]}…"


def preview_difference(before: str, after: str) -> tuple[str, str]:
    """Return previews that begin shortly before the place from which the texts differ."""
    limit = min(len(before), len(after), _COMPARED_CHARACTERS)
    place = next((place for place in range(limit) if before[place] != after[place]), limit)
    if place < PREVIEW_CHARACTERS // 2 or before == after:
        return preview(before), preview(after)
    blank = before.rfind(" ", 0, place - _BEFORE_DIFFERENCE)
    start = blank + 1 if blank > 0 else place - _BEFORE_DIFFERENCE
    return preview(before, start), preview(after, start)


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
        self._rows: list[Sequence[Any]] = []
        self._chunk_bytes = 0
        self._plain: list[bytes] | None = []
        self._plain_room = plain_limit_bytes
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES))  # noqa: SIM115 - closed by close()
        self.starts: list[int] = []
        self.rows = 0

    def add(self, values: Sequence[bytes]) -> None:
        """Append a row: the JSON of each column."""
        self._rows.append(values)
        self._chunk_bytes += sum(map(len, values)) + len(values)
        self.rows += 1
        if self._chunk_bytes >= CHUNK_BYTES or len(self._rows) >= CHUNK_ROWS:
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
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        json = b"{%s}" % b",".join(key + self._spell(column) for key, column in zip(self._keys, columns, strict=True))
        self.starts.append(self.rows - len(self._rows))
        self._rows.clear()
        self._chunk_bytes = 0
        if self._plain is None:
            self._store(len(self.starts) - 1, json)
            return
        self._plain.append(json)
        self._plain_room -= len(json)
        if self._plain_room < 0:
            waiting, self._plain = self._plain, None
            for number, held in enumerate(waiting):
                self._store(number, held)

    def _spell(self, column: Sequence[Any]) -> bytes:
        return b"[%s]" % b",".join(column)

    def _store(self, number: int, json: bytes) -> None:
        self._file.write(script_element(f"{self._name}-{number}", json, compressed=True))


class ValueChunks(Chunks):
    """Chunks of rows of short values, whose columns become JSON at once: value by value it costs four times as much."""

    def add(self, values: Sequence[object]) -> None:
        """Append a row."""
        self._rows.append(values)
        self.rows += 1
        if len(self._rows) >= SHORT_ROWS:
            self._finish()

    def _spell(self, column: Sequence[Any]) -> bytes:
        return orjson.dumps(column)


class Dictionary(dict[Any, int]):  # Any: whatever hashes and is JSON
    """Numbers for values that recur, in the order in which they were first asked for."""

    def __missing__(self, value: Any) -> int:
        number = self[value] = len(self)
        return number
