"""Whether a file has the shape of an experiment: pydantic's findings, in our words and with their lines."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from insideLLMs.config.findings import Findings, suggestion
from insideLLMs.config.schema import ExperimentFile, known_keys
from insideLLMs.config.secrets import is_secret_key
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.types import JsonValue

_WORDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping, 'key: value'",
    "finite_number": "must be finite",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be a mapping, 'key: value'",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_type": "must be text",
}
_EMPTY = {"string_too_short", "too_short"}
_LONGEST_VALUE = 60


def check_shape(raw: JsonValue, findings: Findings) -> None:
    """Report wrong types, values out of bounds, missing and unknown keys."""
    try:
        ExperimentFile.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _report(detail, findings)


def _report(detail: ErrorDetails, findings: Findings) -> None:
    path: FieldPath = detail["loc"]
    if path and path[-1] == "[key]":
        findings.add(path[:-1], "is no key that is known here", None if len(path) < 2 else _words(detail))
        return
    if detail["type"] == "extra_forbidden":
        findings.add(path, "unknown key", _unknown_hint(path))
        return
    findings.add(path, _words(detail) + _given(path, detail))


def _unknown_hint(path: FieldPath) -> str:
    key = str(path[-1])
    if is_secret_key(key):
        return "keys belong in the environment, never in a file"
    known = known_keys(path[:-1])
    hint = suggestion(key, known)
    if hint.startswith("known") and "args" in known:
        return f"arguments of the plug-in belong under 'args'; {hint}"
    return hint


def _words(detail: ErrorDetails) -> str:
    if detail["type"] in _EMPTY:
        return "must not be empty"
    words = _WORDS.get(detail["type"])
    context: Mapping[str, Any] = detail.get("ctx", {})
    return words.format(**context) if words else detail["msg"].replace("Input should be", "must be")


def _given(path: FieldPath, detail: ErrorDetails) -> str:
    """Show the value, if it is short and cannot be a secret."""
    value = detail["input"]
    if detail["type"] in {"missing", *_EMPTY} or isinstance(value, dict | list):
        return ""
    if any(isinstance(part, str) and is_secret_key(part) for part in path):
        return ""
    shown = "empty" if value is None else repr(value)
    return f", but is {shown}" if len(shown) <= _LONGEST_VALUE else ""
