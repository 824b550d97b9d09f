"""What an experiment file may hold: every key with its type, bounds, default and meaning, declared once.

`shape` checks files against it, `schema` describes it to editors. Keys of the earlier system are marked deprecated.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from insideLLMs.core.experiment import ExecutionSpec, Resources
from insideLLMs.core.gate_spec import GateSpec, ProbeGateSpec, Share
from insideLLMs.core.types import JsonValue

_DEPRECATED = {"deprecated": True}
Args = Annotated[
    dict[str, Any], Meta(description="Arguments of the plug-in; `insidellms info NAME` lists those it takes.")
]
Identifier = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
NonEmpty = Annotated[str, Meta(min_length=1)]
Positive = Annotated[int, Meta(ge=1)]
Rows = list[dict[str, Any]]
TypeName = Annotated[NonEmpty, Meta(description="A plug-in name, or `file.py:Name`, or `module:Name`.")]


class _Entry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class TextFileEntry(_Entry):
    """A text that stands in a file of its own."""

    file: Annotated[NonEmpty, Meta(description="Relative to this file: text, Markdown, Jinja2, or a chat as YAML.")]
    constant: Annotated[bool, Meta(description="Whether the text may be the same for every example.")] = False


class ModelEntry(_Entry):
    """A model under test."""

    type: TypeName
    id: Annotated[Identifier | None, Meta(description="What records call it; by default `type/model_name`.")] = None
    args: Args = {}
    system: Annotated[
        str | TextFileEntry | None, Meta(description="The system message of every request that has none; a template.")
    ] = None
    resources: Annotated[
        Resources | None, Meta(description="What each of its workers takes of a cluster, with --executor ray.")
    ] = None
    reusable: Annotated[
        bool,
        Meta(description="With --since: also reuse answers of your own code, command or endpoint: no hidden inputs."),
    ] = False


class MessageEntry(_Entry):
    """A message of a prompt."""

    role: Annotated[Literal["system", "user", "assistant"], Meta(description="Who says it.")]
    content: Annotated[NonEmpty | TextFileEntry, Meta(description="A template of its text.")]


Messages = Annotated[list[MessageEntry], Meta(min_length=1)]


class PromptEntry(_Entry):
    """A prompt under test: every model answers with every prompt. It wraps what a probe asks."""

    id: Annotated[
        Identifier | None, Meta(description="What records call it; by default the file's name, or p1, p2, ...")
    ] = None
    file: Annotated[
        NonEmpty | None,
        Meta(description="Holds the rest: text, Markdown with front matter, or a chat as YAML or JSON."),
    ] = None
    template: Annotated[
        NonEmpty | TextFileEntry | None,
        Meta(description="What is asked; `{{ input }}` is the probe's own text, other names are fields."),
    ] = None
    messages: Annotated[
        Messages | None, Meta(description="A chat in place of `template`: few-shot turns, then the question.")
    ] = None
    system: Annotated[
        str | TextFileEntry | None, Meta(description="A template of the system message, in place of the model's.")
    ] = None
    constant: Annotated[bool, Meta(description="Allows a text that names no field, the same for every example.")] = (
        False
    )


class DatasetEntry(_Entry):
    """Where examples come from: a file, or `examples` written here."""

    path: Annotated[NonEmpty | None, Meta(description="Relative to this file; may end in .gz or .zst.")] = None
    format: Annotated[NonEmpty | None, Meta(description="jsonl, json, csv, yaml or a plug-in; follows the suffix.")] = (
        None
    )
    type: Annotated[NonEmpty | None, Meta(description="The same as `format`.")] = None
    name: Annotated[
        Identifier | None, Meta(description="What records call it; by default the file's name without suffix.")
    ] = None
    examples: Annotated[Rows | None, Meta(description="Examples written inline, each like a row of a file.")] = None
    items: Annotated[
        Rows | None, Meta(description="The earlier name of `examples`.", extra_json_schema=_DEPRECATED)
    ] = None
    field_names: Annotated[
        dict[Literal["id", "input", "expected"], str],
        Meta(description="Which column holds the id, the input, what is expected, if not the usual one."),
    ] = {}
    input_field: Annotated[
        str | None, Meta(description="The earlier name of `field_names: {input: }`.", extra_json_schema=_DEPRECATED)
    ] = None
    on_error: Annotated[
        Literal["stop", "skip"], Meta(description="What to do with a bad row; skipped rows are counted.")
    ] = "stop"
    reviewed: Annotated[
        bool, Meta(description="Whether an example from traffic that is pending review is a bad row.")
    ] = False
    sha256: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}$")] | None, Meta(description="Pins the file's bytes.")
    ] = None
    args: Args = {}


class ProbeEntry(_Entry):
    """A behaviour under test."""

    type: TypeName
    id: Annotated[Identifier | None, Meta(description="What records call it; by default its type.")] = None
    args: Args = {}
    dataset: Annotated[DatasetEntry | None, Meta(description="Its own dataset, or the name of one of `datasets`.")] = (
        None
    )
    datasets: Annotated[list[DatasetEntry] | None, Meta(description="Its own datasets, or names of `datasets`.")] = None


Models = Annotated[list[ModelEntry], Meta(min_length=1)]
Prompts = Annotated[list[PromptEntry], Meta(min_length=1)]
Probes = Annotated[list[ProbeEntry], Meta(min_length=1)]
Datasets = Annotated[list[DatasetEntry], Meta(min_length=1)]


class ExperimentFile(_Entry):
    """An insideLLMs experiment: models x probes x datasets, repeats, and the gate's policy."""

    name: Annotated[
        Identifier | None, Meta(description="What reports call the experiment; by default the file's name.")
    ] = None
    title: Annotated[str | None, Meta(description="The report's heading.")] = None
    model: Annotated[ModelEntry | None, Meta(description="The only model.")] = None
    models: Annotated[Models | None, Meta(description="The models.")] = None
    generation: Annotated[
        dict[str, Any],
        Meta(description="Arguments of all models, such as `temperature`; a model's own take precedence."),
    ] = {}
    prompt: Annotated[PromptEntry | None, Meta(description="The only prompt.")] = None
    prompts: Annotated[Prompts | None, Meta(description="The prompts; every model is asked with every one.")] = None
    probe: Annotated[ProbeEntry | None, Meta(description="The only probe.")] = None
    probes: Annotated[Probes | None, Meta(description="The probes.")] = None
    dataset: Annotated[DatasetEntry | None, Meta(description="The dataset of every probe that names none.")] = None
    datasets: Annotated[Datasets | None, Meta(description="The datasets of every such probe.")] = None
    max_examples: Annotated[
        Positive | None, Meta(description="A deterministic subset per dataset, by hash of the id.")
    ] = None
    repeats: Annotated[Positive, Meta(description="How often each model answers each example.")] = 1
    independent_answers: Annotated[
        bool, Meta(description="Ask equal requests once for each trial, not once for all that need the answer.")
    ] = False
    execution: Annotated[ExecutionSpec, Meta(description="How to run.")] = ExecutionSpec()
    gate: Annotated[GateSpec, Meta(description="The gate's policy.")] = GateSpec()
    confidence_level: Annotated[Share, Meta(description="The confidence level of every reported interval.")] = 0.95
    concurrency: Annotated[
        Positive | None, Meta(description="Now `execution: {concurrency: }`.", extra_json_schema=_DEPRECATED)
    ] = None
    report_title: Annotated[
        str | None, Meta(description="The earlier name of `title`.", extra_json_schema=_DEPRECATED)
    ] = None
    output_dir: Annotated[
        str | None, Meta(description="Not used; see `run --run-dir`.", extra_json_schema=_DEPRECATED)
    ] = None
    async_: Annotated[
        bool | None, Meta(description="Not used; runs are always asynchronous.", extra_json_schema=_DEPRECATED)
    ] = msgspec.field(default=None, name="async")
    use_async: Annotated[
        bool | None, Meta(description="Not used; runs are always asynchronous.", extra_json_schema=_DEPRECATED)
    ] = None


BARE = {
    "model": "type", "models": "type", "prompt": "template", "prompts": "template",
    "probe": "type", "probes": "type", "dataset": "path", "datasets": "path",
}  # fmt: skip
"""What text stands for, where it takes the place of an entry."""
_ENTRIES: dict[str, type[msgspec.Struct]] = {
    "model": ModelEntry,
    "models": ModelEntry,
    "prompt": PromptEntry,
    "prompts": PromptEntry,
    "messages": MessageEntry,
    "probe": ProbeEntry,
    "probes": ProbeEntry,
    "dataset": DatasetEntry,
    "datasets": DatasetEntry,
    "resources": Resources,
    "execution": ExecutionSpec,
    "gate": GateSpec,
}


def spelt_out(raw: JsonValue) -> JsonValue:
    """Return the file's value with every entry that is bare text as a mapping."""
    if not isinstance(raw, Mapping):
        return raw
    return {key: _spelt_out(str(key), value) if key in BARE else value for key, value in raw.items()}


def _spelt_out(key: str, value: JsonValue) -> JsonValue:
    if isinstance(value, list) and key.endswith("s"):
        return [_spelt_out(key.removesuffix("s"), item) for item in value]
    return {BARE[key]: value} if isinstance(value, str) and not key.endswith("s") else spelt_out(value)


def known_keys(path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return the keys that the mapping at `path` may have."""
    names = [part for part in path if isinstance(part, str)]
    entry = ProbeGateSpec if names[:2] == ["gate", "probes"] else _ENTRIES.get(names[-1] if names else "")
    fields = msgspec.structs.fields(entry or ExperimentFile)
    return tuple(field.encode_name for field in fields if not is_deprecated(field.type))


def is_deprecated(kind: Any) -> bool:
    """Whether a field's type says that the key is one of the earlier system."""
    metas = (meta.extra_json_schema or {} for meta in getattr(kind, "__metadata__", ()))
    return any(meta.get("deprecated", False) for meta in metas)


def experiment_schema() -> dict[str, JsonValue]:
    """Return the JSON Schema (2020-12) of the experiment file."""
    made = msgspec.json.schema(ExperimentFile)
    kinds = made["$defs"]
    for key, value in kinds["ProbeGateSpec"]["properties"].items():
        value["description"] = kinds["GateSpec"]["properties"][key]["description"]
    entries = {"ModelEntry": "model", "PromptEntry": "prompt", "ProbeEntry": "probe", "DatasetEntry": "dataset"}
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
