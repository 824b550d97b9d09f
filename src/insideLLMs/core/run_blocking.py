"""The sync door: wait for a coroutine, whether or not the caller's thread runs an event loop already."""

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")
_POLL_S = 0.2


def run_blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; where a loop is already running, on a thread of its own."""
    return _run_aside(work) if is_in_loop() else _run(work)


def is_in_loop() -> bool:
    """Whether the caller's thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a new event loop; KeyboardInterrupt and SystemExit end it without a report of lost tasks.

    One that a task raises leaves the loop at once. The main task meets it only while the loop shuts down, where
    asyncio would log it as never retrieved.
    """
    raised: list[BaseException] = []

    async def main() -> list[T]:
        try:
            return [await work]
        except (KeyboardInterrupt, SystemExit) as error:
            raised.append(error)
            return []

    result = asyncio.run(main())
    if raised:
        raise raised[0]
    return result[0]


def _run_aside(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on another thread; interrupting or cancelling the caller cancels it and lets it clean up first."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()
    outcome: Future[T] = Future()

    async def supervised() -> T:
        started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work

    def run() -> None:
        try:
            outcome.set_result(_run(supervised()))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread as it is
            outcome.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), daemon=True, name="insidellms-run").start()
    try:
        _wait_unless_cancelled(outcome)
    except (KeyboardInterrupt, asyncio.CancelledError):
        loop, task = started.result()
        if not outcome.done() and task is not None:
            loop.call_soon_threadsafe(task.cancel)
            wait([outcome])
        raise
    return outcome.result()


def _wait_unless_cancelled(outcome: Future[Any]) -> None:
    """Wait for `outcome`. Raises CancelledError when the calling task is cancelled, as Ctrl-C under asyncio.run does.

    The caller's loop is blocked meanwhile, so its cancellation can only be seen by looking.
    """
    caller = asyncio.current_task()
    before = caller.cancelling() if caller else 0
    while not wait([outcome], timeout=_POLL_S).done:
        if caller and caller.cancelling() > before:
            raise asyncio.CancelledError


class LoopThread:
    """An event loop on a thread of its own, for what lives longer than the loops of its callers."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="insidellms-loop")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end; interrupting the caller cancels it and lets it clean up first."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end there, for a caller with a loop; cancelling the caller cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close_after(self, work: Coroutine[Any, Any, Any]) -> None:
        """End the loop and its thread once `work` has ended, and do not wait for that."""

        async def last() -> None:
            try:
                await work
            finally:
                self._loop.stop()

        asyncio.run_coroutine_threadsafe(last(), self._loop)

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()
