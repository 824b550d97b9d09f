"""What a plug-in author implements: models and probes. Nothing else needs to be read.

A model is anything with `generate(prompt) -> str` (sync or async); a probe is anything with
`run(model, data)` (sync or async), or a PromptProbe, whose two pure functions let the engine do the calling.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from insideLLMs.core.types import Example, JsonValue, Message, Request, Response, Scores

if TYPE_CHECKING:  # few runs have conversations
    from insideLLMs.core.conversation import Conversation

OWN_SERVER = "server"
"""The option of a request to an MCP server that names one for these requests alone, beside the one that all share."""
CONVERSATION_ID = "conversation_id"
"""What an application that keeps its history calls the name of a conversation."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says of itself."""

    name: str
    provider: str
    model_id: str
    extra: dict[str, JsonValue] = {}


class Model:
    """Base class of a user's own model: override `generate`; everything else has a default.

    `generate` and `agenerate` get the prompt as text and may take keyword options. A chat comes to `chat`
    when it is overridden; otherwise its messages are joined into one prompt.
    """

    name: str
    model_id: str

    def __init__(self, name: str, model_id: str | None = None) -> None:
        self.name = name
        self.model_id = model_id or name

    def generate(self, prompt: str, **kwargs: Any) -> str:
        """Answer `prompt`."""
        raise TypeError(f"{type(self).__name__} must define generate(prompt, **kwargs)")

    def chat(self, messages: list[dict[str, Any]], **kwargs: Any) -> str:
        """Answer a chat; each message has `role` and `content`."""
        return self.generate(join_chat(messages), **kwargs)

    def stream(self, prompt: str, **kwargs: Any) -> Iterator[str]:
        """Yield the answer in pieces."""
        yield self.generate(prompt, **kwargs)

    def info(self) -> ModelInfo:
        """Describe the model."""
        return ModelInfo(name=self.name, provider=type(self).__name__.removesuffix("Model"), model_id=self.model_id)


def join_chat(messages: Iterable[Mapping[str, Any]]) -> str:
    """Write a chat as one prompt, for a model that has no chat of its own: a lone user message stays as it is."""
    turns = [(str(message["role"]), str(message["content"])) for message in messages]
    if len(turns) == 1:
        return turns[0][1]
    return "\n\n".join(f"{role}: {content}" for role, content in turns)


@runtime_checkable
class AsyncModel(Protocol):
    """What the engine calls: what providers make, and what a Model is adapted to.

    It may also have `check() -> None`, which raises the ModelError that every call would meet (no key, no
    weights); it is asked once, before anything is sent. One that has `async make_ready()` is given the time for that
    before each call, outside of every time limit. One that fills fields of the example into what it sends names
    them in `variables`, gets them in the request's, and has `check_example(example)`, which raises TemplateError.
    """

    def identity(self) -> Mapping[str, JsonValue]:
        """Return everything that defines the behaviour (and no secret); it enters the run id."""
        ...

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Make one attempt. Raises ModelError; never retries by itself.

        `repeat` numbers the repeats of one Trial from 0; a seed that is sent is made from the model's seed, the
        repeat and the messages.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections and memory."""
        ...


@runtime_checkable
class LocalModel(AsyncModel, Protocol):
    """An AsyncModel whose identity holds facts of this machine, such as a digest of weights.

    A cassette keeps them under `origin`, and a replay, perhaps on a machine without the weights, assumes them.
    """

    def origin(self) -> str:
        """Identify what the user wrote to name the weights; nothing that only this machine can tell."""
        ...

    def facts(self) -> Mapping[str, JsonValue]:
        """Return the facts. Raises ModelError where they cannot be found."""
        ...

    def assume(self, facts: Mapping[str, JsonValue]) -> None:
        """Take these facts for this machine's from now on."""
        ...


class CallableModel(Protocol):
    """The model that a probe of the simple contract is handed: the run's model, with its limits and retries.

    From a coroutine use the `a` forms; from plain functions the others, which wait for the engine.
    """

    name: str

    def generate(self, prompt: str, **options: Any) -> str: ...

    def chat(self, messages: list[dict[str, Any]], **options: Any) -> str: ...

    def agenerate(self, prompt: str, **options: Any) -> Awaitable[str]: ...

    def achat(self, messages: list[dict[str, Any]], **options: Any) -> Awaitable[str]: ...

    def astream(self, prompt: str, **options: Any) -> AsyncIterator[str]: ...


class ProbeScore(msgspec.Struct, frozen=True, kw_only=True):
    """What `Probe.score` makes of all results of a run; None where nothing was measured."""

    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1_score: float | None = None
    mean_latency_ms: float | None = None
    total_tokens: int | None = None
    error_rate: float = 0.0
    custom_metrics: dict[str, float] = {}


class Probe:
    """The simple contract: `run` has full control and may call the model any number of times.

    `data` is the example's input, or the whole example as a mapping where it has more than an input. What
    `run` returns is the output: text, or any JSON value. Override `score_output` to score it.
    `score_ranges` declares the (worst, best) of each score: ``{"distance": (100, 0)}`` is better when lower. A score
    without a range goes from 0 to 1; one outside its range is an error. Raise `version` whenever a
    change makes old scores incomparable: it is part of the run's identity.
    """

    version: ClassVar[str] = "1"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    open_scores: ClassVar[bool] = False
    """Whether it may give other scores than `score_ranges` names."""
    scores_in_place: ClassVar[bool] = False
    """Whether scoring is quick and cannot hang, so that it needs no thread of its own."""
    label_is_answer: ClassVar[bool] = False
    """Whether `label` is all that it reads of an answer, so that two answers with one label come to the same."""
    name: str
    category: str | None
    description: str | None

    def __init__(self, name: str | None = None, category: Any = None, description: str | None = None) -> None:
        self.name = name or type(self).__name__
        self.category = category
        self.description = description

    def run(self, model: Any, data: Any, **kwargs: Any) -> Any:
        """Examine `model` with `data`; may be a coroutine function."""
        raise TypeError(f"{type(self).__name__} must define run(model, data, **kwargs)")

    def score_output(self, example: Example, output: Any) -> Scores | None:
        """Score what `run` returned for one example; None where this probe gives no scores."""
        return None

    def score(self, *args: Any, **kwargs: Any) -> Any:
        """Sum up all results of a run, `score(results) -> ProbeScore`; a PromptProbe scores one response instead."""
        return sum_up(*args, **kwargs)

    def validate_input(self, data: Any) -> bool:
        """Whether `run` can take `data`."""
        return True

    def own_models(self) -> Mapping[str, Any]:
        """Return the models of its own that `run` asks, by name: a ModelSpec each, or a ready model.

        ``model.respond_to(request, by=NAME)`` asks one, as the run's own models are asked.
        """
        return {}

    def info(self) -> dict[str, Any]:
        """Describe the probe."""
        return {
            "name": self.name,
            "category": self.category,
            "description": self.description,
            "type": type(self).__name__,
        }


def sum_up(results: Sequence[Mapping[str, Any]]) -> ProbeScore:
    """Aggregate results: `accuracy` is the share of *all* of them that scored `correct`, None if none was scored.

    Errors and timeouts stay in the denominator.
    """
    correct = [value for result in results if (value := _correct(result)) is not None]
    latencies = [result["latency_ms"] for result in results if result.get("latency_ms") is not None]
    failed = sum(result["status"] != "success" for result in results)
    return ProbeScore(
        accuracy=sum(correct) / len(results) if correct else None,
        mean_latency_ms=sum(latencies) / len(latencies) if latencies else None,
        error_rate=failed / len(results) if results else 0.0,
    )


def _correct(result: Mapping[str, Any]) -> float | None:
    """Read whether a result was correct from its scores, or from `is_correct` in its metadata."""
    scores = result.get("scores") or {}
    value = scores.get("correct", (result.get("metadata") or {}).get("is_correct"))
    return None if value is None else float(value)


class PromptProbe(Probe):
    """The fast contract: two pure functions; the engine calls the model, so answers can be cached and re-scored.

    `of` names the part of an answer that is scored in place of its text, such as ``sources`` or ``sources[0].title``.
    A part is given as plain text, its values one a line, or as its class says in `reads_part`: as `json`, or not at
    all, where it looks for the part in the response `itself`, or there is `none` that it could read.
    """

    of: str | None = None
    reads_part: ClassVar[Literal["text", "json", "itself", "none"]] = "text"

    def request(self, example: Example) -> Request:
        """Turn an example into a request; by default its input as it stands."""
        return example.request()

    def score(self, example: Example, response: Response) -> Scores:
        """Score a response. Raise nothing for a bad answer: score it as failed."""
        raise TypeError(f"{type(self).__name__} must define score(example, response)")

    def runs(self, example: Example) -> bool:
        """Whether `run` examines the model with this example, as under the simple contract, instead of one request."""
        return False

    def check_example(self, example: Example) -> str | None:
        """Say why this example cannot be scored (nothing expected, say), or return None. Asked before any call.

        Raises TemplateError where a template cannot be filled from it.
        """
        return None

    def lacking(self, example: Example, response: Response) -> str | None:
        """Say what is not there that this probe would judge; such an answer passes nothing, not even negated."""
        del example, response  # named for those who override
        return None

    def parts_read(self, example: Example) -> tuple[str, ...]:
        """Return the parts of an answer that scoring this example reads, as they are written."""
        del example  # named for those who override
        return () if self.of is None else (self.of,)

    def run(self, model: Any, data: Any, **kwargs: Any) -> Any:
        """Ask `model` as the simple contract would, for those who call a probe by hand."""
        messages = data if isinstance(data, str) else data.get("input", data.get("prompt", data.get("question", "")))
        example = Example(id="0", input=messages if isinstance(messages, str) else as_messages(messages))
        request = self.request(example)
        return model.chat([{"role": m.role, "content": m.text} for m in request.messages], **kwargs)


Ask = Callable[[Request], Awaitable[Response]]
"""How a probe asks one of its judges."""


class JudgedProbe(PromptProbe):
    """The fast contract for a scorer that asks models of its own: it names them, and the engine calls them.

    Their calls share what holds for the run's own models: limits, retries, the budget, cache and cassette.
    """

    def judge_models(self) -> Mapping[str, Any]:
        """Return the models by the names that `score_with` asks them by: a ModelSpec each, or a ready model."""
        raise TypeError(f"{type(self).__name__} must define judge_models()")

    async def score_with(self, example: Example, response: Response, judges: Mapping[str, Ask]) -> Scores:
        """Score a response; `judges` has a function for each model, which answers a Request or raises ModelError."""
        raise TypeError(f"{type(self).__name__} must define score_with(example, response, judges)")

    def score(self, example: Example, response: Response) -> Scores:
        """Refuse: only the engine can ask the judges."""
        raise TypeError(f"{self.name} scores with judges: run it, or await score_with(example, response, judges)")


@runtime_checkable
class RulesOnTools(Protocol):
    """A probe whose rules name tools; a rule on a tool that nobody has is found before any call."""

    def tools_named(self, fields: Mapping[str, JsonValue] | None = None) -> Sequence[str]:
        """Return the tools that rules name: those of an example's fields, or of the probe's arguments."""
        ...

    def tools_known(self, fields: Mapping[str, JsonValue], served: Sequence[Mapping[str, Any]] = ()) -> Sequence[str]:
        """Return the tools of an example, none where they are unknown; `served` are those that an MCP server lists."""
        ...


class Talk(Protocol):
    """A conversation with the subject, as a ConversingProbe leads it."""

    @property
    def said(self) -> "Conversation":
        """What was said so far: of a run that goes on, before it was interrupted."""
        ...

    @property
    def models(self) -> Mapping[str, Ask]:
        """The models that the probe names in `judge_models`, each as a function that asks it."""
        ...

    async def say(self, text: str, given: Sequence[Message] = ()) -> Response:
        """Say `text` as the user, after the `given` messages, and return the subject's answer.

        Raises ModelError. The run's prompt is put around the text; all that was said before goes along.
        """
        ...


class ConversingProbe(PromptProbe):
    """The fast contract for a probe that asks the subject several times: `converse` leads, and the engine calls.

    What was said is stored after each turn: a run that is interrupted goes on from there, and a stored conversation is
    scored again without a call. Its Response is the last answer, which holds the Conversation.
    """

    def led_by(self, example: Example) -> JsonValue:
        """Return what decides what the user says: a conversation that was led otherwise is not gone on with."""
        raise TypeError(f"{type(self).__name__} must define led_by(example)")

    async def converse(self, example: Example, talk: Talk) -> str:
        """Lead the conversation to its end, and return how it ended, in a word."""
        raise TypeError(f"{type(self).__name__} must define converse(example, talk)")

    def most_calls(self, example: Example) -> Mapping[str, int]:
        """Return how often the subject (under "") and each model of the probe is asked at most, as far as is known."""
        del example  # named for those who override
        return {}


def as_messages(messages: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Type a chat given as mappings; raises msgspec.ValidationError for other values."""
    return tuple(msgspec.convert(message, Message) for message in messages)


class CallFacts(msgspec.Struct):
    """Times in seconds since the call began: until a new connection stood, until the answer's first byte, and, of a
    streamed answer, until its first event.

    `blocked_s` is how long the provider says that it takes no further calls, where its limit is used up. `limit_s` is
    told to the provider: the caller cancels the call after so many seconds.
    """

    limit_s: float | None = None
    connect_s: float | None = None
    first_byte_s: float | None = None
    first_chunk_s: float | None = None
    blocked_s: float | None = None


current_call: ContextVar[CallFacts | None] = ContextVar("current_call", default=None)
