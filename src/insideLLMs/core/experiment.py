"""The Experiment: the validated configuration, with everything that it names."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.part import Part
from insideLLMs.core.shard import Shard
from insideLLMs.core.subject import Subject, cross
from insideLLMs.core.types import JsonValue, Message

Amount = Annotated[float, Meta(ge=0)]
Above = Annotated[float, Meta(gt=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
SAMPLING = frozenset({
    "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "seed",
    "stop", "presence_penalty", "frequency_penalty", "repetition_penalty", "logprobs", "top_logprobs",
    "reasoning_effort",
})  # fmt: skip
"""Arguments that change what is answered, and neither where a call goes nor what it gives away."""


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How every plug-in is named: a `type`, its `args`, and the `id` that records carry."""

    type: str
    id: str
    args: dict[str, JsonValue] = {}


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What each worker that asks a model takes of a cluster's nodes."""

    num_cpus: Annotated[Amount, Meta(description="Cores of a node.")] = 1.0
    num_gpus: Annotated[Amount, Meta(description="GPUs of a node, or a share of one.")] = 0.0
    custom: Annotated[
        dict[str, Amount], Meta(description="Other resources, by the names that the nodes were started with.")
    ] = {}

    def amounts(self) -> dict[str, float]:
        """Return what is asked for, by the names that a cluster uses."""
        named = {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.custom}
        return {name: amount for name, amount in named.items() if amount}


class ModelSpec(Spec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of an Experiment; `system` is put before every request that has no system message of its own.

    `resources` say where it can run, and nothing of what it answers. One that is `reusable` has no hidden inputs: what
    it is and what it is sent decide how it answers.
    """

    system: str | None = None
    resources: Resources | None = None
    reusable: bool = False


class PromptSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A prompt of an Experiment: it wraps what a probe asks.

    Its `template` or its `messages` take the place of the last user message, its `system` that of the model's. One
    that names no field of the example, nor the probe's own text as `input`, must be `constant`.
    """

    id: str
    template: str | None = None
    messages: tuple[Message, ...] = ()
    system: str | None = None
    constant: bool = False

    @property
    def chat(self) -> tuple[Message, ...]:
        """What it puts in the place of the probe's own text."""
        return self.messages if self.template is None else (Message(role="user", content=self.template),)


class DatasetSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where examples come from: a file, or `examples` given inline (then `path` is None).

    `path` is absolute. `field_names` maps one of id, input, expected to the column that holds it.
    `on_error` is what a bad line leads to; `sha256` pins the file's bytes. Where it must be `reviewed`, an example that
    was drawn from traffic and is pending is a bad line.
    """

    name: str
    format: str
    path: str | None = None
    examples: tuple[dict[str, JsonValue], ...] = ()
    field_names: dict[str, str] = {}
    on_error: Literal["stop", "skip"] = "stop"
    sha256: str | None = None
    args: dict[str, JsonValue] = {}
    reviewed: bool = False


class ProbeSpec(Spec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A probe of an Experiment; `datasets` names those it runs over."""

    datasets: tuple[str, ...] = ()


class PriceSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model costs, in dollars per million tokens."""

    input: Annotated[Amount, Meta(description="Dollars per million tokens of input.")]
    output: Annotated[Amount, Meta(description="Dollars per million tokens of output.")]
    cached: Annotated[
        Amount | None, Meta(description="Dollars per million tokens of input that the provider had cached.")
    ] = None
    cache_write: Annotated[
        Amount | None,
        Meta(description="Dollars per million tokens written to the provider's cache; default 1.25 times `input`."),
    ] = None


class ExecutionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to run; none of it changes what is asked, so none of it is part of the run's identity."""

    concurrency: Annotated[AtLeastOne, Meta(description="How many trials of a model run at once.")] = 16
    timeout_s: Annotated[Above | None, Meta(description="Time limit of a Trial in seconds, including retries.")] = 300.0
    attempt_timeout_s: Annotated[
        Above | None, Meta(description="Time limit of one call in seconds; by default at most half of timeout_s.")
    ] = 60.0
    max_attempts: Annotated[AtLeastOne, Meta(description="Calls per answer, including the first.")] = 6
    retry_budget: Annotated[Amount, Meta(description="Limit on retries in the run, as a share of its Trials.")] = 2.0
    requests_per_minute: Annotated[
        Above | None, Meta(description="A limit for all models of one provider account.")
    ] = None
    tokens_per_minute: Annotated[
        Above | None, Meta(description="A limit for all models of one provider account, input and output.")
    ] = None
    max_tokens: Annotated[
        AtLeastOne | None, Meta(description="Stops the run when its answers have used this many tokens.")
    ] = None
    max_cost_usd: Annotated[Above | None, Meta(description="Stops the run when it has cost this much.")] = None
    prices: Annotated[
        dict[str, PriceSpec] | None, Meta(description="Prices by model id, in place of the `prices` extra's table.")
    ] = None
    stop_on_error: Annotated[bool, Meta(description="Stop at the first Trial that fails.")] = False
    telemetry: Annotated[bool, Meta(description="Write telemetry.jsonl: latency, attempts, queueing.")] = True
    compress: Annotated[bool, Meta(description="Store the records as records.jsonl.zst; needs the extra zstd.")] = False


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The validated configuration: models x prompts x probes x datasets, repeats, and the gate's policy.

    Where only a `part` of it is run, `part_examples` has the ids of the examples, by dataset; a `shard` is taken of
    what is left.
    """

    name: str
    models: tuple[ModelSpec, ...]
    prompts: tuple[PromptSpec, ...] = ()
    probes: tuple[ProbeSpec, ...]
    datasets: tuple[DatasetSpec, ...]
    max_examples: int | None = None
    repeats: int = 1
    independent_answers: bool = False
    execution: ExecutionSpec = ExecutionSpec()
    gate: GateSpec = GateSpec()
    confidence_level: float = 0.95
    title: str | None = None
    part: Part | None = None
    part_examples: Mapping[str, tuple[str, ...]] = {}
    shard: Shard | None = None

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Every model with every prompt, in the order of the file."""
        return cross((model.id for model in self.models), (prompt.id for prompt in self.prompts))
