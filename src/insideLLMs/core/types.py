"""The values that travel through the stages: Example, Request, Response, Scores, Outcome, Record."""

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import orjson

from insideLLMs.core import canonical
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.subject import Subject

JsonValue = Any  # a JSON value; msgspec has no recursive type, and canonical.check() holds the domain
Role = Literal["system", "user", "assistant", "tool"]


class ResultStatus(StrEnum):
    """What a Trial came to."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    SKIPPED = "skipped"


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tool that the model wants called; `arguments` is the decoded JSON object."""

    name: str
    arguments: dict[str, JsonValue] = {}
    id: str | None = None


class TextPart(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
    tag="text",
):
    """Text among the parts of a message."""

    text: str


class ImagePart(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
    tag="image",
):
    """An image among the parts of a message: `url` is an https URL or ``data:image/png;base64,...``."""

    url: str


ContentPart = TextPart | ImagePart


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One turn of a chat; its content is text, or parts where it holds images."""

    role: Role
    content: str | tuple[ContentPart, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text of the content, without its images."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a probe asks a model.

    `options` override the model's own parameters for this request only (`max_tokens`, `stop`, ...). `variables` are
    the fields of the example that the model fills into what it sends.
    """

    messages: tuple[Message, ...]
    options: dict[str, JsonValue] = {}
    variables: dict[str, JsonValue] = {}

    @classmethod
    def of(cls, prompt: "str | Iterable[Message]", **options: JsonValue) -> "Request":
        """Ask `prompt` as one user message, or as the chat that it is."""
        messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else tuple(prompt)
        return cls(messages=messages, options=options)


class Usage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tokens as the provider counted them; None where it did not say. So is `cost_usd`, what it says that it costs."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: float | None = None


def sum_usage(usages: Iterable[Usage | None]) -> Usage | None:
    """Add tokens up; None where nobody counted any."""
    known = [usage for usage in usages if usage is not None]
    sums: dict[str, int | None] = {}
    for name in Usage.__struct_fields__:
        counts = [count for usage in known if (count := getattr(usage, name)) is not None]
        sums[name] = sum(counts) if counts else None
    return Usage(**sums) if known else None


class TokenLogprob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token of an answer and the natural logarithm of the probability that the model gave it."""

    token: str
    logprob: float


class Response(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model answered.

    `finish_reason` is one of stop, length, content_filter, refusal, tool_calls, or the provider's own word.
    `model` and `fingerprint` are what the provider says served the answer. `logprobs` are the answer's tokens
    where they were asked for. `value` is the JSON value that a probe of the simple contract returned when it was
    not text. `kept` are further parts of the answer that the model was told to keep, by name. `trajectory` is what an
    agent did, in order: its messages, with the calls of tools and their results.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None
    fingerprint: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    value: JsonValue = None
    kept: dict[str, JsonValue] = {}
    trajectory: tuple[Message, ...] = ()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """All calls of tools, in order: those that were made, and those that are to be made."""
        return (*(call for message in self.trajectory for call in message.tool_calls), *self.tool_calls)


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request as it was sent, and its answer.

    `key` identifies the request, `model_digest` the model with all its parameters; `model` is its label. A cassette
    says in the first answer of a model what `model_identity` that digest is of.
    """

    key: str
    model: str
    model_digest: str
    model_identity: dict[str, JsonValue] = {}
    repeat: int = 0
    request: Request
    response: Response


EXPECTED_KEYS = ("expected", "answer", "ideal", "reference", "reference_answer")
"""What a row may call the accepted answers. They are for the probes; no template sends them to a model."""


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One input of a Dataset; `expected` lists the accepted answers, `fields` holds whatever else it came with."""

    id: str
    input: str | tuple[Message, ...]
    expected: tuple[JsonValue, ...] = ()
    fields: dict[str, JsonValue] = {}

    @property
    def text(self) -> str:
        """The input as text: of a chat, its last user message; where it has none, the calls of tools that it makes."""
        if isinstance(self.input, str):
            return self.input
        asked = next((message.text for message in reversed(self.input) if message.role == "user"), None)
        if asked is not None:
            return asked
        return " ".join(f"{call.name}({as_text(call.arguments)})" for turn in self.input for call in turn.tool_calls)

    def request(self, **options: JsonValue) -> Request:
        """Ask the input as it stands."""
        return Request.of(self.input, **options)

    def digest(self) -> str:
        """Identify the content; the id is not part of it, so that an edited example shows as edited."""
        plain = msgspec.to_builtins(self)
        plain.pop("id")
        return canonical.identity("example/1", plain)


_NUMBERS = (int, float)  # not `int | float`, which would be made again for every score


class Scores(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a probe says of a Response.

    `values` are finite numbers by name. `passed` is the verdict, None where the probe gives none. `label` is
    what was extracted from the answer; `explanation` says in one line why it scored so; `details` is JSON for
    the viewer. Raises InsideLLMsError naming a value that is not a finite number.
    """

    values: dict[str, float]
    passed: bool | None = None
    label: str | None = None
    explanation: str = ""
    details: dict[str, JsonValue] = {}

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if isinstance(value, bool) or not isinstance(value, _NUMBERS) or not math.isfinite(value):
                raise InsideLLMsError(f"score {name!r} is {value!r}; scores must be finite numbers")

    @classmethod
    def of(cls, passed: bool, *, label: str | None = None, explanation: str = "", **values: float) -> "Scores":
        """Score a verdict as `correct` 1 or 0, with further `values` beside it."""
        return cls(values={"correct": float(passed), **values}, passed=passed, label=label, explanation=explanation)


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why a Trial has no scores: `stage` is where it happened, `type` the class of the error, `fix` what to do."""

    stage: Literal["request", "model", "probe", "score", "plan"]
    type: str
    message: str
    fix: str | None = None


class CallTelemetry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The volatile facts of asking a model once, retries included, from a monotonic clock.

    `latency_ms` is the answering attempt alone, or the one that a time limit cut off, of which `connect_ms` went into
    a new connection and `first_byte_ms` passed until the answer began, and `first_chunk_ms` until a streamed one had
    an event;
    `queued_ms` is the wait for a free slot, `retry_ms` failed attempts and the waits between them; `started_at` is
    UTC, ISO 8601. `cached` answers were not asked for: they have no attempts and no latency. `cost_usd` is what the
    answer costs at the prices that the run was given. `batched` answers came in a batch, at its prices, and have no
    latency.
    """

    started_at: str | None = None
    latency_ms: float | None = None
    queued_ms: float | None = None
    retry_ms: float | None = None
    connect_ms: float | None = None
    first_byte_ms: float | None = None
    first_chunk_ms: float | None = None
    attempts: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached: bool = False
    cost_usd: float | None = None
    batched: bool = False


class JudgeCall(CallTelemetry, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One question to a judge; `model` names it as ``PROBE/JUDGE``."""

    model: str
    status: ResultStatus


class Telemetry(CallTelemetry, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The volatile facts of a Trial; `judges` has the questions that scoring it asked.

    A Trial that `shared` another's answer asked nothing: the other has the tokens and times of the call.
    """

    judges: tuple[JudgeCall, ...] = ()
    shared: bool = False


class AskedBy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The Trial that asked for an answer which others share; what is None is as in the record that names it."""

    probe: str
    dataset: str | None = None
    example_id: str | None = None


Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class SinceMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a Trial of a run since another came to its answer; one whose request is new has no such mark.

    `reused` is the answer of the `run` whose records have this root; `canary` was asked again although nothing of it
    changed, `retried` as that run had no answer.
    """

    answer: Literal["reused", "canary", "retried"]
    run: Sha256 | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a Trial came to: an answer with scores, or a failure (with the answer, where one was had).

    `error` is what was raised, for logs and callers; it is not stored. `shared_with` is the Trial that asked, where
    it was another.
    """

    status: ResultStatus
    request: Request | None = None
    response: Response | None = None
    scores: Scores | None = None
    failure: Failure | None = None
    shared_with: AskedBy | None = None
    telemetry: Telemetry = Telemetry()
    error: BaseException | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The canonical, stored form of an Outcome: one line of `records.jsonl`.

    `key` identifies the Trial by content, `example_digest` the example's content. `request` is what
    was sent, system prompt and filled template included; None where that is the example's input as it stands.
    `prompt` is left out where the run has no prompts.
    `shared_with` is there where another Trial asked for the answer: its tokens are counted there. `since` is there in a
    run since another.
    """

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    key: str
    example_digest: str
    example: Example
    status: ResultStatus
    request: Request | None = None
    response: Response | None = None
    scores: Scores | None = None
    failure: Failure | None = None
    prompt: str | msgspec.UnsetType = msgspec.UNSET
    shared_with: AskedBy | msgspec.UnsetType = msgspec.UNSET
    since: SinceMark | msgspec.UnsetType = msgspec.UNSET

    @property
    def subject(self) -> Subject:
        """The model with its prompt."""
        return Subject(self.model, self.prompt or None)

    @property
    def sort_key(self) -> tuple[str, str, str, str, str, int]:
        """The order of `records.jsonl`."""
        return (self.probe, self.dataset, self.example_id, self.model, self.prompt or "", self.repeat)


class EmbeddingModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model tells how close texts are; a change of any of it makes similarities incomparable.

    `version` is that of the package that the weights are of; `algorithm` names how they are put to use.
    """

    name: str
    version: str
    weights_sha256: str
    tokenizer_sha256: str
    algorithm: str


def as_text(value: JsonValue) -> str:
    """Write a value into a prompt: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def cut_off(text: str, most: int) -> str:
    """Return the first `most` characters of a text, with an ellipsis where something is missing."""
    return text if len(text) <= most else f"{text[:most]}…"


def expand(value: Mapping[str, object] | msgspec.Struct) -> dict[str, JsonValue]:
    """Return a Struct or mapping as plain JSON values."""
    plain: dict[str, JsonValue] = msgspec.to_builtins(value)
    return plain
