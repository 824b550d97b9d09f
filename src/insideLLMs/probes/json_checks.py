"""Checks of JSON answers: against a JSON Schema, and value by value through JSON paths."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.arguments import one_of, refuse
from insideLLMs.core.errors import ArgumentError, CanonicalError, PluginError
from insideLLMs.core.types import Example, JsonValue, Scores
from insideLLMs.probes.check import CheckProbe
from insideLLMs.probes.exact import shown
from insideLLMs.scoring.endable import call
from insideLLMs.scoring.json_path import parse_path, select
from insideLLMs.scoring.json_values import Parsed, Unparsed, find_json, objects_in, parse_strict

WITHIN = ("whole", "fence", "anywhere")
"""Where an answer may hold its JSON."""
_MOST_FAULTS = 5
_JSON_SPACE = " \t\r\n"


class JsonSchemaProbe(CheckProbe):
    """Check that an answer is JSON (alone, or in its one fenced block) that a JSON Schema accepts.

    `within` is `fence`, as just said; `whole`, where the answer must be nothing but JSON; or `anywhere`, where one
    object in its prose must be accepted. The schema is `schema`, or the example's field `schema`; without ``$schema``
    it is read as draft 2020-12. Nothing is fetched: a ``$ref`` to another document fails. Needs `pip install
    'insidellms[schema]'`.
    """

    kind = "json_schema"
    version: ClassVar[str] = "2"
    needs_expected = False
    scores_in_place: ClassVar[bool] = False  # validating takes long
    score_ranges: ClassVar = {"correct": (0, 1), "is_json": (0, 1)}
    reads_part: ClassVar = "json"

    def __init__(
        self,
        name: str | None = None,
        *,
        schema: JsonValue = None,
        within: str = "fence",
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Whether the answer is JSON of the right shape.", template)
        one_of(self.kind, "within", within, WITHIN)
        self.within = within
        self.schema = schema
        _check_engine()
        if schema is not None:
            complaint = _schema_complaint(schema)
            if complaint:
                raise refuse(self.kind, "schema", schema, f"a JSON Schema: {complaint}")

    def complaint(self, example: Example) -> str | None:
        """Say that there is no schema, or what is wrong with the example's."""
        schema = example.fields.get("schema", self.schema)
        if schema is None:
            return "no schema; give the probe or the example one"
        return _schema_complaint(schema) if "schema" in example.fields else None

    def check(self, example: Example, answer: str) -> Scores:
        """Parse and validate; of several objects the first that is accepted counts, else the first."""
        found = self._values(answer)
        if isinstance(found, Unparsed):
            return self.failed(f"is not JSON: {found.why}")
        schema = example.fields.get("schema", self.schema)
        slow = _may_take_long(schema)
        each = (call(_faults, value, schema) if slow else _faults(value, schema) for value in found)
        first = next(each)
        faults = first if not first or all(each) else []
        return Scores.of(not faults, explanation="; ".join(faults) or "it matches the schema", is_json=1.0)

    def _values(self, answer: str) -> list[JsonValue] | Unparsed:
        if self.within == "anywhere":
            return [value for _, value in objects_in(answer)] or Unparsed("there is no JSON object in it")
        found = find_json(answer) if self.within == "fence" else parse_strict(answer.strip(_JSON_SPACE))
        return [found.value] if isinstance(found, Parsed) else found


class JsonPathProbe(CheckProbe):
    """Check values inside a JSON answer.

    `path` leads to what the example expects; or `values` (of the probe, or a field of the example) maps paths to
    the values due there, all of which must hold. Values are equal as JSON: 1 is 1.0, and no text. A path that
    leads to several values is compared as a list.
    """

    kind = "json_path"
    version: ClassVar[str] = "2"
    needs_expected = False
    score_ranges: ClassVar = {"correct": (0, 1), "is_json": (0, 1), "held": (0, 1)}
    reads_part: ClassVar = "json"

    def __init__(
        self,
        name: str | None = None,
        *,
        path: str | None = None,
        values: Mapping[str, JsonValue] | None = None,
        template: JsonValue = None,
    ) -> None:
        super().__init__(name, "Whether a JSON answer has the right values.", template)
        if path is not None and not isinstance(path, str):
            raise refuse(self.kind, "path", path, "a JSON path such as $.name")
        if values is not None and not isinstance(values, Mapping):
            raise refuse(self.kind, "values", values, "a mapping of JSON path to value")
        for one in (*(values or {}), *([path] if path else [])):
            parse_path(one)
        self.path = path
        self.values = values

    def complaint(self, example: Example) -> str | None:
        """Say that there is nothing to compare, or which path is malformed."""
        own = example.fields.get("values", {})
        if not isinstance(own, Mapping):
            return "`values` must be a mapping of JSON path to value"
        try:
            for path in own:
                parse_path(path)
        except ArgumentError as error:
            return f"{error.message} ({error.fix})"
        if not own and not self.values and not (self.path and example.expected):
            return "nothing to compare; give the probe `path` and the example `expected`, or `values`"
        return None

    def check(self, example: Example, answer: str) -> Scores:
        """Parse and compare."""
        found = find_json(answer)
        if isinstance(found, Unparsed):
            return self.failed(f"is not JSON: {found.why}")
        try:
            canonical.check(found.value)
        except CanonicalError as error:
            return self.failed(f"contains what JSON does not allow: {error.message}")
        checks = list(self._checks(example, found.value))
        failed = [why for why in checks if why]
        held = 1 - len(failed) / len(checks)
        return Scores.of(not failed, explanation="; ".join(failed) or f"all {len(checks)} hold", is_json=1.0, held=held)

    def _checks(self, example: Example, document: JsonValue) -> Iterator[str | None]:
        wanted = {**(self.values or {}), **example.fields.get("values", {})}
        if self.path and example.expected:
            yield _difference(document, self.path, example.expected)
        for path, value in wanted.items():
            yield _difference(document, path, (value,))


def _difference(document: JsonValue, path: str, accepted: tuple[JsonValue, ...]) -> str | None:
    found = select(document, path)
    if not found:
        return f"has no {path}"
    candidates = [found[0], found] if len(found) == 1 else [found]
    if any(canonical.jcs(value) == canonical.jcs(one) for value in candidates for one in accepted):
        return None
    given = found[0] if len(found) == 1 else found
    return f"{path} is {shown(given)}, expected {' or '.join(shown(one) for one in accepted)}"


def _engine() -> Any:
    """Return the library; imported here because it is an extra, and slow."""
    import jsonschema  # noqa: PLC0415

    return jsonschema


def _check_engine() -> None:
    try:
        _engine()
    except ImportError as error:
        raise PluginError(
            "probe json_schema needs a library that is not installed", fix="pip install 'insidellms[schema]'"
        ) from error


def _schema_complaint(schema: JsonValue) -> str | None:
    if not isinstance(schema, bool | Mapping):
        return "a schema is an object, or true or false"
    engine = _engine()
    try:
        engine.validators.validator_for(schema, default=engine.Draft202012Validator).check_schema(schema)
    except engine.SchemaError as error:
        return f"{error.message} (at {error.json_path})"
    return None


def _may_take_long(schema: JsonValue) -> bool:
    """Whether answers can be such that this schema takes for ever: patterns run away, and references multiply."""
    written = msgspec.json.encode(schema)
    return any(keyword in written for keyword in (b'"pattern', b'Ref"', b'"$ref"', b'"uniqueItems"'))


def _faults(value: JsonValue, schema: JsonValue) -> list[str]:
    import referencing  # noqa: PLC0415 - comes with the extra
    import referencing.exceptions  # noqa: PLC0415

    engine = _engine()
    kind = engine.validators.validator_for(schema, default=engine.Draft202012Validator)
    try:
        faults = sorted(kind(schema, registry=referencing.Registry()).iter_errors(value), key=lambda one: one.json_path)
    except referencing.exceptions.Unresolvable as error:
        return [f"the schema refers to {shown(str(error.ref))}, which is not part of it"]
    except RecursionError:
        return ["is nested too deeply"]
    said = [f"{fault.json_path}: {fault.message[:200]}" for fault in faults[:_MOST_FAULTS]]
    return said + ([f"and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else [])
