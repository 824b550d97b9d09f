"""Opening a DatasetSpec: its rows, where each stands, and the digest of what was read."""

import hashlib
import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, DatasetError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.types import JsonValue
from insideLLMs.core.user_code import calling_user_code
from insideLLMs.datasets.source import HashedFile, shown, translated
from insideLLMs.plugins import Factory, dataset_registry, load_reference

GIVEN_BY_NAME = ("stream", "path", "examples")
"""What a dataset plug-in is given if it has a parameter of that name; all else comes from the spec's args."""


class Rows(msgspec.Struct, frozen=True):
    """Rows with their line numbers (or positions from 1, without `has_lines`); `digest` reads on to the end."""

    numbered: Iterator[tuple[int, object]]
    digest: Callable[[], str]
    has_lines: bool = False


@contextmanager
def open_rows(spec: DatasetSpec) -> Iterator[Rows]:
    """Open what `spec` names. Raises DatasetError or PluginError, here or while the rows are read."""
    factory, args = _factory(spec)
    parameters = inspect.signature(factory).parameters
    if "stream" not in parameters:
        given: dict[str, JsonValue] = {"examples": spec.examples, "path": spec.path}
        args.update((name, value) for name, value in given.items() if name in parameters)
        with closing(_read(spec, factory, args)) as rows:
            hashing = _Hashing(spec, rows)
            yield Rows(hashing.numbered, hashing.digest)
        return
    if spec.path is None:
        raise DatasetError(f"dataset {spec.name!r} has no path", fix=f"format {spec.format} reads a file: name it")
    path = Path(spec.path)
    with (
        HashedFile(path) as file,
        closing(_read_file(path, spec, factory, {**args, "stream": file.stream})) as rows,  # before the file is
    ):
        yield Rows(rows, file.digest, has_lines=True)


def place(spec: DatasetSpec, line: int) -> str:
    """Say where a row stands: file and line, or the position in what has no lines."""
    if spec.path is None:
        return f"dataset {spec.name!r}, example {line}"
    return f"{shown(Path(spec.path))}:{line}"


def _factory(spec: DatasetSpec) -> tuple[Factory, dict[str, JsonValue]]:
    if ":" in spec.format:
        factory, _ = load_reference(spec.format, folder=Path(), what=f"dataset {spec.name!r}")
        return factory, dict(spec.args)
    return dataset_registry.get_factory(spec.format), {**dataset_registry.info(spec.format)["defaults"], **spec.args}


def _read(spec: DatasetSpec, factory: Factory, args: Mapping[str, JsonValue]) -> Generator[Any]:
    with calling_user_code(f"reading dataset {spec.name!r}"):
        yield from factory(**args)


def _read_file(path: Path, spec: DatasetSpec, factory: Factory, args: Mapping[str, JsonValue]) -> Generator[Any]:
    """Read, naming the file in what goes wrong with the whole of it."""
    try:
        with calling_user_code(f"reading dataset {spec.name!r}"), translated(path):
            yield from factory(**args)
    except DatasetError as error:
        named = error.message.startswith(shown(path))
        raise DatasetError(error.message if named else f"{shown(path)} {error.message}", fix=error.fix) from error


class _Hashing:
    """Numbers rows that come from no file, and hashes their canonical lines in place of a file's bytes."""

    def __init__(self, spec: DatasetSpec, rows: Iterator[Any]) -> None:
        self._spec = spec
        self._sha256 = hashlib.sha256()
        self.numbered = self._number(rows)

    def digest(self) -> str:
        """Read what is left and return the hex SHA-256 of all rows."""
        for _ in self.numbered:
            pass
        return self._sha256.hexdigest()

    def _number(self, rows: Iterator[Any]) -> Iterator[tuple[int, object]]:
        for number, row in enumerate(rows, 1):
            plain = dict(row) if isinstance(row, Mapping) else row
            try:
                self._sha256.update(canonical.line(plain) + b"\n")
            except CanonicalError as error:
                raise DatasetError(
                    f"{place(self._spec, number)}: {error.message}; a value without a canonical form cannot be hashed",
                    fix="yield mappings of plain JSON values",
                ) from error
            yield number, plain
