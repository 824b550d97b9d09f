"""The JSON Schema of the experiment file, for editors."""

import msgspec

from insideLLMs.config.file import BARE, ExperimentFile
from insideLLMs.core.types import JsonValue


def experiment_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema (2020-12) of the experiment file."""
    made = msgspec.json.schema(ExperimentFile)
    kinds = made["$defs"]
    for key, value in kinds["ProbeGateSpec"]["properties"].items():
        value["description"] = kinds["GateSpec"]["properties"][key]["description"]
    entries = {"ModelEntry": "model", "ProbeEntry": "probe", "DatasetEntry": "dataset"}
    for name, noun in entries.items():
        # an entry may be written as bare text, which stands for this key
        text = {"type": "string", "description": f"Stands for `{BARE[noun]}`."}
        kinds[name] = {"anyOf": [text, kinds[name]]}
    top = kinds.pop("ExperimentFile")
    top["allOf"] = [_one_of("model"), _one_of("probe")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": kinds,
        **top,
        "title": "insideLLMs experiment",
    }


def _one_of(singular: str) -> dict[str, JsonValue]:
    return {"oneOf": [{"required": [singular]}, {"required": [f"{singular}s"]}]}
