"""The engine: every Trial of a plan, bounded in flight, each Outcome handed to the sink as it finishes.

Each model has its own workers, so a slow model holds up no other. Workers pull Trials from a
generator: the window in flight is bounded, and memory does not grow with the plan. An answer is on disk
before its worker asks again, and before a scorer gets it that may take long, so a killed process costs at most the
calls in flight.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import (
    CanonicalError,
    InsideLLMsError,
    ModelError,
    NotAnsweredYetError,
    ProbeExecutionError,
    TrialTimeoutError,
)
from insideLLMs.core.protocols import ConversingProbe, PromptProbe
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import (
    AskedBy,
    Failure,
    Outcome,
    Record,
    Request,
    Response,
    ResultStatus,
    Telemetry,
)
from insideLLMs.execute.asked_models import AskedModel, make_asked_models
from insideLLMs.execute.progress import ProgressCounter
from insideLLMs.execute.questions import ModelQuestion, Unhurried, find_stored, questions_of
from insideLLMs.execute.retry import TrialClock
from insideLLMs.execute.sink import Flusher, Sink
from insideLLMs.execute.trial import FatalError, ProbeCalls, ask, examine, score, score_at_once
from insideLLMs.execute.work import EngineOptions, Work
from insideLLMs.plan import Trial, record_of

logger = logging.getLogger(__name__)
_SHORT = 64 * 1024
"""Characters of an answer that is scored before it is stored; a longer one may take the memory that there is."""


class Engine:
    """Runs a Work once. `stop` lets what is in flight finish; cancelling the task stops at once."""

    def __init__(
        self,
        work: Work,
        sink: Sink,
        progress: ProgressCounter,
        options: EngineOptions,
        flusher: Flusher | None = None,
    ) -> None:
        self._work = work
        self._sink = sink
        self._progress = progress
        self._budget = options.budget
        self._models = make_asked_models(work, options, None if self._budget is None else self._spend)
        self._probe_calls = ProbeCalls(work=work, models=self._models, options=options)
        self._is_resumed = options.is_resumed
        self._wanted = options.wanted
        self._flusher = flusher or Flusher(sink)
        self._open: dict[int, asyncio.Future[_Answer | None]] = {}
        self._error: InsideLLMsError | None = None
        self.stopping = False

    def stop(self, error: InsideLLMsError | None = None) -> None:
        """Start no further Trial; `error` is raised once those in flight have finished."""
        self.stopping = True
        self._error = self._error or error

    async def run(self) -> None:
        """Run what the sink does not have yet. Raises the error that stopped the run, if one did.

        Raises RuntimeError if, without one, a Trial was left out that waits for no answer: never a run with fewer
        records than Trials.
        """
        try:
            async with self._flusher.writing(), asyncio.TaskGroup() as workers:
                for name in self._work.models:
                    workers.create_task(self._start_workers(workers, self._models[name]))
        except* InsideLLMsError as caught:
            raise first_error(caught) from None
        if self._error is not None:
            raise self._error
        missing = 0 if self.stopping else self._count_missing()
        if missing:
            raise RuntimeError(f"{missing} trials have no record; the run is not sealed and can be resumed")

    def _count_missing(self) -> int:
        missing = sum(not self._sink.is_done(index) for index in range(self._work.plan.total))
        return missing - (0 if self._wanted is None else self._wanted.open_trials)

    def _spend(self, model: str, request: Request, response: Response, batch_key: str = "") -> None:
        """Count an answer, and stop once the budget is spent; what a batch has answered was paid before."""
        assert self._budget is not None
        if batch_key:
            self._budget.spend_batched(batch_key, model, request, response)
            return
        reached = self._budget.spend(model, request, response)
        if reached is not None and not self.stopping:
            self.stop(reached)

    async def _start_workers(self, workers: asyncio.TaskGroup, asked: AskedModel) -> None:
        """Start a model's workers one turn of the loop apart.

        So the first call is out before the last connection is opened, and answers come spread out, not at once.
        """
        questions = self.questions_for(asked.id)
        for _ in range(min(self._work.execution.concurrency, self._work.plan.total)):
            workers.create_task(self._work_off(asked, questions))
            await asyncio.sleep(0)

    def questions_for(self, model: str) -> AsyncIterator[ModelQuestion]:
        """Return what one model is to be asked, which all its workers share."""
        return Unhurried(questions_of(self._work, model, self._sink.is_done))

    async def _work_off(self, asked: AskedModel, questions: AsyncIterator[ModelQuestion]) -> None:
        async for question in questions:
            if self.stopping:
                return
            try:
                if question.request is None:
                    await self._examine(asked, question)
                else:
                    await self._settle(asked, question, question.request)
            except FatalError as fatal:
                self.stop(_placed(fatal.error, question.asker))
                return

    async def _examine(self, asked: AskedModel, question: ModelQuestion) -> None:
        trial = question.asker
        probe = self._work.probes[trial.probe]
        if isinstance(probe, ConversingProbe):
            await self._converse(asked, probe, question)
        else:
            await self._finish(trial, await examine(asked, probe, trial, TrialClock(), self._probe_calls))

    async def _converse(self, asked: AskedModel, probe: ConversingProbe, question: ModelQuestion) -> None:
        """Hold a conversation and score it; a run that stops ends it after the turn that is being answered."""
        from insideLLMs.execute.conversing import converse  # noqa: PLC0415 - few runs have conversations

        trial = question.asker

        async def keep(said: Outcome) -> bool:
            self._sink.append_answer(trial.index, canonical.line(record_of(trial, said)), said.telemetry)
            await self._flusher.written()
            return not self.stopping

        stored = find_stored(self._sink, question, is_resumed=self._is_resumed)
        answer = await converse(asked, probe, trial, self._probe_calls, keep, stored)
        if answer is not None:
            await self._finish(trial, await score(probe, trial, answer, self._probe_calls))

    async def _settle(self, asked: AskedModel, question: ModelQuestion, request: Request | InsideLLMsError) -> None:
        """Get the answer that the Trials of a question share, and score it for each of them."""
        index = question.asker.index
        if question.is_asked_earlier or self._sink.is_done(index):
            answer = await self._earlier_answer(question)
            if answer is not None:
                slow, answer = await self._score_at_once(question, answer)
                if slow:
                    await self._score_slowly(slow, answer)
                return
            if self.stopping:  # it waited for one that was stopped
                return
        opened = self._open[index] = asyncio.get_running_loop().create_future()
        try:
            answer, is_new = await self._own_answer(asked, question, request)
            slow, answer = await self._score_at_once(question, answer, is_new=is_new)
            opened.set_result(answer)
            if slow:
                await self._score_slowly(slow, answer)
        finally:
            if not opened.done():
                opened.set_result(None)
            del self._open[index]

    async def _earlier_answer(self, question: ModelQuestion) -> "_Answer | None":
        """Return the answer where another question has it; None if it is to be asked for."""
        index = question.earlier if question.is_asked_earlier else question.asker.index
        opened = self._open.get(index)
        if opened is not None:
            return await asyncio.shield(opened)
        if not self._sink.is_done(index):
            return None
        await self._flusher.written()
        line = self._sink.record(index)
        return None if line is None else _Answer.of_record(read_record(line, Record))

    async def _own_answer(
        self, asked: AskedModel, question: ModelQuestion, request: Request | InsideLLMsError
    ) -> "tuple[_Answer, bool]":
        """Return the answer that an earlier process had, or ask for it; and whether it is new, and on no disk yet."""
        asker = question.asker
        stored = find_stored(self._sink, question, is_resumed=self._is_resumed)
        if stored is not None:
            telemetry = Telemetry() if stored.telemetry.shared else stored.telemetry  # of a Trial that shared it
            return _Answer(asker, _answered(stored.request, stored.response, telemetry)), False
        outcome = await ask(asked, request, asker)
        if outcome.response is not None and not _is_short(outcome.response):
            return await self._stored(asker, outcome), False
        return _Answer(asker, outcome), outcome.response is not None

    async def _score_at_once(
        self, question: ModelQuestion, answer: "_Answer", *, is_new: bool = False
    ) -> "tuple[list[Trial], _Answer]":
        """Score an answer for the Trials whose probes need no waiting; return the others, and the answer as it is kept.

        A new answer is kept by the record of the first Trial, or before anything else happens to it.
        """
        slow: list[Trial] = []
        is_kept = not is_new
        for trial in question.trials:
            probe = self._work.probes[trial.probe]
            assert isinstance(probe, PromptProbe)
            outcome = score_at_once(probe, trial, answer.for_trial(trial))
            if not is_kept and (outcome is None or outcome.failure is not None):  # no resume takes it from a failure
                answer, is_kept = await self._stored(question.asker, answer.outcome), True
            if outcome is None:
                slow.append(trial)
                continue
            await self._finish(trial, outcome, is_answer=not is_kept and outcome.shared_with is None)
            is_kept = True
        if is_new:
            await self._flusher.written()
        return slow, answer

    async def _stored(self, asker: Trial, outcome: Outcome) -> "_Answer":
        """Have a new answer on disk before a scorer gets it that may take long, or never end."""
        try:
            line = canonical.line(record_of(asker, outcome))
        except CanonicalError as error:
            return _Answer(asker, _unstorable(error, outcome))
        self._sink.append_answer(asker.index, line, outcome.telemetry)
        await self._flusher.written()
        return _Answer(asker, outcome)

    async def _score_slowly(self, trials: list[Trial], answer: "_Answer") -> None:
        """Score an answer for Trials; one slow scorer holds up no other."""
        if len(trials) == 1:
            await self._score(trials[0], answer)
        else:
            async with asyncio.TaskGroup() as scoring:
                for trial in trials:
                    scoring.create_task(self._score(trial, answer))

    async def _score(self, trial: Trial, answer: "_Answer") -> None:
        probe = self._work.probes[trial.probe]
        assert isinstance(probe, PromptProbe)
        try:
            outcome = await score(probe, trial, answer.for_trial(trial), self._probe_calls)
        except FatalError as fatal:
            self.stop(_placed(fatal.error, trial))
            return
        await self._finish(trial, outcome)

    async def _finish(self, trial: Trial, outcome: Outcome, *, is_answer: bool = False) -> None:
        """Store what a Trial came to, unless it waits for an answer: a probe may have caught the error that says so."""
        if self._wanted is not None and self._wanted.leaves_open(
            trial.index, told=isinstance(outcome.error, NotAnsweredYetError)
        ):
            return
        says_cost = outcome.response and outcome.response.usage and outcome.response.usage.cost_usd is not None
        if self._work.execution.prices or says_cost or outcome.telemetry.batched or outcome.telemetry.judges:
            from insideLLMs.execute.costs import priced  # noqa: PLC0415 - few runs know what answers cost

            outcome = priced(self._work, trial.model, outcome)
        try:
            line = canonical.line(record_of(trial, outcome))
        except CanonicalError as error:
            if is_answer:  # it may be its scores alone that cannot be stored
                await self._stored(trial, msgspec.structs.replace(outcome, scores=None))
            outcome = _unstorable(error, outcome)
            line = canonical.line(record_of(trial, outcome))
        self._sink.append_record(trial.index, line, outcome.telemetry, is_answer=is_answer)
        if outcome.response is None or outcome.request is None:  # it was not stored before it was scored
            await self._flusher.written()
        _log(trial, outcome)
        self._progress.finished(outcome.status, subject=trial.subject, probe=trial.probe)
        if self._work.execution.stop_on_error and outcome.status is not ResultStatus.SUCCESS and not self.stopping:
            self.stop(_stop_error(record_of(trial, outcome), outcome.error))


class _Answer(msgspec.Struct, frozen=True):
    """What a question came to, without scores, and the Trial that asked it."""

    asker: Trial | Record
    outcome: Outcome

    @classmethod
    def of_record(cls, record: Record) -> "_Answer":
        """Take the answer from the record of the Trial that asked."""
        request = record.request or record.example.request()
        if record.response is not None:
            return cls(record, _answered(request, record.response, Telemetry()))
        return cls(record, Outcome(status=record.status, request=request, failure=record.failure))

    def for_trial(self, trial: Trial) -> Outcome:
        """Return the outcome for a Trial: one that did not ask itself had no call."""
        asker, outcome = self.asker, self.outcome
        if trial is asker or (trial.probe, trial.dataset, trial.example.id) == (
            asker.probe,
            asker.dataset,
            asker.example.id,
        ):
            return outcome
        shared_with = AskedBy(
            probe=asker.probe,
            dataset=None if trial.dataset == asker.dataset else asker.dataset,
            example_id=None if trial.example.id == asker.example.id else asker.example.id,
        )
        return msgspec.structs.replace(outcome, telemetry=Telemetry(shared=True), shared_with=shared_with)


def _answered(request: Request, response: Response, telemetry: Telemetry) -> Outcome:
    return Outcome(status=ResultStatus.SUCCESS, request=request, response=response, telemetry=telemetry)


def _is_short(response: Response) -> bool:
    return len(response.text) <= _SHORT and not response.trajectory


def _log(trial: Trial, outcome: Outcome) -> None:
    """Note a finished Trial: one that failed with its reason, for --verbose with what was raised and where."""
    failure = outcome.failure
    if failure is None and not logger.isEnabledFor(logging.DEBUG):
        return
    facts: dict[str, object] = {
        "model": trial.model,
        "prompt": trial.prompt,
        "probe": trial.probe,
        "example_id": trial.example.id,
        "status": outcome.status.value,
        "attempts": outcome.telemetry.attempts,
        "latency_ms": outcome.telemetry.latency_ms,
    }
    if failure is None:
        logger.debug("trial finished: %s", outcome.status.value, extra=facts)
        return
    facts |= {"stage": failure.stage, "error_type": failure.type}
    logger.info("trial failed: %s: %s: %s", trial.name, failure.type, failure.message, extra=facts)
    if outcome.error is not None and not isinstance(outcome.error, InsideLLMsError):
        logger.debug("trial failed: %s", trial.name, exc_info=outcome.error, extra=facts)


def _placed(error: ModelError, trial: Trial) -> ModelError:
    """Note at which Trial an error came up."""
    error.model, error.probe, error.example_id = trial.model, trial.probe, trial.example.id
    return error


def _stop_error(record: Record, cause: BaseException | None) -> ProbeExecutionError:
    kind = TrialTimeoutError if record.status is ResultStatus.TIMEOUT else ProbeExecutionError
    why = f"{record.failure.type}: {record.failure.message}" if record.failure else record.status.value
    error = kind(
        f"example {record.example_id!r}, {record.subject.words}, probe {record.probe!r}: {why}",
        fix=record.failure.fix if record.failure else None,
        model=record.model,
        probe=record.probe,
        example_id=record.example_id,
        original_error=cause,
    )
    error.__cause__ = cause
    return error


def _unstorable(error: CanonicalError, outcome: Outcome) -> Outcome:
    failure = Failure(stage="model", type="CanonicalError", message=f"the answer cannot be stored: {error.message}")
    return Outcome(
        status=ResultStatus.ERROR, failure=failure, telemetry=outcome.telemetry, shared_with=outcome.shared_with
    )


def first_error(group: BaseExceptionGroup[InsideLLMsError]) -> InsideLLMsError:
    """Return the first error of a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, InsideLLMsError)
    return error
