"""The experiment file's shape: pydantic models that check types and bounds, and its JSON Schema.

They validate and describe; `load` makes the Experiment. Keys of the earlier system are marked deprecated.
"""

from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

from insideLLMs.config.struct_schema import STRICT, struct_model
from insideLLMs.core.types import GateSpec, JsonValue, PriceSpec

Args = Annotated[
    dict[str, Any], Field(description="Arguments of the plug-in; `insidellms info NAME` lists those it takes.")
]
Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Rows = list[dict[str, Any]]
TypeName = Annotated[str, Field(min_length=1, description="A plug-in's name, or `file.py:Name`, or `module:Name`.")]


def _bare(key: str) -> BeforeValidator:
    """Let text stand for an entry that has only `key`."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class _Strict(BaseModel):
    model_config = STRICT


class ModelEntry(_Strict):
    """A model under test."""

    type: TypeName
    id: Identifier | None = Field(default=None, description="What records call it; by default `type/model_name`.")
    args: Args = {}
    system: str | None = Field(
        default=None, description="Put before every request that has no system message of its own."
    )


class DatasetEntry(_Strict):
    """Where examples come from: a file, or `examples` written here."""

    path: str | None = Field(default=None, min_length=1, description="Relative to this file; may end in .gz or .zst.")
    format: TypeName | None = Field(
        default=None, description="jsonl, json, csv, yaml or a plug-in; follows the suffix."
    )
    type: TypeName | None = Field(default=None, description="The same as `format`.")
    name: Identifier | None = Field(
        default=None, description="What records call it; by default the file's name, no suffix."
    )
    examples: Rows | None = Field(default=None, description="Examples written here, each as a row of a file would be.")
    items: Rows | None = Field(default=None, deprecated=True, description="The earlier name of `examples`.")
    field_names: dict[Literal["id", "input", "expected"], str] = Field(
        default={}, description="Which column holds the id, the input, what is expected, if not the usual one."
    )
    input_field: str | None = Field(
        default=None, deprecated=True, description="The earlier name of `field_names: {input: }`."
    )
    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="What a bad row leads to; skipped ones are counted."
    )
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$", description="Pins the file's bytes.")
    args: Args = {}


class ProbeEntry(_Strict):
    """A behaviour under test."""

    type: TypeName
    id: Identifier | None = Field(default=None, description="What records call it; by default its type.")
    args: Args = {}
    dataset: "DatasetRef | None" = Field(default=None, description="Its own dataset, or the name of one of `datasets`.")
    datasets: "list[DatasetRef] | None" = Field(default=None, description="Its own datasets, or names of `datasets`.")


PriceEntry = struct_model(
    PriceSpec,
    "PriceEntry",
    {
        "input": "Dollars per million tokens of input.",
        "output": "Dollars per million tokens of output.",
        "cached": "Dollars per million tokens of input that the provider had cached.",
    },
)


class ExecutionEntry(_Strict):
    """How to run; none of it changes what is asked."""

    concurrency: int = Field(default=16, ge=1, description="Trials in flight per model.")
    timeout_s: FiniteFloat | None = Field(
        default=300.0, gt=0, description="Bounds a Trial in seconds, retries included."
    )
    attempt_timeout_s: FiniteFloat | None = Field(default=60.0, gt=0, description="Bounds one call in seconds.")
    max_attempts: int = Field(default=6, ge=1, description="Calls for one answer, the first included.")
    retry_budget: FiniteFloat = Field(
        default=2.0, ge=0, description="Bounds retries in the run, as a share of its Trials."
    )
    requests_per_minute: FiniteFloat | None = Field(
        default=None, gt=0, description="A limit for all models of one provider account."
    )
    tokens_per_minute: FiniteFloat | None = Field(
        default=None, gt=0, description="A limit for all models of one provider account, input and output."
    )
    max_tokens: int | None = Field(default=None, ge=1, description="Stops the run once its answers used so many.")
    max_cost_usd: FiniteFloat | None = Field(default=None, gt=0, description="Stops the run once it cost so much.")
    prices: dict[str, PriceEntry] | None = Field(  # type: ignore[valid-type] # made of a Struct
        default=None, description="Prices by model id, in place of the `prices` extra's table."
    )
    stop_on_error: bool = Field(default=False, description="Stop at the first Trial that fails.")
    telemetry: bool = Field(default=True, description="Write telemetry.jsonl: latency, attempts, queueing.")


GATE_WORDS = {
    "fail_on": "What fails the gate.",
    "tolerance": "How many changes or regressions are let through.",
    "alpha": "Bounds the chance that an unchanged system fails.",
    "min_effect": "A drop of rates below it passes; 0.05 is five points.",
    "wanted_drop": "The drop to plan for: the comparison says whether it could have seen it.",
    "margin": "The drop that non-inferior still accepts.",
    "max_missing": "The share of Trials that may be missing.",
    "require_power": "Whether a comparison too small to see `wanted_drop` is inconclusive.",
    "errors_as": "Whether Trials without an answer are missing or failed.",
    "run_level": "Whether whole runs, not examples, are what varies.",
    "independent_repeats": "Whether repeats of an example vary as examples do.",
    "level": "How deep a text must differ for churn.",
    "cluster": "The example field that names those that share their noise.",
    "score_range": "The lowest and the highest score, where a probe declares none.",
    "max_growth": "The growth allowed per quantity; 0.1 is ten percent.",
    "probes": "Policies of single probes, by id.",
}
GateEntry = struct_model(GateSpec, "GateEntry", GATE_WORDS)
_GATE_FIELDS = {field.name: field.type for field in msgspec.structs.fields(GateSpec)}
_PROBE_GATE_KEYS = tuple(field.name for field in msgspec.structs.fields(get_args(_GATE_FIELDS["probes"])[1]))

ModelRef = Annotated[ModelEntry, _bare("type")]
ProbeRef = Annotated[ProbeEntry, _bare("type")]
DatasetRef = Annotated[DatasetEntry, _bare("path")]


def _one_of(singular: str) -> dict[str, JsonValue]:
    return {"oneOf": [{"required": [singular]}, {"required": [f"{singular}s"]}]}


class ExperimentFile(_Strict):
    """An insideLLMs experiment: models x probes x datasets, repeats, and the gate's policy."""

    model_config = ConfigDict(json_schema_extra={"allOf": [_one_of("model"), _one_of("probe")]})

    name: Identifier | None = Field(
        default=None, description="What reports call the experiment; by default the file's name."
    )
    title: str | None = Field(default=None, description="The report's heading.")
    model: ModelRef | None = Field(default=None, description="The only model.")
    models: list[ModelRef] | None = Field(default=None, min_length=1, description="The models.")
    probe: ProbeRef | None = Field(default=None, description="The only probe.")
    probes: list[ProbeRef] | None = Field(default=None, min_length=1, description="The probes.")
    dataset: DatasetRef | None = Field(default=None, description="The dataset of every probe that names none.")
    datasets: list[DatasetRef] | None = Field(
        default=None, min_length=1, description="The datasets of every such probe."
    )
    max_examples: int | None = Field(
        default=None, ge=1, description="A deterministic subset per dataset, by hash of the id."
    )
    repeats: int = Field(default=1, ge=1, description="How often each model answers each example.")
    execution: ExecutionEntry = Field(default_factory=ExecutionEntry, description="How to run.")
    gate: GateEntry = Field(default_factory=GateEntry, description="The gate's policy.")  # type: ignore[valid-type] # made of a Struct
    confidence_level: FiniteFloat = Field(default=0.95, gt=0, lt=1, description="Of every interval that is reported.")
    concurrency: int | None = Field(
        default=None, ge=1, deprecated=True, description="Now `execution: {concurrency: }`."
    )
    report_title: str | None = Field(default=None, deprecated=True, description="The earlier name of `title`.")
    output_dir: str | None = Field(default=None, deprecated=True, description="Not used; see `run --run-dir`.")
    async_: bool | None = Field(default=None, alias="async", deprecated=True, description="Not used; runs always are.")
    use_async: bool | None = Field(default=None, deprecated=True, description="Not used; runs always are.")


ProbeEntry.model_rebuild()
ExperimentFile.model_rebuild()
_ENTRIES: dict[str, type[BaseModel]] = {
    "model": ModelEntry,
    "models": ModelEntry,
    "probe": ProbeEntry,
    "probes": ProbeEntry,
    "dataset": DatasetEntry,
    "datasets": DatasetEntry,
    "execution": ExecutionEntry,
    "gate": GateEntry,
}


def known_keys(path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return the keys that the mapping at `path` may have."""
    names = [part for part in path if isinstance(part, str)]
    entry: type[BaseModel] = ExperimentFile
    if names[:2] == ["gate", "probes"]:
        return _PROBE_GATE_KEYS
    if names:
        entry = _ENTRIES.get(names[-1], ExperimentFile)
    return tuple(field.alias or name for name, field in entry.model_fields.items() if not field.deprecated)


def experiment_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema (2020-12) of the experiment file."""
    schema = ExperimentFile.model_json_schema()
    for entry, key in (("ModelEntry", "type"), ("ProbeEntry", "type"), ("DatasetEntry", "path")):
        # an entry may be written as bare text, which stands for this key
        mapping = schema["$defs"][entry]
        schema["$defs"][entry] = {"anyOf": [{"type": "string", "description": f"Stands for `{key}`."}, mapping]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "insideLLMs experiment"}
