"""What a foreign experiment says, value by value, each with its place; and what came of reading it."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.documents import Document, FieldPath, Format, dotted, read_document
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.types import JsonValue

FORMATS: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
SCHEME = "file://"
_LARGEST_BYTES = 20_000_000
_MOST_FILES = 1_000
_DEEPEST_REFERENCES = 20


class ForeignFile(msgspec.Struct, frozen=True):
    """A file that was read: what messages call it, its folder, and what it holds."""

    shown: str
    folder: Path
    document: Document


class Node(msgspec.Struct, frozen=True):
    """A value with its place. What it refers to by `$ref` has taken its place."""

    value: JsonValue
    source: ForeignFile
    path: FieldPath = ()

    def problem(self, message: str, fix: str | None = None) -> Problem:
        """Return a problem of this value with its place."""
        line, column = self.source.document.place(self.path)
        return Problem(message, dotted(self.path), self.source.shown, line, column, fix)

    @property
    def place(self) -> str:
        """Return the file and the line."""
        return f"{self.source.shown}:{self.source.document.place(self.path)[0]}"

    @property
    def text(self) -> str | None:
        """The value, where it is text."""
        return self.value if isinstance(self.value, str) else None

    def get(self, key: str) -> "Node | None":
        """Return what stands under a key; None where nothing does, or null."""
        held = self.value.get(key) if isinstance(self.value, Mapping) else None
        return None if held is None else self._child(key, held)

    def section(self, key: str) -> "Node":
        """Return the mapping under a key, an empty one where nothing stands there. Raises ConfigError."""
        held = self.get(key)
        if held is not None and not isinstance(held.value, Mapping):
            raise ConfigError([held.problem("is not a mapping", "write {key: value}")])
        return Node({}, self.source, self.path) if held is None else held

    def keys(self) -> tuple[str, ...]:
        """Return the keys of a mapping."""
        return tuple(map(str, self.value)) if isinstance(self.value, Mapping) else ()

    def fields(self) -> Iterator[tuple[str, "Node"]]:
        """Yield the keys of a mapping, each with its value, null included."""
        for key, held in self.value.items() if isinstance(self.value, Mapping) else ():
            yield str(key), self._child(key, held)

    def items(self) -> "list[Node]":
        """Return the items of a list; a value that is no list stands for a list of it."""
        if not isinstance(self.value, list):
            return [self]
        return [self._child(at, held) for at, held in enumerate(self.value)]

    def _child(self, key: str | int, held: JsonValue) -> "Node":
        return self._resolved(held, (*self.path, key))

    def _resolved(self, held: JsonValue, path: FieldPath) -> "Node":
        """Return a value of the same file, or what its `$ref` leads to. Raises ConfigError."""
        for _ in range(_DEEPEST_REFERENCES):
            reference = held.get("$ref") if isinstance(held, Mapping) and len(held) == 1 else None
            if not isinstance(reference, str):
                return Node(held, self.source, path)
            here = Node(held, self.source, path)
            if not reference.startswith("#/"):
                raise ConfigError(
                    [here.problem(f"refers to {reference!r}", "only parts of the same file are followed")]
                )
            found = _follow(self.source.document.value, reference)
            if found is None:
                raise ConfigError([here.problem(f"refers to {reference!r}, which this file does not have")])
            path, held = found
        raise ConfigError([Node(held, self.source, path).problem("refers to itself", "break the circle of `$ref`")])


def _follow(value: JsonValue, reference: str) -> tuple[FieldPath, JsonValue] | None:
    path: FieldPath = ()
    for part in reference.removeprefix("#/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and name in value:
            value, path = value[name], (*path, name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value, path = value[int(name)], (*path, int(name))
        else:
            return None
    return path, value


class LeftOut(NamedTuple):
    """Something that could not be carried over: where it stands, what it is, and why not."""

    problem: Problem
    what: str

    @property
    def in_words(self) -> str:
        """Return the whole in one line."""
        return str(self.problem)


class ImportFindings(msgspec.Struct):
    """What reading came to, beside the experiment.

    `wrong` must be fixed in the source; `left_out` cannot be said here; `notes` were carried with a difference.
    `secrets` may not stand in the result; each has to be set in the environment, under the name it has here.
    """

    root: Path
    wrong: list[Problem] = msgspec.field(default_factory=list)
    left_out: list[LeftOut] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    secrets: dict[str, str] = msgspec.field(default_factory=dict)
    read: dict[Path, ForeignFile] = msgspec.field(default_factory=dict)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Note what is raised of one part, so that the others are looked at, too."""
        try:
            yield
        except ConfigError as error:
            self.wrong.extend(error.problems)

    def refuse(self, node: Node, message: str, fix: str | None = None) -> None:
        """Note what is wrong with the source itself."""
        self.wrong.append(node.problem(message, fix))

    def leave_out(self, node: Node, what: str, reason: str, fix: str | None = None) -> None:
        """Note what cannot be carried over."""
        found = LeftOut(node.problem(f"{what}: {reason}", fix), what)
        if found not in self.left_out:
            self.left_out.append(found)

    def note(self, node: Node, text: str) -> None:
        """Note a difference; the same one of several values is noted once, at the first."""
        if not any(text == one.partition(": ")[2] for one in self.notes):
            self.notes.append(f"{node.place}: {text}")

    def variable(self, node: Node, name: str, secret: str) -> str:
        """Note that a secret has to come from a variable of the environment; return its name, one for each secret."""
        names = (name, *(f"{name}_{number}" for number in range(2, len(self.secrets) + 3)))
        name = next(one for one in names if self.secrets.get(one, secret) == secret)
        if name not in self.secrets:
            self.secrets[name] = secret
            self.note(node, f"the value is not copied; set {name} in the environment")
        return name

    def check_keys(self, node: Node, known: Sequence[str], what: str) -> None:
        """Note keys that nobody knows: a misspelt one is a test that asks nothing."""
        for key, value in node.fields():
            if key not in known and not key.startswith("x-"):
                near = nearest(key, list(known))
                hint = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}"
                self.refuse(value, f"unknown key of {what}", hint)

    def path_of(self, node: Node, reference: str) -> Path:
        """Return the file that a reference names. Raises ConfigError for one outside of the source's folder."""
        name = reference.removeprefix(SCHEME)
        path = (node.source.folder / name).resolve()
        if not path.is_relative_to(self.root):
            raise ConfigError(
                [node.problem(f"{reference!r} leads out of the folder of the imported file", "copy the file into it")]
            )
        return path

    def bytes_of(self, node: Node, path: Path) -> bytes:
        """Return the bytes of a file. Raises ConfigError."""
        try:
            size = path.stat().st_size
            if size > _LARGEST_BYTES or len(self.read) > _MOST_FILES:
                raise ConfigError([node.problem(f"{path.name} is too large, or one file too many")])
            return path.read_bytes()
        except OSError as error:
            raise ConfigError([node.problem(f"{path.name} cannot be read: {error.strerror}")]) from error

    def text_of(self, node: Node, path: Path) -> str:
        """Return the text of a file. Raises ConfigError."""
        try:
            return io.StringIO(self.bytes_of(node, path).decode("utf-8-sig"), newline=None).read()
        except UnicodeDecodeError as error:
            raise ConfigError([node.problem(f"{path.name} is not valid UTF-8")]) from error

    def document(self, node: Node, path: Path) -> Node:
        """Return what a YAML or JSON file holds. Raises ConfigError."""
        if path.suffix.lower() not in FORMATS:
            raise ConfigError([node.problem(f"{path.name} is none of: {', '.join(FORMATS)}")])
        if path not in self.read:
            shown = f"{path.relative_to(self.root)}"
            document = read_document(self.bytes_of(node, path), FORMATS[path.suffix.lower()])
            if document.problems:
                raise ConfigError([replace(one, file=shown) for one in document.problems])
            self.read[path] = ForeignFile(shown, path.parent, document)
        source = self.read[path]
        return Node(source.document.value, source)
