"""The JSON Schemas of tools: what breaks them, and arguments that do, made from the schema alone."""

from collections.abc import Mapping
from typing import Any

from insideLLMs.core.types import JsonValue


def complaints(schema: Mapping[str, JsonValue], value: JsonValue) -> list[str]:
    """Say in what a value breaks a schema, place by place; or that the schema is none."""
    import jsonschema  # noqa: PLC0415 - of an extra
    from referencing import Registry  # noqa: PLC0415 - likewise
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - likewise

    kind: Any = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
        found = kind(schema, registry=Registry()).iter_errors(value)  # an empty one: nothing is fetched
        return sorted(f"{error.json_path}: {error.message}" for error in found)
    except jsonschema.SchemaError as error:
        return [f"the schema is no JSON Schema: {error.json_path}: {error.message}"]
    except Unresolvable as error:
        return [f"the schema refers to what is not in it: {error}"]
