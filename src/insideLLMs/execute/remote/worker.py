"""A worker's side of a run: the engine asks the questions that the driver sends, and every outcome goes to the driver.

An answer counts as written once the driver has it on disk: as on one machine, a call costs nothing twice that had its
answer, but for those in flight.
"""

import asyncio
import itertools
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.record_views import RecordStatus, read_record
from insideLLMs.core.types import Telemetry
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.engine import Engine
from insideLLMs.execute.progress import ProgressCounter
from insideLLMs.execute.questions import ModelQuestion, request_or_error
from insideLLMs.execute.remote.answers import DriversAnswers
from insideLLMs.execute.remote.messages import (
    AnswerKept,
    Assignment,
    Left,
    LogLine,
    Order,
    Report,
    SentError,
    StoreTerms,
    StreamedLine,
    Waiting,
    decode_order,
    encode,
)
from insideLLMs.execute.sink import Flusher
from insideLLMs.execute.work import EngineOptions, Work
from insideLLMs.plan import Trial


class WorkerSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker asks with; `shared` are the models whose limits the driver keeps. It logs from `log_level` on.

    `store` has the terms of the driver's store of answers, where it has one.
    """

    work: Work
    options: EngineOptions
    shared: frozenset[str]
    store: StoreTerms | None = None
    log_level: int
    aclose: Callable[[], Awaitable[None]]


class RemoteWorker:
    """Does what the driver says until that says to stop. `tell` and `hear` are the driver's ends."""

    def __init__(self, prepare: Callable[[], WorkerSetup]) -> None:
        self._prepare = prepare
        self._outbox = Outbox()
        self._engine: asyncio.Future[_FedEngine | None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run())

    async def tell(self, order: bytes) -> None:
        """Take an order, once the models are ready."""
        engine = await asyncio.shield(self._engine)
        if engine is not None:
            engine.take(decode_order(order))

    async def hear(self) -> bytes:
        """Return the next report, as soon as there is something to say."""
        return encode(await self._outbox.report())

    def log(self, line: LogLine) -> None:
        """Pass on a line of the log."""
        self._outbox.add("logs", line)

    async def _run(self) -> None:
        setup: WorkerSetup | None = None
        error: SentError | None = None
        try:
            setup = await asyncio.to_thread(self._prepare)
            engine = _FedEngine(setup, self._outbox)
            self._engine.set_result(engine)
            await engine.run()
        except InsideLLMsError as caught:
            error = SentError.of(caught)
        except Exception:  # noqa: BLE001 - a bug, which the driver reports
            error = SentError(kind="", message=traceback.format_exc())
        if not self._engine.done():
            self._engine.set_result(None)
        try:
            if setup is not None:
                await setup.aclose()
        finally:
            self._outbox.end(error)


class Outbox:
    """Collects what the next report says. To the engine it is the sink, whose lines the driver writes."""

    durable = False

    def __init__(self) -> None:
        self.budget: Budget | None = None
        self.written = 0
        self.handed_in = 0
        self._said: dict[str, list[msgspec.Struct | int]] = {}
        self._wake = asyncio.Event()
        self._ended: list[SentError | None] = []
        self._open: set[int] = set()
        self._records: dict[int, list[bytes]] = {}
        self._stored: dict[int, AnswerKept] = {}

    def expect(self, assignment: Assignment) -> None:
        """Take note of Trials to be asked, and of what is known of them."""
        self._open.update(assignment.trials)
        if assignment.record is not None:
            known = assignment.earlier if assignment.earlier >= 0 else assignment.asker
            self._records.setdefault(known, []).append(assignment.record)
        if assignment.stored is not None:
            self._stored[assignment.asker] = assignment.stored

    def add(self, kind: str, said: msgspec.Struct | int) -> None:
        """Put something under a field of the report."""
        self._said.setdefault(kind, []).append(said)
        self._wake.set()

    def end(self, error: SentError | None) -> None:
        """Make the next report the last."""
        self._ended.append(error)
        self._wake.set()

    async def report(self) -> Report:
        """Return what was collected, as soon as there is something."""
        await self._wake.wait()
        await asyncio.sleep(0)  # what comes up at the same turn of the loop goes with it
        self._wake.clear()
        said, self._said = self._said, {}
        spent = self.budget
        return Report(
            **{kind: tuple(each) for kind, each in said.items()},  # type: ignore[arg-type] # each under its field
            tokens=spent.tokens if spent else 0,
            cost_usd=spent.cost_usd if spent else 0.0,
            ended=bool(self._ended),
            error=self._ended[0] if self._ended else None,
        )

    def is_done(self, index: int) -> bool:
        """Whether the Trial is none of those that the driver gave to this worker, or has its record."""
        return index not in self._open

    def pending_answer(self, index: int) -> AnswerKept | None:
        """Return the answer that a Trial had before."""
        return self._stored.pop(index, None)

    def record(self, index: int) -> bytes | None:
        """Return the record of a Trial that has asked already: once for each question that it came with."""
        records = self._records.get(index)
        return records.pop() if records else None

    def append_answer(self, index: int, record: bytes, telemetry: Telemetry) -> None:
        """Send an answer."""
        self._append(StreamedLine(index=index, record=record, telemetry=telemetry))

    def append_record(self, index: int, record: bytes, telemetry: Telemetry, *, is_answer: bool = False) -> None:
        """Send a finished record."""
        self._open.discard(index)
        status = read_record(record, RecordStatus).status
        self._append(StreamedLine(index=index, record=record, telemetry=telemetry, status=status, is_answer=is_answer))

    def _append(self, line: StreamedLine) -> None:
        self.handed_in += 1
        self.add("lines", line)

    def flush(self) -> None:
        """Nothing waits here that the next report does not say."""

    def sync(self) -> None:
        """The driver keeps what it was sent."""


class _FedEngine(Engine):
    """An engine whose questions come one by one."""

    def __init__(self, setup: WorkerSetup, outbox: Outbox) -> None:
        work = setup.work
        self._outbox = outbox
        self._feeds = {name: _Feed() for name in work.models}
        self._places = _Places(outbox)
        self._writing = _WrittenByDriver(outbox)
        outbox.budget = setup.options.budget
        progress = ProgressCounter(None, total=work.plan.total, resumed=0, clock=time.monotonic)
        self._answers = None if setup.store is None else DriversAnswers(setup.store, outbox.add)
        options = msgspec.structs.replace(setup.options, answers=self._answers, turns=self._answers)
        throttles = {**work.throttles, **{name: _DriversLimits(name, self._places) for name in setup.shared}}
        super().__init__(msgspec.structs.replace(work, throttles=throttles), outbox, progress, options, self._writing)

    def questions_for(self, model: str) -> "_Feed":
        return self._feeds[model]

    def stop(self, error: InsideLLMsError | None = None) -> None:
        super().stop(error)
        for feed in self._feeds.values():
            feed.close()

    def take(self, order: Order) -> None:
        """Do as told."""
        self._writing.note(order.written)
        self._places.grant(order.granted)
        if self._answers is not None:
            self._answers.take(order.found)
        for assignment in order.assignments:
            self._outbox.expect(assignment)
            self._feeds[assignment.model].put(self._question(assignment))
        if order.stop:
            self.stop()

    def _question(self, assignment: Assignment) -> ModelQuestion:
        asker = self._trial(assignment.asker, assignment)
        return ModelQuestion(
            trials=tuple(asker if one == asker.index else self._trial(one, assignment) for one in assignment.trials),
            asker=asker,
            request=request_or_error(self._work, asker),
            place=assignment.place,
            earlier=assignment.earlier,
        )

    def _trial(self, index: int, assignment: Assignment) -> Trial:
        plan = self._work.plan
        return plan.trial(plan.group_at(index), index, assignment.example, assignment.digest)


class _Feed:
    """The questions of one model as they come, shared by all its workers of the engine."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[ModelQuestion | None] = asyncio.Queue()

    def put(self, question: ModelQuestion) -> None:
        self._queue.put_nowait(question)

    def close(self) -> None:
        self._queue.put_nowait(None)

    def __aiter__(self) -> "_Feed":
        return self

    async def __anext__(self) -> ModelQuestion:
        question = await self._queue.get()
        if question is None:
            self.close()  # for the next one who waits
            raise StopAsyncIteration
        return question


class _WrittenByDriver(Flusher):
    """Waits until the driver has on disk what was handed in."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self._outbox = outbox
        self._pending: list[tuple[int, asyncio.Future[None]]] = []

    async def written(self) -> None:
        wanted = self._outbox.handed_in
        if wanted > self._outbox.written:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._pending.append((wanted, future))
            await future

    def note(self, written: int) -> None:
        """Take it that so many lines are on disk."""
        self._outbox.written = max(written, self._outbox.written)
        pending, self._pending = self._pending, []
        for wanted, future in pending:
            if wanted > self._outbox.written:
                self._pending.append((wanted, future))
            elif not future.done():
                future.set_result(None)


class _Places:
    """The calls that wait for the driver to grant them a place."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self._tickets = itertools.count()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._held: dict[str, list[int]] = {}

    async def wait(self, model: str) -> None:
        """Wait for a place among the calls of a model's account."""
        ticket = next(self._tickets)
        granted = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        self.outbox.add("waiting", Waiting(ticket=ticket, model=model))
        try:
            await granted
        except asyncio.CancelledError:
            self.outbox.add("given_up", ticket)
            raise
        finally:
            del self._waiting[ticket]
        self._held.setdefault(model, []).append(ticket)

    def give_back(self, model: str) -> int:
        """Return the ticket of a place that is free again; those of one model are all alike."""
        return self._held[model].pop()

    def grant(self, tickets: Iterable[int]) -> None:
        """Let calls begin."""
        for ticket in tickets:
            waiting = self._waiting.get(ticket)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)


class _DriversLimits:
    """The limits of a model's account, which the driver keeps for all workers."""

    def __init__(self, model: str, places: _Places) -> None:
        self._model = model
        self._places = places

    def try_enter(self) -> bool:
        """Only the driver knows whether there is a place."""
        return False

    async def enter(self) -> None:
        await self._places.wait(self._model)

    def leave(self, *, began: float, rejected: bool, tokens: int = 0, blocked_s: float | None = None) -> None:
        ticket, lasted_s = self._places.give_back(self._model), time.monotonic() - began
        left = Left(ticket=ticket, lasted_s=lasted_s, rejected=rejected, tokens=tokens, blocked_s=blocked_s)
        self._places.outbox.add("left", left)
