"""Where Outcomes go, and when they are written: what is paid for is on disk before anything else happens to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from insideLLMs.core.types import Request, Response, Telemetry

SLOW_FLUSH_S = 0.02
SYNC_EVERY_S = 0.5
"""A power cut loses at most the answers of this time; a killed process loses nothing that was flushed."""


class StoredAnswer(Protocol):
    """An answer that an earlier process had but did not score."""

    @property
    def request(self) -> Request: ...
    @property
    def response(self) -> Response: ...
    @property
    def telemetry(self) -> Telemetry: ...


class Sink(Protocol):
    """Where Outcomes go, as canonical lines. `append_answer` is given a record that has no scores yet.

    Of a record that `is_answer`, too, no answer was appended before: other probes may score what the model said there.
    `append_*` must be quick. What a `durable` one flushed survives the process.
    """

    durable: bool

    def is_done(self, index: int) -> bool: ...
    def pending_answer(self, index: int) -> StoredAnswer | None: ...
    def record(self, index: int) -> bytes | None: ...
    def append_answer(self, index: int, record: bytes, telemetry: Telemetry) -> None: ...
    def append_record(self, index: int, record: bytes, telemetry: Telemetry, *, is_answer: bool = False) -> None: ...
    def flush(self) -> None: ...
    def sync(self) -> None: ...


class SinkBefore:
    """A sink in front of another: it passes on what a subclass does not do itself."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.durable = sink.durable

    def is_done(self, index: int) -> bool:
        return self._sink.is_done(index)

    def pending_answer(self, index: int) -> StoredAnswer | None:
        return self._sink.pending_answer(index)

    def record(self, index: int) -> bytes | None:
        return self._sink.record(index)

    def append_answer(self, index: int, record: bytes, telemetry: Telemetry) -> None:
        self._sink.append_answer(index, record, telemetry)

    def append_record(self, index: int, record: bytes, telemetry: Telemetry, *, is_answer: bool = False) -> None:
        self._sink.append_record(index, record, telemetry, is_answer=is_answer)

    def flush(self) -> None:
        self._sink.flush()

    def sync(self) -> None:
        self._sink.sync()


class Flusher:
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

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Flush and sync while the block runs. Raises what it raised, and StorageError, as an exception group."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._flush_on_demand()), group.create_task(self._sync_regularly())]
            yield
            for task in tasks:
                task.cancel()

    async def _flush_on_demand(self) -> None:
        """Flush whenever somebody waits, until cancelled. Raises StorageError."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            waiting, self._waiting = self._waiting, []
            await asyncio.to_thread(self._sink.flush)
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def _sync_regularly(self) -> None:
        """Sync every SYNC_EVERY_S, until cancelled. Raises StorageError."""
        while self._sink.durable:
            await asyncio.sleep(SYNC_EVERY_S)
            await asyncio.to_thread(self._sink.sync)
