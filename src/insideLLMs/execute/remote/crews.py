"""Who does the work, as the driver sees it: crews, their members, and the questions that each has."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import msgspec

from insideLLMs.execute.asked_models import Flights
from insideLLMs.execute.questions import ModelQuestion
from insideLLMs.execute.remote.answers import LookupDesk
from insideLLMs.execute.remote.backlog import Backlog
from insideLLMs.execute.remote.messages import StoreTerms
from insideLLMs.execute.sink import Sink
from insideLLMs.execute.throttle import Throttle
from insideLLMs.execute.work import AnswerStore, Work


class WorkerLost(Exception):  # noqa: N818 - it is no error of the run: another worker goes on
    """A worker does not answer any more."""


class Link(Protocol):
    """The way to one worker, which is at `place`. All but `dismiss` raise WorkerLost."""

    place: str

    async def tell(self, order: bytes) -> None: ...
    async def hear(self) -> bytes: ...
    def dismiss(self) -> None: ...


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """Workers of one kind: the models that they ask, how many there are at most, and how one is hired."""

    models: tuple[str, ...]
    size: int
    hire: Callable[[], Awaitable[Link]]


OpenCrews = Callable[[StoreTerms | None], AbstractAsyncContextManager[Sequence[Crew]]]
"""Opens the crews of a run, whose store of answers is on the terms that are given."""


class CallPlace(NamedTuple):
    """A call's place among those of its account, or its wait for one."""

    throttle: Throttle
    granting: "asyncio.Task[None]"

    def give_back(self) -> None:
        """Leave without having learnt anything of the account."""
        if not self.granting.done():
            self.granting.cancel()
        elif not self.granting.cancelled():
            self.throttle.leave(began=-math.inf, rejected=False)


class Desk:
    """What a crew shares: its backlogs, and whether there is anything left to do."""

    def __init__(self, crew: Crew, work: Work, sink: Sink) -> None:
        self.crew = crew
        self.backlogs = {model: Backlog(work, model, sink) for model in crew.models}
        self.members: list[Member] = []
        self.closed = asyncio.Event()

    def close(self) -> None:
        """Let everybody end."""
        self.closed.set()
        self.wake_all()

    def close_if_finished(self) -> None:
        """Let everybody end once nothing is left."""
        if not self.closed.is_set() and all(backlog.is_finished for backlog in self.backlogs.values()):
            self.close()

    def wake_all(self) -> None:
        """Let every member see what there is to do."""
        for member in self.members:
            member.wake.set()


class Member:
    """A worker as the driver sees it: the questions it got, the places it holds, and how much of it is written."""

    def __init__(self, link: Link, desk: Desk, store: AnswerStore | None, flights: Flights) -> None:
        self.link = link
        self.desk = desk
        self.wake = asyncio.Event()
        self.wake.set()
        self.lookups = LookupDesk(store, flights, self.wake.set)
        self.counts = Counter[str]()
        self.granted: list[int] = []
        self.places: dict[int, CallPlace] = {}
        self.written = 0
        self.tokens = 0
        self.cost_usd = 0.0
        self._questions: dict[int, ModelQuestion] = {}
        self._open: dict[int, set[int]] = {}

    def add(self, question: ModelQuestion) -> None:
        """Take note of a question that is sent to it."""
        self.counts[question.asker.model] += 1
        numbers = self._open[question.asker.index] = {trial.index for trial in question.trials}
        self._questions.update(dict.fromkeys(numbers, question))

    def settle(self, indexes: Iterable[int]) -> None:
        """Take note of records that are written."""
        for index in indexes:
            question = self._questions.pop(index)
            model, asker = question.asker.model, question.asker.index
            backlog = self.desk.backlogs[model]
            self._open[asker].discard(index)
            if not self._open[asker]:
                del self._open[asker]
                self.counts[model] -= 1
                backlog.taken -= 1
            if backlog.settle(index):
                self.desk.wake_all()

    def give_all_back(self) -> None:
        """Give back its places and its turns, and its questions for others to ask."""
        self.lookups.close()
        for place in self.places.values():
            place.give_back()
        unfinished = {question.asker.index: question for question in self._questions.values()}
        for question in unfinished.values():
            self.desk.backlogs[question.asker.model].give_back(question)
        self._questions.clear()
