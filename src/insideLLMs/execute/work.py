"""What a run asks and scores, and what it may draw on meanwhile."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.protocols import AsyncModel, Probe
from insideLLMs.core.template import Template
from insideLLMs.core.types import Example, Exchange, Record, Request, Response, Scores, expand
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.adapt import with_system, with_variables
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.ready_prompt import ReadyPrompt
from insideLLMs.execute.throttle import CallLimits
from insideLLMs.execute.wanted import WantedAnswers
from insideLLMs.plan import Plan, Trial, judge_id


class ReadyModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the run: adapted, with its system prompt and the digest of both.

    Answers of one that is not `reusable` may depend on more than that and what it is sent.
    """

    model: AsyncModel
    system: Template | None = None
    digest: str = ""
    reusable: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """The fields of an example that it fills into what it sends."""
        return tuple(getattr(self.model, "variables", ()))

    def sent(self, request: Request, example: Example) -> Request:
        """Return what is sent where `request` is asked: the system prompt and the example's fields included."""
        return with_variables(with_system(request, self.system, example), self.variables, example)


Sharing = Literal["shared", "each", "independent"]
"""Whether equal requests are asked once, or by each Trial; independent ones have their own answers in every store."""

Judges = Mapping[str, Mapping[str, ReadyModel]]
"""The models that probes ask to score: by probe, then by the names that the probe has for them."""


class ExampleSource(Protocol):
    """A dataset: its selected examples with their ranks by id, in any order, the same at every call."""

    def examples(self) -> Iterator[tuple[int, Example]]: ...


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The Trials of a plan, and the objects that its names stand for; `threads` are where users' code runs.

    `throttles` are those that this event loop has for the models already. Of a shard, `repeated` has by model the
    digests of requests that more than one place makes: a larger run may not remember all that it asked.
    """

    plan: Plan
    models: Mapping[str, ReadyModel]
    prompts: Mapping[str, ReadyPrompt] = {}
    probes: Mapping[str, Probe]
    datasets: Mapping[str, ExampleSource]
    judges: Judges = {}
    execution: ExecutionSpec
    threads: AbandonableThreads
    sharing: Sharing = "shared"
    throttles: Mapping[str, CallLimits] = {}
    repeated: Mapping[str, frozenset[bytes]] = {}

    def wrapped(self, request: Request, prompt: str | None, example: Example) -> Request:
        """Return what is asked where a probe asks `request`: the prompt wraps it. Raises TemplateError."""
        return request if prompt is None else self.prompts[prompt].wrap(request, example)

    @property
    def asked(self) -> dict[str, ReadyModel]:
        """All models that the run asks, the judges among them."""
        judges = {judge_id(probe, name): one for probe, named in self.judges.items() for name, one in named.items()}
        return {**self.models, **judges}


class AnswerStore(Protocol):
    """Where answers are found and kept; both must be quick.

    A `closed` one stands in for the models: what it lacks is not asked for. One that `finds_again` has at once what
    the run itself gave it to keep. `takes_user_code` tells whether it may hold answers of users' own models, whose
    behaviour no identity covers wholly. Those of a batch are paid for, at `batch` prices; others cost nothing again.
    `find` raises the ModelError that a batch came to where that is final.
    """

    closed: bool
    batch: bool
    finds_again: bool
    takes_user_code: bool

    def find(self, key: str, model_digest: str) -> Response | None: ...
    def keep(self, exchange: Exchange) -> None: ...


class Turns(Protocol):
    """Lets one at a time look a request up and ask for it."""

    def alone(self, key: str, model_digest: str) -> AbstractAsyncContextManager[None]: ...


def request_key(model_digest: str, request: Request, repeat: int, asker: Trial | Record | None = None) -> str:
    """Identify a request by content: the model with its parameters, all that is sent, and the repeat.

    With an `asker`, it is a request of that Trial alone.
    """
    sent = {"model": model_digest, "repeat": repeat, "request": expand(request)}
    own = {} if asker is None else {"asker": [asker.probe, asker.dataset, asker.example.id]}
    return canonical.identity("request/1", {**sent, **own})


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a run draws on beside its models.

    `turns` are those in which its `answers` are looked up, by default the run's own.
    `data_of` says what a probe of the simple contract is given for a Trial (by default the example's input);
    `probe_options` go to its `run`. A run that `is_resumed` has asked its models before. Where there is `wanted`, what
    the store of answers lacks is put there, and no model is asked. `judged` returns what judges said of a Trial's
    answer before, where they need not be asked.
    """

    answers: AnswerStore | None = None
    turns: Turns | None = None
    wanted: WantedAnswers | None = None
    budget: Budget | None = None
    is_resumed: bool = False
    data_of: Callable[[Trial], object] = lambda trial: trial.example.input
    probe_options: Mapping[str, Any] = {}  # users' own keywords
    judged: Callable[[Trial, Response], Scores | None] = lambda _, __: None
