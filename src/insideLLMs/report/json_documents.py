"""The comparison as one JSON document for scripts, and the JSON Schemas of every file, generated from the types."""

import inspect
from typing import Any, Literal

import msgspec

from insideLLMs.compare.comparison import Comparison
from insideLLMs.compare.gate.decide import Verdict
from insideLLMs.core import canonical
from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.types import Record
from insideLLMs.store.labels import PersonLabel
from insideLLMs.store.manifest import Manifest

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_VERSION: Literal["insidellms/diff/1"] = "insidellms/diff/1"


class DiffDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `diff --json` prints; `schema_version` is raised when a field changes its meaning or goes away."""

    comparison: Comparison
    verdict: Verdict | None
    schema_version: Literal["insidellms/diff/1"] = SCHEMA_VERSION


def diff_document(comparison: Comparison, verdict: Verdict | None = None) -> bytes:
    """Write the document: UTF-8, sorted keys, indented, numbers at full precision; the same values, the same bytes."""
    return canonical.pretty(DiffDocument(comparison=comparison, verdict=verdict))


def schema(name: str) -> dict[str, Any]:  # Any: a JSON Schema
    """Return the schema of `name`: experiment, record, manifest, summary, telemetry, label or comparison."""
    if name == "experiment":
        from insideLLMs.config.file import experiment_schema  # noqa: PLC0415 - each name loads its own alone

        return experiment_schema()
    types: dict[str, tuple[str, Any]] = {  # Any: each another class
        "comparison": (SCHEMA_VERSION, DiffDocument),
        "record": (name, Record),
        "manifest": (name, Manifest),
        "summary": (name, Summary),
        "telemetry": (name, TelemetryLine),
        "label": (name, PersonLabel),
    }
    title, kind = types[name]
    return {"$schema": _DIALECT, "title": title, **_without_indents(msgspec.json.schema(kind))}


def _without_indents(part: Any) -> Any:  # Any: any part of a JSON Schema
    """Return it with its descriptions as Python 3.13 and later give them: without the indents of docstrings."""
    if isinstance(part, list):
        return [_without_indents(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _without_indents(value)
        for key, value in part.items()
    }


def schema_bytes(name: str) -> bytes:
    """Return the schema as the file that is shipped."""
    return canonical.pretty(schema(name))
