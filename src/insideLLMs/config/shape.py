"""Whether a file has the shape of an experiment: everything that has not is reported, with its line."""

import math
import re
import types
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from insideLLMs.config.file import ExperimentFile, known_keys, spelt_out
from insideLLMs.config.secrets import is_secret_key
from insideLLMs.core.arguments import nearest
from insideLLMs.core.documents import Document, FieldPath, dotted
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.gate_spec import LIMITS, LimitName, nearest_limit
from insideLLMs.core.types import JsonValue

_LONGEST_VALUE = 60
_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a mapping, 'key: value'",
    list: "a list",
}
_PATTERNS = {
    r"^[^\x00-\x1f\x7f]+$": "be one line without control characters",
    r"^[0-9a-fA-F]{64}$": "be the 64 hexadecimal digits that sha256sum prints",
}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%|[a-zA-Z]+)?\s*")
_ACCEPTED: dict[type, tuple[type, ...]] = {dict: (Mapping,), float: (int, float)}
_BOUNDS = {"gt": "more than {:g}", "ge": "at least {:g}", "lt": "less than {:g}", "le": "at most {:g}"}


class TextPlace(NamedTuple):
    """Where a text stands that was read from a file of its own: the file, and the line at which it begins."""

    file: str
    line: int


class Findings(msgspec.Struct):
    """The problems found so far. `overridden` are paths that the file did not give: they have no line."""

    document: Document
    file: str | None = None
    overridden: Collection[FieldPath] = ()
    problems: list[Problem] = msgspec.field(default_factory=list)
    texts: dict[FieldPath, TextPlace] = msgspec.field(default_factory=dict)

    def add(self, path: FieldPath, message: str, hint: str | None = None) -> None:
        """Note that what stands at `path` is wrong."""
        self.problems.append(self.placed(Problem(message, field=dotted(path), hint=hint), path))

    def placed(self, problem: Problem, path: FieldPath) -> Problem:
        """Return a problem of what stands at `path` with its place; its line, if any, counts within the text there."""
        text = self.texts.get(path)
        if text is not None:
            return replace(problem, file=text.file, line=text.line + (problem.line or 1) - 1)
        place = self.place(path)
        if place is None:
            return replace(problem, file=None if self._is_overridden(path) else self.file, line=None)
        line = self.document.line_within(path, problem.line) if problem.line else place[0]
        return replace(problem, file=self.file, line=line, column=place[1] if line == place[0] else None)

    def adopt(self, problems: Collection[Problem]) -> None:
        """Take over what reading the text found."""
        self.problems.extend(replace(problem, file=self.file) for problem in problems)

    def place(self, path: FieldPath) -> tuple[int, int] | None:
        """Return line and column of `path`, or None if the file does not say it."""
        if not self.document.places or self._is_overridden(path):
            return None
        return self.document.place(path)

    def _is_overridden(self, path: FieldPath) -> bool:
        return any(path[: len(given)] == given for given in self.overridden)

    def raise_any(self) -> None:
        """Raise ConfigError with all problems in the order of the file, if there are any."""
        if self.problems:
            unique = dict.fromkeys(self.problems)
            raise ConfigError(sorted(unique, key=lambda problem: (problem.line or 0, problem.column or 0)))


def suggestion(word: str, known: Collection[str]) -> str:
    """Hint at the nearest known word, or at all of them."""
    near = nearest(word, list(known))
    return f"did you mean {near!r}?" if near else f"known: {', '.join(known)}" if known else "none are known"


def check_shape(raw: JsonValue, findings: Findings) -> None:
    """Report wrong types, values out of bounds, missing and unknown keys."""
    _Check(findings).value(spelt_out(raw), ExperimentFile, ())


class _Check:
    """Walks a value beside its type."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def value(self, value: Any, kind: Any, path: FieldPath, bounds: msgspec.Meta | None = None) -> None:
        """Report what is wrong with `value`, which stands at `path` and should be a `kind` within `bounds`."""
        origin, parts = get_origin(kind), get_args(kind)
        if origin is Annotated:
            self.value(value, parts[0], path, parts[1] if _is_bounded(parts[1]) else bounds)
        elif origin in {Union, types.UnionType}:
            if value is not None:  # None is the only alternative that a file's types have
                self.value(value, next(part for part in parts if part is not type(None)), path, bounds)
        elif origin is Literal:
            if value not in parts:
                near = (
                    nearest(value, [part for part in parts if isinstance(part, str)])
                    if isinstance(value, str)
                    else None
                )
                self._report(path, _either(parts), value, f"did you mean {near!r}?" if near else None)
        elif kind is not Any:
            self._plain(value, kind, path, bounds)

    def _plain(self, value: Any, kind: Any, path: FieldPath, bounds: msgspec.Meta | None) -> None:
        """Check a value whose type is a class: a Struct, a mapping, a list, or a number or text."""
        is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        wanted = dict if is_struct else get_origin(kind) or kind
        if not self._is_a(list if wanted is tuple else wanted, value, path):
            return
        if is_struct:
            self._struct(value, kind, path)
        elif wanted is dict:
            self._mapping(value, get_args(kind), path)
        elif wanted in {list, tuple}:
            self._items(value, kind, path, bounds)
        elif bounds is not None:
            self._bounds(value, bounds, path)

    def _is_a(self, kind: type, value: Any, path: FieldPath) -> bool:
        accepted = _ACCEPTED.get(kind, (kind,))
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            self._report(path, _NAMES[kind], value, _form_hint(path, kind, value))
        elif isinstance(value, float) and not math.isfinite(value):
            self._report(path, "finite", value)
        else:
            return True
        return False

    def _struct(self, value: Mapping[Any, Any], struct: type[msgspec.Struct], path: FieldPath) -> None:
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        for name, field in fields.items():
            if name in value:
                self.value(value[name], field.type, (*path, name))
            elif field.required:
                self._findings.add((*path, name), "is missing")
        for key in value:
            if key not in fields:
                self._findings.add((*path, str(key)), "unknown key", _unknown_hint((*path, str(key))))

    def _mapping(self, value: Mapping[Any, Any], parts: tuple[Any, ...], path: FieldPath) -> None:
        keys = get_args(parts[0]) if get_origin(parts[0]) is Literal else ()
        limits = parts[0] is LimitName
        for key, item in value.items():
            if limits and key not in LIMITS:
                self._findings.add((*path, str(key)), "is nothing that can be bounded", nearest_limit(str(key)))
            elif not isinstance(key, str) or (keys and key not in keys):
                self._findings.add((*path, str(key)), "is not a known key here", suggestion(str(key), keys))
            else:
                self.value(item, parts[1], (*path, key))

    def _items(self, value: list[Any], kind: Any, path: FieldPath, bounds: msgspec.Meta | None) -> None:
        parts = get_args(kind)
        if get_origin(kind) is tuple and ... not in parts and len(value) != len(parts):
            self._findings.add(path, f"must have {len(parts)} items")
        elif bounds is not None and len(value) < (bounds.min_length or 0):
            self._findings.add(path, "must not be empty")
        for position, item in enumerate(value):
            self.value(item, parts[0], (*path, position))

    def _bounds(self, value: Any, bounds: msgspec.Meta, path: FieldPath) -> None:
        holds = {
            "gt": lambda bound: value > bound,
            "ge": lambda bound: value >= bound,
            "lt": lambda bound: value < bound,
            "le": lambda bound: value <= bound,
        }
        for name, words in _BOUNDS.items():
            bound = getattr(bounds, name)
            if bound is not None and not holds[name](bound):
                is_share = name == "le" and bound == 1
                self._report(path, words.format(bound), value, "it is a share: 0.9 is 90 %" if is_share else None)
        if bounds.min_length and not value:
            self._findings.add(path, "must not be empty")
        elif bounds.max_length is not None and len(value) > bounds.max_length:
            self._findings.add(path, f"must have at most {bounds.max_length} characters")
        elif bounds.pattern is not None and not re.fullmatch(bounds.pattern, value):
            wanted = _PATTERNS.get(bounds.pattern, f"match {bounds.pattern}")
            self._findings.add(path, f"must {wanted}{_given(path, value)}")

    def _report(self, path: FieldPath, wanted: str, value: Any, hint: str | None = None) -> None:
        self._findings.add(path, f"must be {wanted}{_given(path, value)}", hint)


def _is_bounded(meta: msgspec.Meta) -> bool:
    return any(getattr(meta, name) is not None for name in (*_BOUNDS, "pattern", "min_length", "max_length"))


def _either(values: tuple[Any, ...]) -> str:
    *others, last = (repr(value) for value in values)
    return f"{', '.join(others)} or {last}" if others else last


_SETTING = "a setting of the models: generation: {{{}: ...}}"
_IMPORTED = "a configuration of promptfoo is imported: insidellms import FILE --to experiment.yaml"
_ELSEWHERE = {
    "system": "a text of a model: {type: ..., system: ...}",
    "template": "prompt: ...",
    "providers": f"models: [...]; {_IMPORTED}",
    "tests": f"dataset: FILE, an example a row; {_IMPORTED}",
    "vars": "the fields of each row of the dataset",
    "assert": "a probe: {type: checks, args: {checks: [...]}}",
    "scorers": "probes: [...]",
    "metrics": "probes: [...]",
    **{name: _SETTING.format(name) for name in ("temperature", "max_tokens", "top_p", "seed", "stop")},
}
"""Where a key belongs that other tools, or guesses, put at the top of the file."""


def _form_hint(path: FieldPath, kind: type, value: Any) -> str | None:
    """Say how one, or several, of the members of an experiment are written."""
    if kind in {int, float} and isinstance(value, str):
        return _number_hint(value)
    key = str(path[0]) if len(path) == 1 else ""
    if key.removesuffix("s") not in {"model", "prompt", "probe", "dataset"}:
        return None
    if kind is dict and isinstance(value, list):
        return f"several stand under '{key}s'"
    if kind in {list, tuple} and isinstance(value, Mapping):
        return "write a list, each with its name as 'id': - {id: NAME, ...}"
    return f"write [{value}]" if kind in {list, tuple} and isinstance(value, str) else None


def _number_hint(text: str) -> str | None:
    """Say how a quantity is written that has a unit or stands in quotation marks."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    if found[2] == "%":
        return f"write it as a share: {float(found[1]) / 100:g}"
    if found[2] and found[2] not in {"s", "sec", "seconds"}:
        return "write a number alone; times are in seconds"
    return f"write it without {'its unit' if found[2] else 'quotation marks'}: {found[1]}"


def _unknown_hint(path: FieldPath) -> str:
    key = str(path[-1])
    if is_secret_key(key):
        return "keys belong in the environment, never in a file"
    known = known_keys(path[:-1])
    if len(path) == 1 and key in _ELSEWHERE:
        return f"here it is {_ELSEWHERE[key]}"
    hint = suggestion(key, known)
    if hint.startswith("known") and "args" in known:
        return f"arguments of the plug-in belong under 'args'; {hint}"
    return hint


def _given(path: FieldPath, value: Any) -> str:
    """Show the value, if it is short and cannot be a secret."""
    if isinstance(value, dict | list) or any(isinstance(part, str) and is_secret_key(part) for part in path):
        return ""
    shown = "empty" if value is None else repr(value)
    return f", but is {shown}" if len(shown) <= _LONGEST_VALUE else ""
