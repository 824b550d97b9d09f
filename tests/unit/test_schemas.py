"""The shipped JSON Schemas are those of the types, and describe what is really written."""

import re
from pathlib import Path

import pytest
import yaml

from insideLLMs.cli.commands.schema import NAMES
from insideLLMs.report.json_documents import schema, schema_bytes
from support import gate_tables
from support.documents import ROOT, UPDATE, blocks

FOLDER = Path(__file__).resolve().parents[2] / "src" / "insideLLMs" / "schemas"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_schema_is_that_of_the_types(name):
    path = FOLDER / f"{name}.schema.json"
    if UPDATE:
        path.write_bytes(schema_bytes(name))
    assert path.read_bytes() == schema_bytes(name), "run the tests once with INSIDELLMS_UPDATE_DOCS=1"


SECTIONS = {"PromptEntry": "Prompts", "DatasetEntry": "Datasets", "GateSpec": "The gate", "TextFileEntry": "Texts"}
"""Where a table of docs/experiment.md lists all keys of a part of the file; the others are in the example."""
PARTS = {
    "model": "ModelEntry",
    "prompt": "PromptEntry",
    "probe": "ProbeEntry",
    "dataset": "DatasetEntry",
    "execution": "ExecutionSpec",
}
PARTS |= {f"{name}s": part for name, part in PARTS.items()} | {"messages": "MessageEntry", "gate": "GateSpec"}


def keys_by_part():
    """Return the keys that an experiment file may have, by the type of the mapping they stand in."""
    described = schema("experiment")
    parts = {name: kind["anyOf"][1] if "anyOf" in kind else kind for name, kind in described["$defs"].items()}
    parts["ExperimentFile"] = described
    return {
        name: {key for key, value in kind["properties"].items() if not value.get("deprecated")}
        for name, kind in parts.items()
    }


def section(page, title):
    return page.partition(f"\n## {title}\n")[2].partition("## ")[0]


def keys_of_example(value, part, found):
    for row in value if isinstance(value, list) else [value]:
        if isinstance(row, dict):
            found.setdefault(part, set()).update(row)
            for key, inner in row.items():
                is_part = part in {"ExperimentFile", "PromptEntry", "ProbeEntry"} and key in PARTS
                keys_of_example(inner, PARTS[key] if is_part else f"{part}.{key}", found)


def other_spellings(keys, example):
    """Return the singular or plural of keys where a comment of the example gives it: ``# or `model:` for one``."""
    others = {key.removesuffix("s") if key.endswith("s") else f"{key}s" for key in keys}
    return {key for key in others if f"or `{key}:`" in example}


def documented_keys():
    page = (ROOT / "docs" / "experiment.md").read_text()
    example = blocks(ROOT / "docs" / "experiment.md", "yaml")[0]
    found = {}
    keys_of_example(yaml.safe_load(example), "ExperimentFile", found)
    for keys in found.values():
        keys.update(other_spellings(keys, example))
    for part, title in SECTIONS.items():
        found[part] = set(re.findall(r"^\| `(\w+)`", section(page, title), re.MULTILINE))
    found["Resources"] = found.pop("ModelEntry.resources")
    found["PriceSpec"] = found.pop("ExecutionSpec.prices.prod")
    found["ProbeGateSpec"] = set(re.findall(r"^\| `(\w+)` \*", section(page, "The gate"), re.MULTILINE))
    return found


@pytest.mark.parametrize("part", sorted(keys_by_part()))
def test_every_key_of_the_experiment_file_is_documented_where_it_belongs(part):
    assert documented_keys()[part] == keys_by_part()[part]


@pytest.mark.parametrize(
    ("page", "title"), [("experiment.md", "The gate"), ("comparing.md", "All settings of the gate")]
)
def test_the_tables_of_gate_settings_say_what_the_type_says(page, title):
    path = ROOT / "docs" / page
    text = path.read_text()
    written = re.search(r"^\| key .*\n(\|.*\n)+", section(text, title), re.MULTILINE)[0]
    if UPDATE:
        path.write_text(text.replace(written, gate_tables.table()))
    assert written == gate_tables.table(), "run the tests once with INSIDELLMS_UPDATE_DOCS=1"
