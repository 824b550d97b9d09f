"""A dataset of the earlier insideLLMs -> where it lies, and what its rows are called."""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from insideLLMs.core.errors import ConfigError, DatasetError
from insideLLMs.core.experiment import DatasetSpec
from insideLLMs.core.types import EXPECTED_KEYS, JsonValue
from insideLLMs.datasets.examples import INPUT_KEYS, BadRow
from insideLLMs.datasets.rows import open_rows
from insideLLMs.datasets.source import bare_path, format_of
from insideLLMs.migrate.source import ImportFindings, Node

_KEYS = ("format", "path", "name", "split", "subset", "revision", "input_field", "columns", "items", "hash",
         "dataset_hash", "version", "dataset_version", "provenance", "source", "limit", "max_examples")  # fmt: skip
_FORMATS = ("jsonl", "csv", "json", "inline")
_OTHER_INPUTS = ("question", "prompt", "input", "problem", "task", "instruction", "text", "messages")
_EXPECTED = ("reference_answer", "expected", "answer", "correct_answer", "expected_answer", "ideal", "reference")
_FIRST_ROWS = 1_000


class EarlierDataset(msgspec.Struct, frozen=True):
    """A dataset as it is written now, its first rows, and the columns that the file itself named."""

    node: Node
    entry: dict[str, JsonValue]
    rows: Sequence[Mapping[str, JsonValue]]
    named: Mapping[str, str]

    def has(self, *keys: str) -> bool:
        """Whether a row has something under one of the keys."""
        return any(_holds(row, key) for row in self.rows for key in keys)

    @property
    def has_expected(self) -> bool:
        """Whether a row says what is expected."""
        return self.has(*self.named.values(), *_EXPECTED) if "expected" in self.named else self.has(*_EXPECTED)

    def with_roles(self, inputs: Sequence[str]) -> dict[str, JsonValue]:
        """Return the entry for a probe that reads the first of `inputs` that rows have. Raises ConfigError."""
        asked = self.named.get("input") or self._column((*inputs, *_OTHER_INPUTS, *self._texts()))
        if asked is None:
            raise ConfigError([self.node.problem(f"no column is in all of its rows; wanted: {' or '.join(inputs)}")])
        roles = {"input": asked} if asked != self._usual(INPUT_KEYS) else {}
        expected = self.named.get("expected") or self._column(_EXPECTED) or next(filter(self.has, _EXPECTED), None)
        if expected is not None and expected != self._usual(EXPECTED_KEYS):
            roles["expected"] = expected
        if not roles:
            return self.entry
        name = f"{self.entry['name']} {asked}" if "input" in roles else self.entry["name"]
        return {"name": name, "field_names": roles, **{key: held for key, held in self.entry.items() if key != "name"}}

    def _column(self, keys: Sequence[str]) -> str | None:
        return next((key for key in keys if all(_holds(row, key) for row in self.rows)), None)

    def _usual(self, keys: Sequence[str]) -> str | None:
        """Return what this version reads of its own accord, where that is the same in all rows."""
        found = {next((key for key in keys if _holds(row, key)), None) for row in self.rows}
        return found.pop() if len(found) == 1 else None

    def _texts(self) -> list[str]:
        return [key for key, value in self.rows[0].items() if isinstance(value, str) and key not in _EXPECTED]


def _holds(row: Mapping[str, JsonValue], key: str) -> bool:
    return row.get(key) not in (None, "")


def read_dataset(node: Node, to: Path, findings: ImportFindings) -> EarlierDataset:
    """Return a dataset, its path as seen from the folder `to`. Raises ConfigError."""
    findings.check_keys(node, _KEYS, "a dataset")
    held = node.get("format")
    kind = "jsonl" if held is None else held.text
    if kind in {"hf", "huggingface"}:
        raise ConfigError([node.problem("a set of the Hugging Face Hub is not read by an import",
                                        "save it as JSONL; or write it as this version does, pinned to a commit: "
                                        "format: huggingface, args: {name: ..., revision: ...}")])  # fmt: skip
    path = node.get("path")
    if kind not in _FORMATS or (path is None) == (node.get("items") is None):
        raise ConfigError([node.problem("is not a dataset: give it one of `path` and `items`",
                                        f"its format is one of: {', '.join(_FORMATS)}, hf")])  # fmt: skip
    found = _inline(node) if path is None else _file(path, None if held is None else kind, to, findings)
    digest = node.get("hash") or node.get("dataset_hash")
    if digest is not None:
        found[0]["sha256"] = str(digest.value).removeprefix("sha256:")
    if not found[1] or not all(isinstance(row, Mapping) for row in found[1]):
        raise ConfigError([node.problem("has no rows, or rows that are no mappings", 'write {"prompt": "..."} a row')])
    return EarlierDataset(node, *found, _named(node))


def _named(node: Node) -> dict[str, str]:
    """Return the columns that the file names: `input_field`, and `columns`, which go from a role to a column."""
    column = node.get("input_field")
    named = {"input": column.text} if column is not None and column.text else {}
    for role, held in node.section("columns").fields():
        if held.text:
            named["expected" if role in _EXPECTED else "input"] = held.text
    return named


def _inline(node: Node) -> tuple[dict[str, JsonValue], list[Mapping[str, JsonValue]]]:
    items = node.value["items"] if isinstance(node.value, Mapping) else None
    rows = [{"prompt": one} if isinstance(one, str) else one for one in (items if isinstance(items, list) else ())]
    return {"name": "inline", "examples": rows}, rows


def _file(
    node: Node, kind: str | None, to: Path, findings: ImportFindings
) -> tuple[dict[str, JsonValue], list[Mapping[str, JsonValue]]]:
    """Return a file's entry and its first rows, of which nothing is copied. Raises ConfigError."""
    path = findings.path_of(node, node.text or "")
    if not path.is_file():
        raise ConfigError([node.problem(f"there is no file {node.text!r}", "the rows' keys are read from it")])
    name, read_as = bare_path(path).stem, kind or format_of(path) or "jsonl"
    rows = []
    try:
        with open_rows(DatasetSpec(name=name, format=read_as, path=str(path))) as opened:
            for line, row in itertools.islice(opened.numbered, _FIRST_ROWS):
                if not isinstance(row, Mapping):
                    said = row.message if isinstance(row, BadRow) else "is not a mapping"
                    raise ConfigError([node.problem(f"{path.name}:{line}: {said}")])
                rows.append(row)
    except DatasetError as error:
        raise ConfigError([node.problem(error.message, error.fix)]) from error
    format_given = {"format": read_as} if format_of(path) != read_as else {}
    shown = Path(os.path.relpath(path, to)).as_posix()
    return {"name": name, **format_given, "path": shown}, rows
