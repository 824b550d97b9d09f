"""Other people's code, on threads where it blocks: what hangs is abandoned, never waited for.

A thread whose caller gave up is no longer counted: it starves nobody, and being a daemon it does not keep
the process alive. `concurrent.futures` offers neither. A coroutine that swallows its cancellation is left behind
in a task that the loop forgets.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.user_code import is_meant_for_us

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_ABANDONED = 1000
"""So many hung calls end the run: each keeps a thread's stack until the process ends."""


GRACE_S = 0.5
"""So long a cancelled coroutine may clean up."""
_ENDS_MORE = (StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit)
"""What ends a task, or the process, and not this call; on a thread none of them comes from outside."""
_abandoned_tasks: "set[asyncio.Future[Any]]" = set()
"""Held, since Python reports a pending task that nobody holds."""


async def in_own_task(awaitable: Awaitable[T]) -> T:
    """Await other people's `awaitable`. Cancelled, give it GRACE_S to end, then leave it behind.

    Raises what it raises; a CancelledError of its own too, which leaves this task's `cancelling()` at 0.
    """
    task = asyncio.ensure_future(_contained(awaitable))
    try:
        await _end_of(task)
    except asyncio.CancelledError:
        task.cancel()
        try:
            await asyncio.wait([task], timeout=GRACE_S)
        finally:  # a second cancellation ends the wait
            _let_go(task)
        raise
    return await task


async def _contained(awaitable: Awaitable[T]) -> T:
    """Await it in a task that it cannot end together with the loop, or with the process."""
    try:
        return await awaitable
    except (KeyboardInterrupt, SystemExit, GeneratorExit) as error:
        if is_meant_for_us(error):
            raise
        raise _of_the_call(error) from error


def _of_the_call(error: BaseException) -> RuntimeError:
    return RuntimeError(f"the call raised {type(error).__name__}")


def _end_of(task: "asyncio.Future[Any]") -> "asyncio.Future[None]":
    """Return what is done when the task is, and can be cancelled alone; `asyncio.wait` costs 10 us more."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(_: object) -> None:
        if not ended.done():
            ended.set_result(None)

    task.add_done_callback(note)
    return ended


def _let_go(task: "asyncio.Future[Any]") -> None:
    """Leave a cancelled task to its fate: neither its outcome nor its end matters to anybody."""
    if task.done():
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it
        return
    logger.warning("a coroutine goes on although it was cancelled; it is left behind")
    _abandoned_tasks.add(task)
    task.add_done_callback(_forget)
    if isinstance(task, asyncio.Task):
        asyncio._unregister_task(task)  # the end of the loop would wait for it; documented for task life times


def _forget(task: "asyncio.Future[Any]") -> None:
    _abandoned_tasks.discard(task)
    _let_go(task)


class _Job:
    """One call: `settle` hands its result to the loop unless the caller has given up."""

    def __init__(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.call = call
        self.loop = loop
        self.future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
        self.abandoned = False
        self.finished = False

    def run(self) -> None:
        try:
            result, error = self.call(), None
        except BaseException as caught:  # noqa: BLE001 - handed to the awaiting task, KeyboardInterrupt included
            result, error = None, caught
        try:
            self.loop.call_soon_threadsafe(self._settle, result, error)
        except RuntimeError:
            logger.debug("the event loop had closed before an abandoned call returned")

    def _settle(self, result: object, error: BaseException | None) -> None:
        if not self.future.done():
            self.future.set_result((result, error))


class AbandonableThreads:
    """Runs blocking calls on daemon threads, as many at once as there are callers."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self.abandoned = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` on a thread; when the awaiting task is cancelled, leave the thread to its fate."""
        if self.abandoned >= MAX_ABANDONED:
            raise InsideLLMsError(
                f"{self.abandoned} calls hang in their threads and did not return",
                fix="give your model or probe a timeout of its own, then resume the run",
            )
        job = _Job(call, asyncio.get_running_loop())
        with self._lock:
            starts_worker = self._idle == 0
            self._idle -= not starts_worker
        self._jobs.put(job)
        if starts_worker:
            threading.Thread(target=self._work, name="insidellms-user-code", daemon=True).start()
        try:
            result, error = await job.future
        except asyncio.CancelledError:
            with self._lock:
                if not job.finished:
                    job.abandoned = True
                    self.abandoned += 1
            raise
        if error is not None:
            if isinstance(error, _ENDS_MORE):
                raise _of_the_call(error) from error
            raise error
        value: T = result
        return value

    def close(self) -> None:
        """Let idle threads end; hung ones are left behind."""
        with self._lock:
            idle, self._idle = self._idle, 0
        for _ in range(idle):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            with self._lock:
                job.finished = True
                if job.abandoned:
                    self.abandoned -= 1
                    return
                self._idle += 1
