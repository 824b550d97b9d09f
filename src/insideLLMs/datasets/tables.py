"""Tables as datasets: CSV as spreadsheets write it, and Parquet.

A spreadsheet's delimiter and encoding depend on the country of its user: `usual_args` finds them in the file's first
bytes, so that they stand in the experiment as if they had been written there.
"""

import codecs
import datetime as dt
import io
import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import DatasetError
from insideLLMs.core.repeated_keys import first_repeated, repeated_key
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.examples import BadRow
from insideLLMs.datasets.formats import Row, bounded_lines
from insideLLMs.datasets.source import HashedFile, bare_path, shown

logger = logging.getLogger(__name__)
_DELIMITERS = ",;\t|"
_HEAD_BYTES = 1 << 16
_HEAD_ROWS = 20
_LONGEST_CELL = 1 << 26  # the csv module's own limit, 128 KiB, is shorter than many a prompt
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
Cells = Callable[[str], JsonValue]


def usual_args(path: Path, format: str, given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the arguments with which a file is read beside those `given`: of a CSV file, what its head tells.

    What is not the usual comma and UTF-8 is logged, because it is a guess.
    """
    if format != "csv" or "delimiter" in given:
        return {}
    if bare_path(path).suffix.lower() == ".tsv":
        return {"delimiter": "\t"}
    try:
        with HashedFile(path) as file:
            head = file.stream.read(_HEAD_BYTES)
    except (DatasetError, OSError, EOFError):
        return {}  # reading it says what is wrong
    encoding = "utf-16" if head.startswith(_UTF_16) and "encoding" not in given else None
    delimiter = _guess_delimiter(head.decode(encoding or "utf-8-sig", errors="replace"))
    guessed = {"delimiter": None if delimiter == "," else delimiter, "encoding": encoding}
    found: dict[str, JsonValue] = {name: value for name, value in guessed.items() if value is not None}
    if found:
        said = ", ".join(f"{name}: {value!r}" for name, value in found.items())
        logger.warning("%s is read with %s, as its first lines suggest; args: {%s} says so", shown(path), said, said)
    return found


def _guess_delimiter(head: str) -> str:
    """Return the delimiter that cuts the first rows into the most columns; a comma where none does."""
    return max(_DELIMITERS, key=lambda delimiter: (_columns(head, delimiter), delimiter == ","))


def _columns(head: str, delimiter: str) -> int:
    """Count the columns of the first row, where most rows have as many; 0 where they have not, or where it is one."""
    import csv  # noqa: PLC0415 - 3 ms that few files need

    try:
        table = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
        widths = [len(cells) for cells in itertools.islice(table, _HEAD_ROWS) if cells]
    except csv.Error:
        return 0
    return widths[0] if widths and widths[0] > 1 and 2 * widths.count(widths[0]) > len(widths) else 0


def read_csv(
    stream: BinaryIO,
    delimiter: str = ",",
    encoding: str = "utf-8",
    split: Mapping[str, str] | None = None,
    json: Sequence[str] = (),
) -> Iterator[tuple[int, Row]]:
    """Read a table whose first line names its columns; every cell is text.

    In an experiment, `delimiter` and UTF-16 are found in the file's first lines unless they are given. `split` names
    columns whose cells hold several values, with what stands between them: ``{answer: "|"}``. `json` names columns
    whose cells are JSON. A blank cell is a value that is missing.
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise DatasetError(f"the delimiter is {delimiter!r}; it must be one character")
    import csv  # noqa: PLC0415 - 3 ms that few files need

    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    text = _as_text(stream, encoding)
    table = csv.reader(bounded_lines(text), delimiter=delimiter, strict=True)
    try:
        try:
            columns = next(table, [])
        except csv.Error as error:
            raise DatasetError(f"its first line is not valid CSV: {error}") from error
        _check_columns(columns)
        readers = _cell_readers(columns, split or {}, json)
        while True:
            line = table.line_num + 1
            try:
                cells = next(table)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, BadRow(f"is not valid CSV: {error}")
                continue
            if any(cells):
                yield line, _csv_row(columns, cells, readers)
    except UnicodeError as error:
        raise DatasetError(f"is not valid {encoding}: {error}", fix="set args: {encoding: ...}") from error
    finally:
        if not stream.closed:  # the digest reads on
            text.detach()


def _as_text(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """Decode; bytes that are no UTF-8 pass as lone surrogates, so that they spoil their own row only."""
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, TypeError) as error:
        raise DatasetError(
            f"the encoding {encoding!r} is not known", fix="utf-8, utf-16 and windows-1252 are the usual ones"
        ) from error
    if name == "utf-8":
        return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    return io.TextIOWrapper(stream, encoding=name, newline="")


def _check_columns(columns: Sequence[str]) -> None:
    twice = first_repeated(columns)
    if twice is not None:
        where = " and ".join(str(number) for number, name in enumerate(columns, 1) if name == twice)
        raise DatasetError(f"has two columns {twice!r}: number {where}", fix="rename one of them")


def _cell_readers(columns: list[str], split: Mapping[str, str], json: Sequence[str]) -> dict[str, Cells]:
    names = (json,) if isinstance(json, str) else json
    check_names((*split, *names), columns)
    for name, separator in split.items():
        if not isinstance(separator, str) or not separator:
            raise DatasetError(f"split: {name}: is {separator!r}; it must be the text between two values")
    readers: dict[str, Cells] = {name: _splitter(separator) for name, separator in split.items()}
    return readers | dict.fromkeys(names, _decode_cell)


def check_names(wanted: Iterable[str], columns: Sequence[str]) -> None:
    """Raise DatasetError for a column that the table does not have."""
    for name in wanted:
        if name not in columns:
            near = nearest(str(name), columns)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(map(repr, columns))}"
            raise DatasetError(f"has no column {name!r}", fix=hint)


def _splitter(separator: str) -> Cells:
    return lambda cell: [part.strip() for part in cell.split(separator) if part.strip()] or None


def _decode_cell(cell: str) -> JsonValue:
    if not cell.strip():
        return None
    value: JsonValue = msgspec.json.decode(cell)
    key = repeated_key(cell.encode(), value)
    if key is not None:
        raise msgspec.DecodeError(f"the key {key!r} stands twice in one object")
    return value


def _csv_row(columns: list[str], cells: list[str], readers: Mapping[str, Cells]) -> Row:
    if len(cells) != len(columns):
        return BadRow(f"has {len(cells)} cells; the first line names {len(columns)} columns")
    joined = "".join(cells)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError:
            return BadRow("is not valid UTF-8; a spreadsheet's file may need args: {encoding: windows-1252}")
    row: dict[str, JsonValue] = dict(zip(columns, cells, strict=True))
    for name, read in readers.items():
        try:
            row[name] = read(row[name])
        except msgspec.DecodeError as error:
            return BadRow(f"column {name!r} is not valid JSON: {error}")
    return row


def read_parquet(path: str, columns: Sequence[str] | None = None) -> Iterator[Mapping[str, JsonValue]]:
    """Read a Parquet file, one example a row. Needs the extra: pip install 'insidellms[parquet]'.

    `columns` names those to read, by default all. Dates and times become ISO 8601 text; NaN is a missing value.
    """
    try:
        from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise DatasetError(
            "reading Parquet needs a library that is not installed", fix="pip install 'insidellms[parquet]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(columns or file.schema_arrow.names)
            check_names(columns or (), file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=1000, columns=columns):
                yield from map(_plain_value, batch.to_pylist())
    except DatasetError as error:
        raise DatasetError(f"{Path(path).name} {error.message}", fix=error.fix) from error
    except (OSError, ValueError) as error:  # what pyarrow raises derives from these two
        raise DatasetError(
            f"{Path(path).name} is not a readable Parquet file: {error}", fix="check the file"
        ) from error


def _plain_value(value: Any) -> Any:
    """Return a value of a table as JSON has it."""
    match value:
        case float() if math.isnan(value):
            return None
        case dt.date() | dt.time():  # a datetime is a date
            return value.isoformat()
        case dict():
            return {name: _plain_value(one) for name, one in value.items()}
        case list():
            return [_plain_value(one) for one in value]
    return value
