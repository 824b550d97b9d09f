"""The built-in dataset formats: each reader yields rows as they stand in the file, one at a time where it can.

A reader with a parameter `stream` is given the file's plain bytes and yields pairs of line number and row; any
other yields rows alone. A row that cannot be decoded is yielded as a BadRow.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, AnyStr, BinaryIO

import msgspec
import orjson

from insideLLMs.core.documents import FieldPath, read_document
from insideLLMs.core.errors import DatasetError
from insideLLMs.core.repeated_keys import lines_of, repeated_key, split_object
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.examples import BadRow

Row = JsonValue | BadRow
LIST_KEYS = ("examples", "items", "data")
_BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 26
"""Characters or bytes of a line: a few megabytes of compressed file can unpack to a line that fills the memory."""
LARGEST_DOCUMENT = 1 << 29
"""Bytes of a file that is read as a whole."""


def read_jsonl(stream: BinaryIO) -> Iterator[tuple[int, Row]]:
    """Read one JSON object per line; blank lines are passed over."""
    decode = msgspec.json.Decoder().decode  # exact where orjson turns integers beyond 64 bits into floats
    for number, line in enumerate(bounded_lines(stream), 1):
        if number == 1 and line.removeprefix(_BOM).lstrip().startswith(b"["):
            raise DatasetError("is a JSON array, not one object a line", fix="set format: json, or name it .json")
        try:
            yield number, _with_all_keys(line, decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            plain = line.removeprefix(_BOM) if number == 1 else line
            if plain.strip():
                yield number, _decode_again(plain, error)


def bounded_lines(stream: IO[AnyStr]) -> Iterator[AnyStr]:
    """Yield lines with their ends. Raises DatasetError for one that is longer than LONGEST_LINE."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise DatasetError(
                f"line {number} is longer than {LONGEST_LINE:,} bytes", fix="split it into rows; one row is one line"
            )
        yield line


def _decode_again(text: bytes, error: Exception) -> Row:
    """Decode what msgspec refused: a first line behind a byte order mark, or find words for what is wrong."""
    if isinstance(error, RecursionError):
        return BadRow("is nested too deeply")
    try:
        return _with_all_keys(text, msgspec.json.decode(text))
    except UnicodeDecodeError:
        return BadRow("is not valid UTF-8")
    except msgspec.DecodeError as again:
        return BadRow(f"is not valid JSON: {_json_complaint(text) or again}")


def _with_all_keys(text: bytes, row: JsonValue) -> Row:
    """Return a row unless it lacks what its text says: of a key that is given twice, decoders keep the last value."""
    key = repeated_key(text, row)
    return row if key is None else BadRow(f"has the key {key!r} twice in one object; keep one of them")


def _json_complaint(text: bytes) -> str | None:
    """Return orjson's words for what is wrong, which name the column where msgspec's count bytes."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"{error.msg} (column {error.colno})"
    return None


def read_json(stream: BinaryIO) -> Iterator[tuple[int, Row]]:
    """Read a JSON array of objects, or an object that holds one under `examples`, `items` or `data`."""
    text = _read_whole(stream).removeprefix(_BOM)
    position, line = 0, 1
    for raw in _elements(text):
        element = bytes(raw)
        start = text.index(element, position)  # between two elements there is only space and a comma
        line += text.count(b"\n", position, start)
        try:
            yield line, _with_all_keys(element, msgspec.json.decode(element))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield line, _decode_again(element, error)
        line += element.count(b"\n")
        position = start + len(element)


def _read_whole(stream: BinaryIO) -> bytes:
    text = stream.read(LARGEST_DOCUMENT + 1)
    if len(text) > LARGEST_DOCUMENT:
        raise DatasetError(f"is larger than {LARGEST_DOCUMENT:,} bytes", fix="write it as one object per line (.jsonl)")
    return text


def _elements(text: bytes) -> Sequence[msgspec.Raw]:
    try:
        if text.lstrip().startswith(b"{"):
            outer, twice = split_object(text)
            if twice is not None:
                where = " and ".join(map(str, dict.fromkeys(lines_of(twice, text))))
                raise DatasetError(
                    f"has the key {twice!r} twice in its outermost object, at line {where}", fix="keep one of them"
                )
            inner = [outer[key] for key in LIST_KEYS if key in outer]
            if len(inner) != 1:
                raise DatasetError(
                    "is an object; a JSON dataset is an array of objects, or has one under 'examples'",
                    fix="for one object per line, use format: jsonl",
                )
            text = bytes(inner[0])
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _json_error(text, error) from error


def _json_error(text: bytes, error: Exception) -> DatasetError:
    fix = "for one object per line, use format: jsonl"
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as found:
        return DatasetError(f"is not valid JSON: {found.msg} at line {found.lineno}, column {found.colno}", fix=fix)
    return DatasetError(f"is not a JSON array of objects: {error}", fix=fix)


def read_yaml(stream: BinaryIO) -> Iterator[tuple[int, Row]]:
    """Read a YAML list of mappings, or a mapping that holds one under `examples`, `items` or `data`."""
    document = read_document(_read_whole(stream), "yaml")
    if document.problems:
        raise DatasetError("is not valid YAML:\n" + "\n".join(f"  {problem}" for problem in document.problems))
    rows: JsonValue = document.value
    where: FieldPath = ()
    if isinstance(rows, dict):
        held = [key for key in LIST_KEYS if key in rows]
        if len(held) == 1:
            rows, where = rows[held[0]], (held[0],)
    if not isinstance(rows, list):
        raise DatasetError("is not a list of examples", fix="write each example as an item, '- prompt: ...'")
    for position, row in enumerate(rows):
        yield document.place((*where, position))[0], row


def read_inline(examples: Sequence[Mapping[str, JsonValue]]) -> Iterator[Mapping[str, JsonValue]]:
    """Return examples that are written in the experiment itself."""
    return iter(examples)
