"""How each model of a run is asked, its judges among them.

All share one budget of retries and one store of answers, and those of one provider account one throttle.
"""

import asyncio
import contextlib
import hashlib
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from insideLLMs.core.errors import CassetteMissError, ModelError
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.protocols import CONVERSATION_ID, AsyncModel
from insideLLMs.core.subject import Subject
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import Example, Exchange, Request, Response
from insideLLMs.execute.adapt import UserModel
from insideLLMs.execute.retry import Attempts, RetryBudget, RetryPolicy
from insideLLMs.execute.throttle import Throttle
from insideLLMs.execute.wanted import Unanswered, WantedAnswers
from insideLLMs.execute.work import AnswerStore, EngineOptions, ReadyModel, Sharing, Turns, Work, request_key
from insideLLMs.plan import Trial

if TYPE_CHECKING:
    from insideLLMs.execute.tracing import CallTracer

MIN_RETRIES = 10
REFUSALS_IN_A_ROW = 5
"""So many end the run: the key or the model, not the prompts, is then the likely cause."""
_ID_LENGTH = 32
_MAY_BE_THE_PROMPTS = (403, 404)
_NO_OPTIONS = EngineOptions()


class Spend(Protocol):
    """Counts an answer of a model against the run's budget, that of a batch by the key of its request."""

    def __call__(self, model: str, request: Request, response: Response, batch_key: str = "") -> None: ...


class Refusals(msgspec.Struct):
    """Whether a model has `answered` yet, and how often it refused `in_a_row` since."""

    answered: bool = False
    in_a_row: int = 0

    def add(self, error: ModelError) -> None:
        """Count a refusal: once the model has answered, a few may each concern their prompt alone and end no run."""
        if error.http_status not in _MAY_BE_THE_PROMPTS:
            return
        self.in_a_row += 1
        if self.answered and self.in_a_row < REFUSALS_IN_A_ROW:
            error.fatal = False

    def end(self) -> None:
        """Note an answer."""
        self.answered, self.in_a_row = True, 0


class Flights:
    """Lets equal requests wait for the one that is being asked, whose answer they then find in the store."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def alone(self, key: str, model_digest: str) -> AsyncIterator[None]:  # noqa: ARG002 - the contract of Turns
        """Hold the request `key`, for the time of the block."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1


class AskedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the run and the terms on which it is asked; `timeout_s` bounds a Trial.

    `sent` makes of a request what is sent for an example. The names of its conversations are made of `seed`.
    """

    id: str
    model: AsyncModel
    sent: Callable[[Request, Example], Request]
    policy: RetryPolicy
    timeout_s: float | None
    digest: str = ""
    answers: AnswerStore | None = None
    wanted: WantedAnswers | None = None
    spend: Spend | None = None
    refusals: Refusals = msgspec.field(default_factory=Refusals)
    turns: Turns = msgspec.field(default_factory=Flights)
    sharing: Sharing = "shared"
    seed: str = msgspec.field(default_factory=secrets.token_hex)

    @property
    def keeps_history(self) -> bool:
        """Whether it is an application that remembers what was said, by a name for the conversation."""
        return CONVERSATION_ID in getattr(self.model, "variables", ())

    async def answer(self, request: Request, trial: Trial, attempts: Attempts, *, is_turn: bool = False) -> Response:
        """Answer one request of a Trial: from the store of answers, or by asking the model. Raises ModelError.

        One that keeps its history is asked every turn of a conversation, as it must hear the earlier ones, too; only
        a replay and a batch have them all.
        """
        attempts.trial = trial
        sent = self.sent(request, trial.example)
        if self.answers is None:
            return await self._ask(sent, trial, attempts)
        key = request_key(self.digest, sent, trial.repeat, trial if self.sharing == "independent" else None)
        async with self.turns.alone(key, self.digest) if self.answers.finds_again else contextlib.nullcontext():
            asks_anyway = is_turn and self.keeps_history and not (self.answers.closed or self.answers.batch)
            found = None if asks_anyway else self._found(self.answers, key, attempts)
            if found is not None:
                if self.answers.batch and self.spend is not None:
                    self.spend(self.id, sent, found, key)
                return separate(found)  # an older release may have stored it
            if self.wanted is not None:
                raise self.wanted.add(
                    Unanswered(key=key, model=self.id, repeat=trial.repeat, request=sent), trial.index
                )
            if self.answers.closed:
                raise self._not_recorded(trial)
            response = await self._ask(sent, trial, attempts)
            self.answers.keep(
                Exchange(
                    key=key,
                    model=self.id,
                    model_digest=self.digest,
                    repeat=trial.repeat,
                    request=sent,
                    response=response,
                )
            )
            return response

    def _found(self, answers: AnswerStore, key: str, attempts: Attempts) -> Response | None:
        """Look a request up. Raises the ModelError that a batch came to."""
        try:
            found = answers.find(key, self.digest)
        except ModelError:  # it was asked in a batch, and failed there
            attempts.batched = answers.batch
            raise
        if found is not None:
            attempts.batched, attempts.cached = answers.batch, not answers.batch
        return found

    async def _ask(self, sent: Request, trial: Trial, attempts: Attempts) -> Response:
        make_ready = getattr(self.model, "make_ready", None)
        if callable(make_ready):
            await attempts.wait_for(make_ready())
        try:
            response = await self.policy.call(self.model, self._with_id(sent, trial), trial.repeat, attempts)
        except ModelError as error:
            self.refusals.add(error)
            raise
        self.refusals.end()
        if self.spend is not None:
            self.spend(self.id, sent, response)
        return response

    def _with_id(self, sent: Request, trial: Trial) -> Request:
        """Name the conversation as no other of any run is named; what is stored names it by its example."""
        if CONVERSATION_ID not in sent.variables or CONVERSATION_ID in trial.example.fields:
            return sent
        name = hashlib.sha256(f"{self.seed}\n{trial.index}".encode()).hexdigest()[:_ID_LENGTH]
        return msgspec.structs.replace(sent, variables={**sent.variables, CONVERSATION_ID: name})

    def _not_recorded(self, trial: Trial) -> CassetteMissError:
        return CassetteMissError(
            f"the cassette has no answer for example {trial.example.id!r} ({Subject(self.id, trial.prompt).words}, "
            f"probe {trial.probe!r}, repeat {trial.repeat})",
            fix="record what is missing: --record FILE --missing",
        )


def make_asked_models(
    work: Work, options: EngineOptions = _NO_OPTIONS, spend: Spend | None = None
) -> dict[str, AskedModel]:
    """Return the models of `work` by id, the judges by `judge_id`. They belong to one event loop."""
    answers = options.answers
    execution = work.execution
    throttles = work.throttles or make_throttles(work.asked, execution)
    turns = options.turns or Flights()
    retries = RetryBudget(max(MIN_RETRIES, int(execution.retry_budget * work.plan.total)))
    return {
        name: AskedModel(
            id=name,
            model=ready.model,
            sent=ready.sent,
            policy=RetryPolicy(
                max_attempts=execution.max_attempts,
                attempt_timeout_s=execution.attempt_timeout_s,
                budget=retries,
                throttle=throttles[name],
                tracer=_make_tracer(ready.model),
            ),
            timeout_s=execution.timeout_s,
            digest=ready.digest,
            answers=answers if answers is None or answers.takes_user_code or not _is_users(ready) else None,
            wanted=options.wanted,
            spend=spend,
            refusals=Refusals(answered=options.is_resumed),
            turns=turns,
            sharing=work.sharing,
        )
        for name, ready in work.asked.items()
    }


def _make_tracer(model: AsyncModel) -> "CallTracer | None":
    """Return a tracer for a model, None if nobody set OpenTelemetry up in this process."""
    if "opentelemetry.trace" not in sys.modules:
        return None
    from insideLLMs.execute.tracing import CallTracer  # noqa: PLC0415 - see above

    return CallTracer(model.identity())


def _is_users(ready: ReadyModel) -> bool:
    return isinstance(ready.model, UserModel)


def make_throttles(models: Mapping[str, ReadyModel], execution: ExecutionSpec) -> dict[str, Throttle]:
    """Return a throttle per model: one and the same for models of one provider account."""
    accounts: dict[str, list[str]] = {}
    for name, ready in models.items():
        account = getattr(ready.model, "account", None)
        accounts.setdefault(account() if callable(account) else f"model {name}", []).append(name)
    throttles: dict[str, Throttle] = {}
    for names in accounts.values():
        shared = Throttle(
            len(names) * execution.concurrency,
            requests_per_minute=execution.requests_per_minute,
            tokens_per_minute=execution.tokens_per_minute,
        )
        throttles.update(dict.fromkeys(names, shared))
    return throttles
