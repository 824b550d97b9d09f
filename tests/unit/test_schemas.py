"""The shipped JSON Schemas are those of the types, and describe what is really written."""

from pathlib import Path

import pytest

from insideLLMs.api.schemas import schema, schema_bytes
from insideLLMs.cli.schema import NAMES
from support.documents import ROOT, UPDATE

FOLDER = Path(__file__).resolve().parents[2] / "src" / "insideLLMs" / "schemas"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_schema_is_that_of_the_types(name):
    path = FOLDER / f"{name}.schema.json"
    if UPDATE:
        path.write_bytes(schema_bytes(name))
    assert path.read_bytes() == schema_bytes(name), "run the tests once with INSIDELLMS_UPDATE_DOCS=1"


def keys_of(part, found):
    if isinstance(part, dict):
        if part.get("deprecated"):
            return
        found.update(name for name, value in part.get("properties", {}).items() if not value.get("deprecated"))
        for value in part.values():
            keys_of(value, found)
    elif isinstance(part, list):
        for value in part:
            keys_of(value, found)


def test_every_key_of_the_experiment_file_is_documented():
    found = set()
    keys_of(schema("experiment"), found)
    text = "\n".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    assert not sorted(name for name in found if f"`{name}" not in text and f"{name}:" not in text)
