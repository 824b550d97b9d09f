"""The engine: every Trial of a plan, bounded in flight, each Outcome handed to the sink as it finishes.

Each model has its own workers, so a slow model holds up no other. Workers pull Trials from a
generator: the window in flight is bounded, and memory does not grow with the plan. An answer is on disk
before it is scored and before its worker asks again, so a killed process costs at most the calls in flight.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Protocol, TypeVar

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.errors import CanonicalError, InsideLLMsError, ProbeExecutionError, TrialTimeoutError
from insideLLMs.core.prices import price_at
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import (
    CallTelemetry,
    Failure,
    Outcome,
    PriceSpec,
    Record,
    Request,
    Response,
    ResultStatus,
    Telemetry,
    Usage,
)
from insideLLMs.execute.asked_models import AskedModel, make_asked_models
from insideLLMs.execute.progress import ProgressCounter
from insideLLMs.execute.trial import FatalError, ProbeCalls, TrialClock, ask, asks_the_same, examine, score
from insideLLMs.execute.work import EngineOptions, Work
from insideLLMs.plan import Trial, record_of

logger = logging.getLogger(__name__)
SLOW_FLUSH_S = 0.02
SYNC_EVERY_S = 0.5
"""A power cut loses at most the answers of this time; a killed process loses nothing that was flushed."""
_YIELD_EVERY = 32
Call = TypeVar("Call", bound=CallTelemetry)


class StoredAnswer(Protocol):
    """An answer that an earlier process had but did not score."""

    @property
    def request(self) -> Request: ...
    @property
    def response(self) -> Response: ...
    @property
    def telemetry(self) -> Telemetry: ...


class Sink(Protocol):
    """Where Outcomes go. `append_answer` is given a record that has no scores yet.

    `append_*` must be quick. What a `durable` one flushed survives the process.
    """

    durable: bool

    def is_done(self, index: int) -> bool: ...
    def pending_answer(self, index: int) -> StoredAnswer | None: ...
    def append_answer(self, index: int, record: Record, telemetry: Telemetry) -> None: ...
    def append_record(self, index: int, record: bytes, telemetry: Telemetry) -> None: ...
    def flush(self) -> None: ...
    def sync(self) -> None: ...


class Engine:
    """Runs a Work once. `stop` lets what is in flight finish; cancelling the task stops at once."""

    def __init__(self, work: Work, sink: Sink, progress: ProgressCounter, options: EngineOptions) -> None:
        self._work = work
        self._sink = sink
        self._progress = progress
        self._budget = options.budget
        self._models = make_asked_models(work, options, None if self._budget is None else self._spend)
        self._probe_calls = ProbeCalls(work=work, models=self._models, options=options)
        self._flusher = _Flusher(sink)
        self._error: InsideLLMsError | None = None
        self.stopping = False

    def stop(self, error: InsideLLMsError | None = None) -> None:
        """Start no further Trial; `error` is raised once those in flight have finished."""
        self.stopping = True
        self._error = self._error or error

    async def run(self) -> None:
        """Run what the sink does not have yet. Raises the error that stopped the run, if one did.

        Raises RuntimeError if, without one, a Trial was left out: never a run with fewer records than Trials.
        """
        try:
            async with asyncio.TaskGroup() as group:
                writing = [
                    group.create_task(self._flusher.flush_on_demand()),
                    group.create_task(self._flusher.sync_regularly()),
                ]
                async with asyncio.TaskGroup() as workers:
                    for name in self._work.models:
                        workers.create_task(self._start_workers(workers, self._models[name]))
                for task in writing:
                    task.cancel()
        except* InsideLLMsError as caught:
            raise _first(caught) from None
        if self._error is not None:
            raise self._error
        missing = 0 if self.stopping else sum(not self._sink.is_done(index) for index in range(self._work.plan.total))
        if missing:
            raise RuntimeError(f"{missing} trials came to nothing; the run is not sealed and can be resumed")

    def _spend(self, model: str, request: Request, response: Response) -> None:
        assert self._budget is not None
        reached = self._budget.spend(model, request, response)
        if reached is not None and not self.stopping:
            self.stop(reached)

    async def _start_workers(self, workers: asyncio.TaskGroup, asked: AskedModel) -> None:
        """Start a model's workers one turn of the loop apart.

        So the first call is out before the last connection is opened, and answers come spread out, not at once.
        """
        trials = self._trials(asked.id)
        for _ in range(min(self._work.execution.concurrency, self._work.plan.total)):
            workers.create_task(self._work_off(asked, trials))
            await asyncio.sleep(0)

    def _trials(self, model: str) -> Iterator[Trial]:
        """Yield this model's missing Trials as the datasets stream by."""
        plan = self._work.plan
        subjects = plan.subjects_of(model)
        for group in plan.groups:
            for rank, example in self._work.datasets[group.dataset].examples():
                digest = ""
                for index in plan.indexes(group, rank, subjects):
                    if not self._sink.is_done(index):
                        digest = digest or example.digest()
                        yield plan.trial(group, index, example, digest)

    async def _work_off(self, asked: AskedModel, trials: Iterator[Trial]) -> None:
        for worked, trial in enumerate(trials, start=1):
            if self.stopping:
                return
            if worked % _YIELD_EVERY == 0:  # an instant model and a quick disk would never let the loop turn
                await asyncio.sleep(0)
            try:
                outcome = await self._outcome(asked, trial, TrialClock())
            except FatalError as fatal:
                self.stop(fatal.error)
                return
            await self._finish(trial, outcome)

    async def _outcome(self, asked: AskedModel, trial: Trial, clock: TrialClock) -> Outcome:
        probe = self._work.probes[trial.probe]
        if not isinstance(probe, PromptProbe):
            return await examine(asked, probe, trial, clock, self._probe_calls)
        stored = self._sink.pending_answer(trial.index)
        if stored is not None and asks_the_same(stored.request, self._work, trial, asked):
            return await score(probe, trial, (stored.request, stored.response), stored.telemetry, self._probe_calls)
        answer = await ask(asked, self._work, trial, clock)
        if isinstance(answer, Outcome):
            return answer
        request, response = answer
        telemetry = clock.telemetry(response.usage)
        unscored = Outcome(status=ResultStatus.SUCCESS, request=request, response=response)
        try:
            self._sink.append_answer(trial.index, record_of(trial, unscored), telemetry)
        except CanonicalError as error:
            return _unstorable(error, telemetry)
        await self._flusher.written()
        return await score(probe, trial, answer, telemetry, self._probe_calls)

    def _priced(self, model: str, outcome: Outcome) -> Outcome:
        """Note what the answers cost where the run has prices; the table of prices can be asked at any later time."""
        prices = self._work.execution.prices
        if not prices:
            return outcome
        usage = outcome.response.usage if outcome.response is not None else None
        telemetry = _note_cost(outcome.telemetry, usage, prices.get(model))
        judges = tuple(
            _note_cost(
                call, Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens), prices.get(call.model)
            )
            for call in telemetry.judges
        )
        return msgspec.structs.replace(outcome, telemetry=msgspec.structs.replace(telemetry, judges=judges))

    async def _finish(self, trial: Trial, outcome: Outcome) -> None:
        outcome = self._priced(trial.model, outcome)
        record = record_of(trial, outcome)
        try:
            line = canonical.line(record)
        except CanonicalError as error:
            outcome = _unstorable(error, outcome.telemetry)
            record = record_of(trial, outcome)
            line = canonical.line(record)
        self._sink.append_record(trial.index, line, outcome.telemetry)
        if outcome.response is None or not isinstance(self._work.probes[trial.probe], PromptProbe):
            await self._flusher.written()
        _log(trial, outcome)
        self._progress.finished(outcome.status, subject=trial.subject, probe=trial.probe)
        if self._work.execution.stop_on_error and outcome.status is not ResultStatus.SUCCESS and not self.stopping:
            self.stop(_stop_error(record, outcome.error))


def _note_cost(call: Call, usage: Usage | None, price: PriceSpec | None) -> Call:
    if usage is None or price is None:
        return call
    return msgspec.structs.replace(call, cost_usd=price_at(price)(usage))


def _log(trial: Trial, outcome: Outcome) -> None:
    """Note a finished Trial: one that failed with its reason, for --verbose with what was raised and where."""
    facts: dict[str, object] = {
        "model": trial.model,
        "prompt": trial.prompt,
        "probe": trial.probe,
        "example_id": trial.example.id,
        "status": outcome.status.value,
        "attempts": outcome.telemetry.attempts,
        "latency_ms": outcome.telemetry.latency_ms,
    }
    failure = outcome.failure
    if failure is None:
        logger.debug("trial finished: %s", outcome.status.value, extra=facts)
        return
    facts |= {"stage": failure.stage, "error_type": failure.type}
    logger.info("trial failed: %s: %s: %s", trial.name, failure.type, failure.message, extra=facts)
    if outcome.error is not None and not isinstance(outcome.error, InsideLLMsError):
        logger.debug("trial failed: %s", trial.name, exc_info=outcome.error, extra=facts)


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


def _unstorable(error: CanonicalError, telemetry: Telemetry) -> Outcome:
    failure = Failure(stage="model", type="CanonicalError", message=f"the answer cannot be stored: {error.message}")
    return Outcome(status=ResultStatus.ERROR, failure=failure, telemetry=telemetry)


def _first(group: BaseExceptionGroup[InsideLLMsError]) -> InsideLLMsError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, InsideLLMsError)
    return error


class _Flusher:
    """Writes what the sink collected: at once while writing is quick, else on a thread, many Outcomes at a time.

    Handing a write to a thread costs more than the write, and delays the next call, as long as the disk keeps
    up; one flush slower than SLOW_FLUSH_S, and the loop never waits for the disk again. Syncing is always left
    to a thread.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._is_quick = True

    async def written(self) -> None:
        """Return once everything appended so far has been handed to the operating system. Raises StorageError."""
        if not self._sink.durable:
            return
        loop = asyncio.get_running_loop()
        if self._is_quick:
            started = loop.time()
            self._sink.flush()
            self._is_quick = loop.time() - started < SLOW_FLUSH_S
            return
        future = loop.create_future()
        self._waiting.append(future)
        self._wanted.set()
        await future

    async def flush_on_demand(self) -> None:
        """Flush whenever somebody waits, until cancelled. Raises StorageError."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            waiting, self._waiting = self._waiting, []
            await asyncio.to_thread(self._sink.flush)
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def sync_regularly(self) -> None:
        """Sync every SYNC_EVERY_S, until cancelled. Raises StorageError."""
        while self._sink.durable:
            await asyncio.sleep(SYNC_EVERY_S)
            await asyncio.to_thread(self._sink.sync)
