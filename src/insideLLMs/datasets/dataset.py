"""A Dataset: one streaming pass finds every bad row, orders the ids and picks the selection; later passes stream.

An example is known by its rank, its place in the order of the selected ids, so that a shuffled file changes
nothing. Memory after the scan is four bytes a row; the examples of a short file are kept beside.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import DatasetError, Problem
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.types import Example
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.datasets.images import Images
from insideLLMs.datasets.reviews import Review, review_of
from insideLLMs.datasets.rows import Rows, open_rows, place
from insideLLMs.datasets.source import COMPRESSED, shown

NOT_SELECTED = -1
_MOST_PROBLEMS = 20
_MOST_ALIKE = 2
_MOST_KEPT = 10_000
_MOST_KEPT_CHARACTERS = 8_000_000
"""Of the texts of the examples that are kept; their objects take some 5 MB more."""
_SUBSET = b"insidellms/subset/1\n"


class DatasetIndex(msgspec.Struct, frozen=True, kw_only=True):
    """What the scan found: the digest of the bytes, and the order of the selected ids.

    `count` examples are selected of `total` rows, of which `skipped` are bad (the first of them in `problems`).
    `ranks` has one entry per row in file order: the rank of its example, or NOT_SELECTED. `images_sha256` covers the
    image files that the examples name; None where they name none. `part_sha256` covers the ids that are selected
    where a part of the examples was named. Of examples that were drawn from traffic, `rejected` are left out, and
    `pending` were reviewed by nobody.
    """

    name: str
    sha256: str
    count: int
    total: int
    skipped: int
    problems: tuple[Problem, ...]
    ranks: "array[int]"
    images_sha256: str | None = None
    part_sha256: str | None = None
    pending: int = 0
    rejected: int = 0


class Dataset:
    """The examples of a DatasetSpec. Made by `open_dataset`."""

    def __init__(self, spec: DatasetSpec, scan: "_Scan", index: DatasetIndex, stamp: tuple[int, int] | None) -> None:
        self.spec = spec
        self.index = index
        self._images = scan.images
        self._kept = scan.kept
        self._stamp = stamp

    def examples(self) -> Iterator[tuple[int, Example]]:
        """Stream the selected examples with their ranks, in file order.

        Raises DatasetError if the dataset is no longer what was scanned: at once where the file's size or time
        says so and its bytes differ, else at the end.
        """
        self._check_file()
        if self._kept is not None:
            for rank, example in zip(self.index.ranks, self._kept, strict=True):
                if rank != NOT_SELECTED and example is not None:
                    yield rank, _copy(example)
            self._check_file()
            return
        reader = _reader(self.spec, self._images)
        ranks = self.index.ranks
        read = 0
        with open_rows(self.spec) as rows:
            for _, row in rows.numbered:
                if read == len(ranks):
                    raise self._changed()
                rank = ranks[read]
                read += 1
                if rank != NOT_SELECTED:
                    yield rank, self._example(reader, row)
            if read != len(ranks) or rows.digest() != self.index.sha256:
                raise self._changed()

    def _check_file(self) -> None:
        if self._stamp != _stamp(self.spec) and _digest(self.spec) != self.index.sha256:
            raise self._changed()

    def _example(self, reader: ExampleReader, row: object) -> Example:
        try:
            return reader.example(row)
        except DatasetError as error:  # it was good when it was scanned
            raise self._changed() from error

    def _changed(self) -> DatasetError:
        return DatasetError(
            f"dataset {self.spec.name!r} changed while it was in use"
            + (f": {shown(Path(self.spec.path))}" if self.spec.path else ""),
            fix="do not change it during a run; start again",
        )


def open_dataset(
    spec: DatasetSpec,
    *,
    max_examples: int | None = None,
    folder: Path | None = None,
    part: Collection[str] | None = None,
) -> Dataset:
    """Scan a dataset: check every row, hash the bytes, order the ids, choose up to `max_examples` of them.

    The subset is that of the smallest SHA-256 of ids, so it is independent of the order of rows, and a smaller
    subset lies within a larger one. Raises DatasetError naming up to 20 bad rows at once; with ``on_error: skip``
    they are left out and counted instead. Image files are looked up beside the dataset's file; those of examples
    that are written in an experiment, in its `folder`. Of the subset only the ids of the `part` are selected.
    """
    stamp = _stamp(spec)
    images = Images(Path(spec.path).parent if spec.path else folder)
    scan = _Scan(spec, images)
    with open_rows(spec) as rows:
        scan.read(rows)
        sha256 = rows.digest()
    if spec.sha256 is not None and spec.sha256.lower() != sha256:
        raise DatasetError(
            f"dataset {spec.name!r} is not the pinned one: its sha256 is {sha256}, pinned is {spec.sha256}",
            fix="restore the file, or pin the new digest if the change is intended",
        )
    return Dataset(spec, scan, scan.finish(sha256, max_examples, part), stamp)


def find_lines(spec: DatasetSpec, ids: Collection[str]) -> dict[str, int]:
    """Return at which lines of its file examples stand; nothing where the file has no lines to show.

    Rows that are no examples are passed over. Raises DatasetError if the dataset cannot be read.
    """
    found: dict[str, int] = {}
    if spec.path is None or Path(spec.path).suffix.lower() in COMPRESSED:
        return found
    reader = _reader(spec, Images(Path(spec.path).parent))
    with open_rows(spec) as rows:
        for line, row in rows.numbered if rows.has_lines else ():
            name = _id_of(reader, row)
            if name in ids:
                found.setdefault(name, line)
            if len(found) == len(ids):
                break
    return found


def _id_of(reader: ExampleReader, row: object) -> str:
    try:
        return reader.example(row).id
    except DatasetError:
        return ""


def _reader(spec: DatasetSpec, images: Images) -> ExampleReader:
    return ExampleReader(spec.field_names, blank_is_missing=spec.format == "csv", images=images)


def _stamp(spec: DatasetSpec) -> tuple[int, int] | None:
    if spec.path is None:
        return None
    try:
        found = Path(spec.path).stat()
    except OSError:
        return None  # opening it says what is wrong
    return found.st_size, found.st_mtime_ns


def _digest(spec: DatasetSpec) -> str:
    with open_rows(spec) as rows:
        return rows.digest()


class _Scan:
    """Collects ids as sort keys: UTF-8, whose byte order is that of text, a terminator, then the row's position.

    One bytes object a row, sorted in place, needs half the memory of text ids with an index beside them.
    """

    def __init__(self, spec: DatasetSpec, images: Images) -> None:
        self.images = images
        self.kept: list[Example | None] | None = []
        self._characters = 0
        self._spec = spec
        self._keys: list[bytes] = []
        self._lines = array("I")
        self._bad: list[Problem] = []
        self._bad_count = 0
        self._reviews: Counter[Review] = Counter()

    def read(self, rows: Rows) -> None:
        """Check every row. What comes from no single file is not kept: its next reading shows whether it changed."""
        if not rows.has_lines:
            self.kept = None
        read = _reader(self._spec, self.images).example
        add, add_line = self._keys.append, self._lines.append
        for position, (line, row) in enumerate(rows.numbered):
            add_line(line)
            example = None
            try:
                example = read(row)
                is_kept = self._is_kept(row)
            except DatasetError as error:
                self._report(line, error.message)
            else:
                if is_kept:
                    add(_sort_key(example.id, position))
            if self.kept is not None:
                self._keep(example)

    def _keep(self, example: Example | None) -> None:
        """Keep what a row was read as, as long as that is little and nobody who gets a copy can change it."""
        assert self.kept is not None
        self.kept.append(example)
        if example is not None:
            size = _characters(example)
            self._characters += _MOST_KEPT_CHARACTERS if size is None else size
        if len(self.kept) > _MOST_KEPT or self._characters >= _MOST_KEPT_CHARACTERS:
            self.kept = None

    def _is_kept(self, row: object) -> bool:
        """Whether a row's review lets it in. Raises DatasetError for one without, where all must be reviewed."""
        review = review_of(row)
        if review is None:
            return True
        self._reviews[review] += 1
        if review == "pending" and self._spec.reviewed:
            raise DatasetError("is pending: set its review to accepted or rejected")
        return review != "rejected"

    def finish(self, sha256: str, max_examples: int | None, part: Collection[str] | None) -> DatasetIndex:
        """Order, select, and check what was read."""
        self._keys.sort()
        self._drop_duplicates()
        self._check_rows()
        chosen = self._keys if max_examples is None else _subset(self._keys, max_examples)
        if part is not None:
            named = {name.encode() for name in part}
            chosen = [key for key in chosen if _encoded_name(key) in named]
        ranks = array("i", [NOT_SELECTED]) * len(self._lines)
        for rank, key in enumerate(chosen):
            ranks[_position(key)] = rank
        return DatasetIndex(
            name=self._spec.name,
            sha256=sha256,
            count=len(chosen),
            total=len(self._lines),
            skipped=self._bad_count,
            problems=tuple(self._bad),
            ranks=ranks,
            images_sha256=self.images.digest,
            part_sha256=None if part is None else canonical.identity("part/1", [_name(key) for key in chosen]),
            pending=self._reviews["pending"],
            rejected=self._reviews["rejected"],
        )

    def _report(self, line: int, message: str) -> None:
        self._bad_count += 1
        if len(self._bad) < _MOST_PROBLEMS:
            self._bad.append(self._problem(line, message))

    def _problem(self, line: int, message: str) -> Problem:
        path = self._spec.path
        if path is None:
            return Problem(message, field=place(self._spec, line))
        return Problem(message, file=shown(Path(path)), line=line)

    def _drop_duplicates(self) -> None:
        """Leave the first row of each id, in file order, and report the others."""
        twins = [index for index in range(1, len(self._keys)) if _same_id(self._keys[index - 1], self._keys[index])]
        if not twins:
            return
        found = [
            (self._lines[_position(self._keys[index])], self._lines[_position(self._keys[index - 1])], index)
            for index in twins
        ]
        found.sort()
        problems = [
            (line, self._problem(line, f"has the id {_name(self._keys[index])!r}, as has {place(self._spec, earlier)}"))
            for line, earlier, index in found[:_MOST_PROBLEMS]
        ]
        before = [(problem.line or 0, problem) for problem in self._bad]
        self._bad = [problem for _, problem in sorted(before + problems, key=lambda pair: pair[0])][:_MOST_PROBLEMS]
        self._bad_count += len(twins)
        dropped = set(twins)
        self._keys = [key for index, key in enumerate(self._keys) if index not in dropped]

    def _check_rows(self) -> None:
        name = self._spec.name
        if self._bad and self._spec.on_error == "stop":
            told = _told_once(self._bad)
            shown_lines = "\n".join(f"  {problem}" for problem in told)
            more = self._bad_count - len(told)
            raise DatasetError(
                f"{self._bad_count} bad row{'s' if self._bad_count > 1 else ''} in dataset {name!r}:\n{shown_lines}"
                + (f"\n  and {more} more" if more else ""),
                fix="fix them, or set 'on_error: skip' in the dataset to leave bad rows out and count them",
            )
        if not self._keys:
            empty = "every row of it is rejected" if self._reviews["rejected"] else "it is empty"
            what = f"all {len(self._lines)} rows are bad, e.g. {self._bad[0]}" if self._bad else empty
            raise DatasetError(f"dataset {name!r} has no examples: {what}", fix="check the file and its format")


def _characters(example: Example) -> int | None:
    """Count the characters of an example; None where it holds lists or mappings, which a copy would share."""
    if type(example.input) is not str:
        return None
    size = len(example.id) + len(example.input) + sum(map(len, example.fields))
    for value in (*example.expected, *example.fields.values()):
        if type(value) is str:
            size += len(value)
        elif isinstance(value, list | dict):
            return None
    return size


def _copy(example: Example) -> Example:
    return Example(id=example.id, input=example.input, expected=example.expected, fields=example.fields.copy())


def _told_once(problems: Sequence[Problem]) -> list[Problem]:
    """Leave out what was said of several rows before."""
    said: Counter[str] = Counter()
    told = []
    for problem in problems:
        said[problem.message] += 1
        if said[problem.message] <= _MOST_ALIKE:
            told.append(problem)
    return told


def _sort_key(name: str, position: int) -> bytes:
    # a zero byte is escaped so that the terminator, two of them, sorts before any longer id
    return name.encode().replace(b"\0", b"\0\xff") + b"\0\0" + position.to_bytes(4, "big")


def _position(key: bytes) -> int:
    return int.from_bytes(key[-4:], "big")


def _encoded_name(key: bytes) -> bytes:
    return key[:-6].replace(b"\0\xff", b"\0")


def _name(key: bytes) -> str:
    return _encoded_name(key).decode()


def _same_id(key: bytes, other: bytes) -> bool:
    return key[:-4] == other[:-4]


def _subset(keys: Sequence[bytes], size: int) -> Sequence[bytes]:
    """Return the `size` keys whose ids have the smallest SHA-256, in the order of `keys`."""
    if size >= len(keys):
        return keys
    # the digests' first eight bytes decide but for ties, which the whole digests break
    hashes = array("Q", (int.from_bytes(_subset_hash(key)[:8], "big") for key in keys))
    limit = sorted(hashes)[size - 1]
    below = sum(value < limit for value in hashes)
    tied = sorted((key for key, value in zip(keys, hashes, strict=True) if value == limit), key=_subset_hash)
    kept = set(tied[: size - below])
    return [key for key, value in zip(keys, hashes, strict=True) if value < limit or key in kept]


def _subset_hash(key: bytes) -> bytes:
    return hashlib.sha256(_SUBSET + _encoded_name(key)).digest()
