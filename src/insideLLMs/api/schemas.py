"""The JSON Schemas of every file that is read or written, generated from the types."""

from typing import Any

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.core.summary import Summary
from insideLLMs.core.types import Record
from insideLLMs.store.manifest import Manifest

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: str) -> dict[str, Any]:
    """Return the schema of `name`: experiment, record, manifest, summary, telemetry or comparison."""
    if name == "experiment":
        from insideLLMs.config import experiment_schema  # noqa: PLC0415 - each name loads its own alone

        return experiment_schema()
    if name == "comparison":
        from insideLLMs.report.json_document import diff_schema  # noqa: PLC0415

        return diff_schema()
    types: dict[str, Any] = {"record": Record, "manifest": Manifest, "summary": Summary, "telemetry": TelemetryLine}
    return {"$schema": _DIALECT, "title": name, **msgspec.json.schema(types[name])}


def schema_bytes(name: str) -> bytes:
    """Return the schema as the file that is shipped."""
    return canonical.pretty(schema(name))
