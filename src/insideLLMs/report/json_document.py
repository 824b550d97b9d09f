"""A comparison and its verdict as one JSON document for scripts, and the JSON Schema of it."""

from typing import Any, Literal

import msgspec

from insideLLMs.compare.comparison import Comparison
from insideLLMs.compare.gate import Verdict
from insideLLMs.core import canonical

SCHEMA_VERSION: Literal["insidellms/diff/1"] = "insidellms/diff/1"


class DiffDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `diff --json` prints; `schema_version` is raised when a field changes its meaning or goes away."""

    comparison: Comparison
    verdict: Verdict | None
    schema_version: Literal["insidellms/diff/1"] = SCHEMA_VERSION


def diff_document(comparison: Comparison, verdict: Verdict | None = None) -> bytes:
    """Write the document: UTF-8, sorted keys, indented, numbers at full precision; the same values, the same bytes."""
    return canonical.pretty(DiffDocument(comparison=comparison, verdict=verdict))


def diff_schema() -> dict[str, Any]:  # Any: a JSON Schema
    """Return the JSON Schema (2020-12) of the document, made from its types."""
    schema = msgspec.json.schema(DiffDocument)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA_VERSION, **schema}
