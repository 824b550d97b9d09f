"""YAML, JSON and TOML text as plain values that know where in the text they stand.

YAML is read by the core schema of YAML 1.2: `no` is text, `017` is seventeen, a date is text; tags that would
make objects are refused, and so is a key given twice.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import msgspec
import yaml

from insideLLMs.core.errors import Problem
from insideLLMs.core.repeated_keys import repeated
from insideLLMs.core.types import JsonValue

FieldPath = tuple[str | int, ...]
Format = Literal["yaml", "json", "toml"]
_DEEPEST = 100
_MOST_COPIES = 10_000  # aliases of aliases could stand for billions
_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"^[-+]?[0-9]+$|^0o[0-7]+$|^0x[0-9a-fA-F]+$")
_FLOAT = re.compile(
    r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)
_RESOLVERS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
    ("merge", re.compile(r"^<<$"), ["<"]),
)
_PATTERNS = {name: pattern for name, pattern, _ in _RESOLVERS}
_LONGEST_NUMBER = 400
_SCALARS: dict[str, Callable[[str], JsonValue]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 0) if text[:2] in {"0o", "0x"} else int(text),
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
}
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser, where PyYAML was built with it


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded text. `places` says at which line and column, from 1, a key or an item stands."""

    value: JsonValue
    places: Mapping[FieldPath, tuple[int, int]]
    problems: tuple[Problem, ...] = ()
    blocks: Mapping[FieldPath, int] = {}
    """At which line the text of a block scalar (``|`` or ``>``) begins."""

    def place(self, path: FieldPath) -> tuple[int, int]:
        """Return line and column of `path`, or of what it would be in."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return (1, 1)

    def line_within(self, path: FieldPath, line: int) -> int:
        """Return the line of the document at which line `line` of the text at `path` stands, as far as is known."""
        return self.blocks[path] + line - 1 if path in self.blocks else self.place(path)[0]


class _Loader(_Base):  # type: ignore[misc] # its base is chosen at run time
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, _first)


def read_document(data: bytes, format: Format) -> Document:
    """Decode `data`; what is wrong with it is in the Document's problems, whose `file` is left to the caller."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _broken("is not valid UTF-8", line, None, "save the file as UTF-8")
    match format:
        case "yaml":
            return _read_yaml(text)
        case "json":
            return _read_json(text)
        case "toml":
            return _read_toml(text)


def _broken(message: str, line: int | None, column: int | None, hint: str | None = None) -> Document:
    return Document(value=None, places={}, problems=(Problem(message, line=line, column=column, hint=hint),))


def _read_yaml(text: str) -> Document:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        return _yaml_fault(error, text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _broken(f"is not valid YAML: the character {error.character!r} is not allowed", line, None)
    except RecursionError:
        return _broken(f"is nested deeper than {_DEEPEST} levels", None, None)
    finally:
        loader.dispose()
    return _Construction().document(node)


_YAML_HINTS = {
    "cannot start any token": "put a text that begins with @ or ` in quotation marks",
    "expected key": "begin all keys of one mapping in the same column",
    "mapping values are not allowed": "write 'key: value' with a blank behind the colon, and a text that has ': ' in "
    "quotation marks",
    "unexpected end of stream": "close the quotation mark that begins here",
    "expected ',' or": "close the bracket, and put commas between the values",
    "could not find expected ':'": "write 'key: value' with a blank behind the colon",
    "undefined alias": "put a text that begins with * in quotation marks",
    "alphabetic or numeric": "put a text that begins with & or * in quotation marks",
    "unknown escape": "put a text with backslashes in single quotation marks",
}
"""What a person most likely wrote, by words of the parser's complaint."""


def _yaml_fault(error: yaml.MarkedYAMLError, text: str) -> Document:
    """Say what is wrong in words of a person; what was never closed stands at its beginning."""
    never_closed = error.context_mark is not None and "end of stream" in (error.problem or "")
    mark = error.context_mark if never_closed else error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (None, None)
    said = " ".join(part for part in (error.problem, error.context) if part)
    hint = next((hint for words, hint in _YAML_HINTS.items() if words in said), None)
    lines = text.splitlines()
    if mark and mark.line < len(lines) and lines[mark.line][: mark.column + 1].endswith("\t"):
        hint = "indent with blanks, not tabs"
    return _broken(f"is not valid YAML: {said}", place[0], place[1], hint)


class _Construction:
    """Turns YAML nodes into values, noting places and collecting problems."""

    def __init__(self) -> None:
        self._places: dict[FieldPath, tuple[int, int]] = {}
        self._blocks: dict[FieldPath, int] = {}
        self._problems: list[Problem] = []
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._copies = 0

    def document(self, node: yaml.Node | None) -> Document:
        value = None if node is None else self._value(node, ())
        return Document(value=value, places=self._places, problems=tuple(self._problems), blocks=self._blocks)

    def _report(self, message: str, node: yaml.Node, path: FieldPath, hint: str | None = None) -> None:
        mark = node.start_mark
        self._problems.append(
            Problem(message, field=dotted(path), line=mark.line + 1, column=mark.column + 1, hint=hint)
        )

    def _value(self, node: yaml.Node, path: FieldPath) -> JsonValue:
        self._places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._copies += id(node) in self._seen
        self._seen.add(id(node))
        if id(node) in self._open or len(path) >= _DEEPEST or self._copies > _MOST_COPIES:
            what = "contains itself" if id(node) in self._open else "is too deep or too large"
            if not any(problem.message == what for problem in self._problems):
                self._report(what, node, path)
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
                return [self._value(item, (*path, position)) for position, item in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
                return self._mapping(node, path)
        finally:
            self._open.discard(id(node))
        self._report(f"has the tag {node.tag!r}, which is not allowed", node, path)
        return None

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, JsonValue]:
        value: dict[str, JsonValue] = {}
        merged: list[yaml.Node] = []
        for key_node, item in node.value:
            if key_node.tag == f"{_TAG}merge":
                merged.extend(item.value if isinstance(item, yaml.SequenceNode) else [item])
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(
                    "has a key that is not text", key_node, path, "a template stands in quotation marks: '{{ name }}'"
                )
                continue
            key = key_node.value
            where = (*path, key)
            if key in value:
                first = self._places[where][0]
                self._report(f"is given twice; first at line {first}", key_node, where, "keep one of them")
                continue
            self._places[where] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            value[key] = self._value(item, where)
        for source in merged:
            self._merge(value, source, path)
        return value

    def _merge(self, value: dict[str, JsonValue], source: yaml.Node, path: FieldPath) -> None:
        if not isinstance(source, yaml.MappingNode) or id(source) in self._open:
            self._report("'<<' must name a mapping", source, path)
            return
        self._open.add(id(source))
        for key, item in self._mapping(source, path).items():
            value.setdefault(key, item)
        self._open.discard(id(source))

    def _scalar(self, node: yaml.ScalarNode, path: FieldPath) -> JsonValue:
        text: str = node.value
        if node.style in {"|", ">"}:
            self._blocks[path] = node.start_mark.line + 2
        kind = node.tag.removeprefix(_TAG)
        read = _SCALARS.get(kind)
        if kind in {"str", "merge"}:
            return text
        if read is None or not _PATTERNS[kind].match(text) or len(text) > _LONGEST_NUMBER:
            self._report(f"has the tag {node.tag!r}, which does not fit {text[:40]!r}", node, path)
            return None
        return read(text)


def _read_json(text: str) -> Document:
    """Decode by the rules of JSON; as nearly all JSON is YAML, YAML's marks give the places."""
    twice: list[str] = []

    def collect(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        value = dict(pairs)
        if len(value) < len(pairs):
            twice.extend(sorted(repeated(name for name, _ in pairs)))
        return value

    try:
        value = json.loads(text, object_pairs_hook=collect)
    except json.JSONDecodeError as error:
        is_comma = error.msg.startswith(("Expecting property name", "Expecting ','", "Illegal trailing comma"))
        hint = "JSON has no comments, and no comma behind the last value; YAML has both" if is_comma else None
        return _broken(f"is not valid JSON: {error.msg}", error.lineno, error.colno, hint)
    except RecursionError:
        return _broken(f"is nested deeper than {_DEEPEST} levels", None, None)
    except ValueError as error:  # an integer of thousands of digits
        return _broken(f"is not valid JSON: {error}", None, None)
    if _is_too_deep(value):
        return _broken(f"is nested deeper than {_DEEPEST} levels", None, None)
    marked = _read_yaml(text)
    problems = tuple(problem for problem in marked.problems if "twice" in problem.message)
    if twice and not problems:
        problems = tuple(Problem("is given twice", field=name) for name in twice)
    return Document(value=value, places=marked.places, problems=problems)


_TOML_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_TOML_KEY = re.compile(
    r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*="""
)
_TOML_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)""")
_TOML_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def _read_toml(text: str) -> Document:
    import tomllib  # noqa: PLC0415 - 3 ms that few files need

    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _TOML_AT.search(str(error))
        said = _TOML_AT.sub("", str(error))
        if at and at[1]:
            return _broken(f"is not valid TOML: {said}", int(at[1]), int(at[2]))
        return _broken(f"is not valid TOML: {said}", text.count("\n") + 1, None)
    except RecursionError:
        return _broken(f"is nested deeper than {_DEEPEST} levels", None, None)
    if _is_too_deep(value):
        return _broken(f"is nested deeper than {_DEEPEST} levels", None, None)
    return Document(value=value, places=_toml_places(text))


def _is_too_deep(value: JsonValue) -> bool:
    """Whether a value is nested more deeply than recursion goes through it; YAML finds this as it reads."""
    held = [value]
    for _ in range(_DEEPEST):
        inner = (item.values() if isinstance(item, dict) else item for item in held if isinstance(item, dict | list))
        held = [item for items in inner for item in items]
    return any(isinstance(item, dict | list) for item in held)


def _toml_places(text: str) -> dict[FieldPath, tuple[int, int]]:
    """Find lines by looking for table headers and keys: the standard library's parser keeps no marks.

    Keys of inline tables, and text that looks like keys within multi-line text, are beyond it.
    """
    places: dict[FieldPath, tuple[int, int]] = {}
    counts: dict[FieldPath, int] = {}
    table: FieldPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TOML_TABLE.match(line):
            table = _toml_table(_toml_parts(header[2]), counts, is_array=header[1] == "[[")
            places.setdefault(table, (number, 1))
        elif key := _TOML_KEY.match(line):
            places.setdefault((*table, *_toml_parts(key[1])), (number, len(line) - len(line.lstrip()) + 1))
    return places


def _toml_parts(dotted_key: str) -> tuple[str, ...]:
    return tuple(next(part for part in match if part) for match in _TOML_PART.findall(dotted_key) if any(match))


def _toml_table(parts: tuple[str, ...], counts: dict[FieldPath, int], *, is_array: bool) -> FieldPath:
    """Return the path of a table header; a table within an array belongs to the array's latest item."""
    path: FieldPath = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path])
    path = (*path, *parts[-1:])
    if is_array:
        counts[path] = counts.get(path, -1) + 1
        path = (*path, counts[path])
    return path


def dotted(path: FieldPath) -> str:
    """Write a path as people do: ``models[0].args.temperature``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def undotted(text: str) -> FieldPath:
    """Read what `dotted` wrote."""
    return tuple(int(part[1:-1]) if part[0] == "[" else part for part in re.findall(r"\[\d+\]|[^.\[\]]+", text))
