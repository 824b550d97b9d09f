"""A log as a file: JSON lines, one JSON document, or a zip of JSON files; told apart by content, bounded in memory."""

import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import msgspec

from insideLLMs.core.errors import CanonicalError, DatasetError
from insideLLMs.core.types import JsonValue
from insideLLMs.datasets.formats import LARGEST_DOCUMENT, bounded_lines
from insideLLMs.datasets.source import HashedFile, shown, translated
from insideLLMs.importers.log_zip import LogZip
from insideLLMs.importers.strict_json import StrictDecoder, byte_of

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ZIP = b"PK"
_SPLIT_FROM = 1 << 20
"""Bytes from which a part of a document is decoded piece by piece: decoded JSON takes about ten times its text."""
_DEEPEST_SPLIT = 50
_SPACE = b" \t\r\n"
_FIX = "export the log again with its own tool"
_HEAD_BYTES = 1 << 10


class LogFile:
    """A log of another tool. `keys` are those of its first object, `is_lines` where it holds one object a line.

    `entries` is set where the file is a zip.
    """

    def __init__(self, path: Path, decoder: StrictDecoder | None = None) -> None:
        """Look at how the file begins. Raises DatasetError where it cannot be read at all."""
        _check_regular(path)
        self.path = path
        self.decoder = decoder or StrictDecoder()
        self.sha256 = ""
        self.entries: LogZip | None = None
        self.is_lines = False
        self.keys: frozenset[str] = frozenset()
        with HashedFile(path) as file, translated(path):
            head = file.stream.read(_HEAD_BYTES)
        if head.startswith(_UTF_16):
            raise DatasetError(f"{shown(path)} is UTF-16 text", fix="save it as UTF-8")
        if head.startswith(_ZIP):
            self.entries = LogZip(path, self.decoder)
            self.sha256 = self.entries.sha256()
        elif head.removeprefix(_BOM).lstrip(_SPACE)[:1] in {b"{", b"["}:
            self._look()

    @property
    def name(self) -> str:
        """The path as a person would type it."""
        return shown(self.path)

    def place(self, line: int) -> str:
        """Say where something stands: file and line, or the entry of a zip."""
        return f"{self.name}:{line}" if self.entries is None else f"{self.name}, {self.entries.names[line]}"

    @contextmanager
    def reading(self, line: int) -> Iterator[None]:
        """Name the place in what goes wrong with one part of the log."""
        try:
            yield
        except (DatasetError, CanonicalError) as error:
            raise DatasetError(f"{self.place(line)}: {error.message}", fix=error.fix or _FIX) from error

    def rows(self) -> Iterator[tuple[int, JsonValue]]:
        """Yield each line's value with its number, decoded. Raises DatasetError."""
        for line, text in self.texts():
            with self.reading(line):
                yield line, self.decoder.decode(text)

    def texts(self) -> Iterator[tuple[int, bytes]]:
        """Yield each line with its number, undecoded; a document as the only one. Raises DatasetError."""
        if not self.is_lines:
            yield 1, self.data
            return
        with HashedFile(self.path) as file, translated(self.path):
            yield from self._lines(file)
            self._check_same(file.digest())

    def release(self) -> None:
        """Forget the bytes of a document; they are read again when they are needed."""
        for held in ("data", "members"):
            self.__dict__.pop(held, None)

    def section(self, *keys: str) -> JsonValue:
        """Decode what a document has under `keys`, one within the other; None where it has nothing."""
        raw = self._raw(*keys)
        return None if raw is None else self._decoded(bytes(raw), self._line_of(bytes(raw)))

    def items(self, *keys: str) -> Iterator[tuple[int, JsonValue]]:
        """Yield the items of the list under `keys`, or of a document that is one, with their lines."""
        raw = self._raw(*keys) if keys else msgspec.Raw(self.data)
        if raw is None:
            return
        text = bytes(raw)
        position = self.data.find(text)
        line = self._line_of(text)
        for item in self._split_list(text, line):
            element = bytes(item)
            start = self.data.index(element, position)  # between two items there is only space and a comma
            line += self.data.count(b"\n", position, start)
            yield line, self._decoded(element, line)
            line += element.count(b"\n")
            position = start + len(element)

    def sweep(self) -> None:
        """Decode all of a document once, piece by piece: what is wrong anywhere is found, and every secret.

        Lines and entries are decoded whole when they are read.
        """
        if self.entries is None and not self.is_lines:
            self._sweep(self.data, 1, 0)

    @cached_property
    def data(self) -> bytes:
        """The bytes of a document. Raises DatasetError for one that is too large to be held."""
        with HashedFile(self.path) as file, translated(self.path):
            text = file.stream.read(LARGEST_DOCUMENT + 1)
            if len(text) > LARGEST_DOCUMENT:
                raise DatasetError(
                    f"{self.name} is larger than {LARGEST_DOCUMENT:,} bytes",
                    fix="have the tool write one object a line (JSONL), or split the log",
                )
            self.sha256 = file.digest()
        return text.removeprefix(_BOM)

    @cached_property
    def members(self) -> Mapping[str, msgspec.Raw]:
        """The members of a document that is an object, undecoded."""
        return self._members(self.data, 1)

    def _look(self) -> None:
        """Read the keys of the first object: of a line where there are several, else of the document."""
        with HashedFile(self.path) as file, translated(self.path):
            try:
                lines = [text for _, (_, text) in zip(range(2), self._lines(file), strict=False)]
            except DatasetError:  # a line as long as only a document's
                lines = []
        if len(lines) == 2 and _is_object(lines[0]):
            self.is_lines = True
            self.keys = frozenset(self._members(lines[0], 1))
        elif self.data.lstrip(_SPACE).startswith(b"{"):
            self.keys = frozenset(self.members)
        else:
            self.keys = next((frozenset(item) for _, item in self.items() if isinstance(item, dict)), frozenset())

    def _lines(self, file: HashedFile) -> Iterator[tuple[int, bytes]]:
        try:
            for number, line in enumerate(bounded_lines(file.stream), 1):
                text = line.removeprefix(_BOM) if number == 1 else line
                if text.strip():
                    yield number, text
        except DatasetError as error:
            raise DatasetError(f"{self.name}: {error.message}", fix=error.fix) from error

    def _check_same(self, digest: str) -> None:
        if self.sha256 not in {"", digest}:
            raise DatasetError(f"{self.name} changed while it was read", fix="import it when its tool is done")
        self.sha256 = digest

    def _line_of(self, text: bytes) -> int:
        return 1 + self.data.count(b"\n", 0, self.data.find(text))

    def _raw(self, *keys: str) -> msgspec.Raw | None:
        raw: msgspec.Raw | None = None
        members = self.members
        for place, key in enumerate(keys):
            raw = members.get(key)
            if raw is None or bytes(raw).lstrip(_SPACE) == b"null":
                return None
            if place + 1 < len(keys):
                members = self._members(raw, 1)
        return raw

    def _members(self, text: bytes | msgspec.Raw, line: int) -> dict[str, msgspec.Raw]:
        with self._complaining(bytes(text), line):
            return self.decoder.members(text)

    def _split_list(self, text: bytes, line: int) -> list[msgspec.Raw]:
        with self._complaining(text, line):
            return msgspec.json.decode(text, type=list[msgspec.Raw])

    def _decoded(self, text: bytes, line: int) -> JsonValue:
        with self.reading(line):
            return self.decoder.decode(text)

    def _sweep(self, text: bytes, line: int, depth: int) -> None:
        opening = text.lstrip(_SPACE)[:1]
        if len(text) < _SPLIT_FROM or opening not in {b"{", b"["} or depth > _DEEPEST_SPLIT:
            self._decoded(text, line)
            return
        parts = self._members(text, line).values() if opening == b"{" else self._split_list(text, line)
        for part in parts:
            self._sweep(bytes(part), line, depth + 1)

    @contextmanager
    def _complaining(self, text: bytes, line: int) -> Iterator[None]:
        """Say in which line a document is broken, counted from that of `text`."""
        try:
            yield
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            at = byte_of(error, len(text))
            words = re.sub(r"^JSON is malformed: | \(byte \d+\)$", "", str(error)) or "it ends too early"
            broken = line + text.count(b"\n", 0, at)
            raise DatasetError(f"{self.name}:{broken}: is not valid JSON: {words}", fix=_FIX) from error
        except RecursionError as error:
            raise DatasetError(f"{self.name}:{line}: is nested too deeply", fix=_FIX) from error
        except DatasetError as error:
            raise DatasetError(f"{self.name}:{line}: {error.message}", fix=error.fix) from error


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # opening it says what is wrong
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DatasetError(f"{shown(path)} is not a regular file", fix="save the log to a file: it is read twice")


def _is_object(text: bytes) -> bool:
    try:
        msgspec.json.decode(text.removeprefix(_BOM), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
