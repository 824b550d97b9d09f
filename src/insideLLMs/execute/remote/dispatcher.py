"""The driver's side of a run that workers elsewhere ask: it hands out questions and writes what comes of them.

One journal, one sealing: nothing is merged. A worker that is lost costs the calls that it had in flight; what it was
to ask goes to another, together with the answers that are on disk.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from insideLLMs.core.errors import InsideLLMsError, WorkersLostError
from insideLLMs.core.types import ResultStatus
from insideLLMs.execute.asked_models import Flights, make_throttles
from insideLLMs.execute.engine import first_error
from insideLLMs.execute.progress import ProgressCounter
from insideLLMs.execute.questions import ModelQuestion, find_stored
from insideLLMs.execute.remote.crews import CallPlace, Crew, Desk, Link, Member, OpenCrews, WorkerLost
from insideLLMs.execute.remote.messages import (
    AnswerKept,
    Assignment,
    LogLine,
    Order,
    Report,
    StoreTerms,
    StreamedLine,
    decode_report,
    encode,
)
from insideLLMs.execute.sink import Flusher, Sink
from insideLLMs.execute.throttle import Throttle
from insideLLMs.execute.work import EngineOptions, Work

logger = logging.getLogger(__name__)
_SLOTS_LOST = 2
_MORE_LOST = 3
"""A run stops once its workers were lost twice each, and three times more, while not one Trial was finished."""
T = TypeVar("T")


class Dispatcher:
    """Runs a Work once, on the workers of its crews. `stop` and cancelling it do what they do to an Engine."""

    def __init__(
        self, work: Work, sink: Sink, progress: ProgressCounter, options: EngineOptions, open_crews: OpenCrews
    ) -> None:
        self._work = work
        self._sink = sink
        self._progress = progress
        self._budget = options.budget
        self._is_resumed = options.is_resumed
        self._open_crews = open_crews
        self._answers = options.answers
        self._flights = Flights()
        self._flusher = Flusher(sink)
        self._throttles = make_throttles(work.asked, work.execution)
        self._missing = Counter[str]()
        self._lost = 0
        self._warned: set[str] = set()
        self._desks: list[Desk] = []
        self._error: InsideLLMsError | None = None
        self.stopping = False

    def stop(self, error: InsideLLMsError | None = None) -> None:
        """Hand out nothing more; `error` is raised once the calls in flight have ended."""
        self.stopping = True
        self._error = self._error or error
        for desk in self._desks:
            desk.close()

    async def run(self) -> None:
        """Run what the sink does not have yet. Raises the error that stopped the run, if one did."""
        plan = self._work.plan
        done = self._sink.is_done
        self._missing.update(plan.subject_at(index).model for index in range(plan.total) if not done(index))
        if not self._missing:
            return
        try:
            terms = None if self._answers is None else StoreTerms.of(self._answers)
            async with self._flusher.writing(), self._open_crews(terms) as crews:
                await self._serve_all(crews)
        except* InsideLLMsError as caught:
            raise first_error(caught) from None
        if self._error is not None:
            raise self._error
        if self._missing.total() and not self.stopping:
            raise RuntimeError(f"{self._missing.total()} trials have no record; the run can be resumed")

    async def _serve_all(self, crews: Sequence[Crew]) -> None:
        self._desks = [Desk(crew, self._work, self._sink) for crew in crews]
        async with asyncio.TaskGroup() as serving:
            for desk in self._desks:
                if self.stopping or not any(self._missing[model] for model in desk.crew.models):
                    desk.close()
                for _ in range(desk.crew.size):
                    serving.create_task(self._serve(desk))

    async def _serve(self, desk: Desk) -> None:
        """Keep one worker of a crew at work, and hire another where it is lost."""
        while not desk.closed.is_set():
            lost_after = self._missing.total()
            try:
                link = await _unless(desk.closed, desk.crew.hire())
                if link is not None:
                    await self._converse(desk, link)
            except* WorkerLost as lost:
                self._note_loss(_first_loss(lost), lost_after)

    def _note_loss(self, lost: BaseException, missing_before: int) -> None:
        if self.stopping:
            return
        logger.warning("a worker was lost, and its unfinished trials are asked again: %s", lost)
        self._lost = self._lost + 1 if missing_before == self._missing.total() else 0
        if self._lost >= _MORE_LOST + _SLOTS_LOST * sum(desk.crew.size for desk in self._desks):
            self.stop(
                WorkersLostError(
                    f"{self._lost} workers in a row were lost before any of their trials was finished: {lost}",
                    fix="see that they have the memory and the packages that the models need, then resume",
                )
            )

    async def _converse(self, desk: Desk, link: Link) -> None:
        """Talk to a worker until it has ended. Raises WorkerLost."""
        member = Member(link, desk, self._answers, self._flights)
        desk.members.append(member)
        try:
            async with asyncio.TaskGroup() as talk:
                telling = talk.create_task(self._tell(member))
                await self._listen(member, talk)
                telling.cancel()
        finally:
            desk.members.remove(member)
            link.dismiss()
            member.give_all_back()
            desk.wake_all()

    async def _tell(self, member: Member) -> None:
        """Send orders whenever there is something to order."""
        while True:
            await member.wake.wait()
            member.wake.clear()
            assignments = () if self.stopping else tuple(self._assign(one) for one in self._take_for(member))
            member.desk.close_if_finished()
            granted, member.granted = tuple(member.granted), []
            order = Order(
                assignments=assignments,
                written=member.written,
                granted=granted,
                found=member.lookups.take_found(),
                stop=member.desk.closed.is_set(),
            )
            await member.link.tell(encode(order))

    def _take_for(self, member: Member) -> Iterable[ModelQuestion]:
        """Fill a worker up: twice what it asks at a time, but no more than its share of what is left."""
        for model, backlog in member.desk.backlogs.items():
            share = -(-self._missing[model] // member.desk.crew.size)
            wanted = min(2 * self._work.execution.concurrency, max(1, share))
            for question in backlog.take(max(0, wanted - member.counts[model])):
                member.add(question)
                yield question

    def _assign(self, question: ModelQuestion) -> Assignment:
        asker, sink = question.asker, self._sink
        known = question.earlier if question.is_asked_earlier else asker.index
        record = sink.record(known) if sink.is_done(known) else None
        stored = None if record else find_stored(sink, question, is_resumed=self._is_resumed)
        return Assignment(
            model=asker.model,
            example=asker.example,
            digest=asker.example_digest,
            trials=tuple(trial.index for trial in question.trials),
            asker=asker.index,
            place=question.place,
            earlier=question.earlier,
            record=record,
            stored=None if stored is None else AnswerKept.of(stored),
        )

    async def _listen(self, member: Member, talk: asyncio.TaskGroup) -> None:
        """Take reports until the last one."""
        while True:
            report = decode_report(await member.link.hear())
            for line in report.logs:
                self._log(line)
            member.lookups.serve(report, talk)
            await self._write(member, report.lines)
            self._keep_limits(member, report, talk)
            self._count_spent(member, report)
            if report.ended:
                if report.error is not None:
                    error = report.error.error(member.link.place)
                    if not isinstance(error, InsideLLMsError):
                        raise error
                    self.stop(error)
                elif not member.desk.closed.is_set():
                    raise WorkerLost(f"{member.link.place} ended on its own")
                return
            if report.lines:
                member.wake.set()

    async def _write(self, member: Member, lines: Sequence[StreamedLine]) -> None:
        """Write the lines of a report, and only then count them as written."""
        for line in lines:
            if line.status is None:
                self._sink.append_answer(line.index, line.record, line.telemetry)
            else:
                self._sink.append_record(line.index, line.record, line.telemetry, is_answer=line.is_answer)
                subject = self._work.plan.subject_at(line.index)
                self._missing[subject.model] -= 1
                probe = self._work.plan.group_at(line.index).probe
                self._progress.finished(ResultStatus(line.status), subject=subject, probe=probe)
        if lines:
            await self._flusher.written()
            member.written += len(lines)
            member.settle(line.index for line in lines if line.status is not None)

    def _keep_limits(self, member: Member, report: Report, talk: asyncio.TaskGroup) -> None:
        """Give back the places of calls that ended, and let others wait for theirs."""
        now = time.monotonic()
        for left in report.left:
            member.places.pop(left.ticket).throttle.leave(
                began=now - left.lasted_s, rejected=left.rejected, tokens=left.tokens, blocked_s=left.blocked_s
            )
        for waiting in report.waiting:
            throttle = self._throttles[waiting.model]
            granting = talk.create_task(self._grant(member, waiting.ticket, throttle))
            member.places[waiting.ticket] = CallPlace(throttle, granting)
        for ticket in report.given_up:
            member.places.pop(ticket).give_back()

    async def _grant(self, member: Member, ticket: int, throttle: Throttle) -> None:
        await throttle.enter()
        member.granted.append(ticket)
        member.wake.set()

    def _count_spent(self, member: Member, report: Report) -> None:
        budget = self._budget
        if budget is None:
            return
        budget.tokens += report.tokens - member.tokens
        budget.cost_usd += report.cost_usd - member.cost_usd
        member.tokens, member.cost_usd = report.tokens, report.cost_usd
        reached = budget.reached()
        if reached is not None and not self.stopping:
            self.stop(reached)

    def _log(self, line: LogLine) -> None:
        """Log what a worker logged; a warning that another one gave already is not repeated."""
        if line.level >= logging.WARNING:
            if line.message in self._warned:
                return
            self._warned.add(line.message)
        facts = {**line.extra, "name": line.name, "levelno": line.level, "levelname": logging.getLevelName(line.level)}
        named = logging.getLogger(line.name)
        if named.isEnabledFor(line.level):
            named.handle(logging.makeLogRecord({**facts, "msg": line.message}))


async def _unless(event: asyncio.Event, awaitable: Awaitable[T]) -> T | None:
    """Await something; None where the event comes first."""
    task = asyncio.ensure_future(awaitable)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        waiting.cancel()


def _first_loss(group: BaseExceptionGroup[WorkerLost]) -> BaseException:
    """Return the first loss of a group, however deep."""
    lost: BaseException = group
    while isinstance(lost, BaseExceptionGroup):
        lost = lost.exceptions[0]
    return lost
