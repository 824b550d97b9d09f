"""The run's store of answers, which lies with the driver: how a worker asks it, and how the driver answers.

Of equal requests, one is asked at a time among all workers, where the store finds again what it was given.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable

from insideLLMs.core.errors import ModelError
from insideLLMs.core.types import Exchange, Response
from insideLLMs.execute.asked_models import Flights
from insideLLMs.execute.remote.messages import FoundAnswer, Lookup, Report, SentError, StoreTerms
from insideLLMs.execute.work import AnswerStore

Add = Callable[[str, Lookup | Exchange | int], None]
"""Puts something under a field of the worker's next report."""


class DriversAnswers:
    """The store as a worker has it. It is also the worker's Flights: each request is looked up in its turn."""

    finds_again = True

    def __init__(self, terms: StoreTerms, add: Add) -> None:
        self.closed = terms.closed
        self.batch = terms.batch
        self.takes_user_code = terms.takes_user_code
        self._add = add
        self._tickets = itertools.count()
        self._waiting: dict[int, asyncio.Future[FoundAnswer]] = {}
        self._found: dict[str, Response | None] = {}

    @contextlib.asynccontextmanager
    async def alone(self, key: str, model_digest: str) -> AsyncIterator[None]:
        """Hold the request for the time of the block, and know its answer. Raises the ModelError that it came to."""
        ticket = next(self._tickets)
        waiting = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        self._add("lookups", Lookup(ticket=ticket, key=key, model_digest=model_digest))
        try:
            found = await waiting
            if found.error is not None:
                raise found.error.error()
            self._found[key] = found.response
            yield
        finally:
            del self._waiting[ticket]
            self._add("looked_up", ticket)

    def take(self, found: Iterable[FoundAnswer]) -> None:
        """Hand on what the driver has found."""
        for one in found:
            waiting = self._waiting.get(one.ticket)
            if waiting is not None and not waiting.done():
                waiting.set_result(one)

    def find(self, key: str, model_digest: str) -> Response | None:  # noqa: ARG002 - the driver has compared it
        """Return what the driver has found of a request whose turn it is."""
        return self._found.pop(key, None)

    def keep(self, exchange: Exchange) -> None:
        """Send an answer to the driver, which stores it."""
        self._add("exchanges", exchange)


class LookupDesk:
    """The store as the driver offers it to one worker: what was found, until it is sent."""

    def __init__(self, store: AnswerStore | None, flights: Flights, wake: Callable[[], None]) -> None:
        self._store = store
        self._flights = flights
        self._wake = wake
        self._open: dict[int, asyncio.Task[None]] = {}
        self._found: list[FoundAnswer] = []

    def serve(self, report: Report, talk: asyncio.TaskGroup) -> None:
        """Store what was answered, look requests up, and end the turns that are over. Raises what the store raises."""
        if self._store is None:
            return
        for exchange in report.exchanges:
            self._store.keep(exchange)
        for lookup in report.lookups:
            self._open[lookup.ticket] = talk.create_task(self._look_up(self._store, lookup))
        for ticket in report.looked_up:  # one of a call that was cancelled may have come in the same report
            self._open.pop(ticket).cancel()

    def take_found(self) -> tuple[FoundAnswer, ...]:
        """Return what was found since the last time."""
        found, self._found = tuple(self._found), []
        return found

    def close(self) -> None:
        """Let others look up what the worker has not."""
        for task in self._open.values():
            task.cancel()

    async def _look_up(self, store: AnswerStore, lookup: Lookup) -> None:
        """Look a request up in its turn, which lasts until this is cancelled."""
        turn = self._flights.alone(lookup.key, lookup.model_digest) if store.finds_again else contextlib.nullcontext()
        async with turn:
            self._found.append(_find(store, lookup))
            self._wake()
            await asyncio.Event().wait()


def _find(store: AnswerStore, lookup: Lookup) -> FoundAnswer:
    try:
        return FoundAnswer(ticket=lookup.ticket, response=store.find(lookup.key, lookup.model_digest))
    except ModelError as error:
        return FoundAnswer(ticket=lookup.ticket, error=SentError.of(error))
