"""Ctrl-C and SIGTERM while a run goes on."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from insideLLMs.core.errors import ExitCode, InsideLLMsError, InterruptedRunError

logger = logging.getLogger(__name__)
LEAVE_S = 1.5
"""So long after the second signal the process ends, whatever hangs."""


class Stoppable(Protocol):
    """What lets what is in flight finish, then raises the error that it was stopped with; an Engine."""

    stopping: bool

    def stop(self, error: InsideLLMsError | None = None) -> None: ...


@contextlib.asynccontextmanager
async def obeying_signals(engine: Stoppable, flush: Callable[[], None]) -> AsyncIterator[None]:
    """Let the first signal stop `engine` after what is in flight, and the second one at once.

    After the second one the process ends within LEAVE_S; `flush` then writes what was answered. It needs the main
    thread. Raises InterruptedRunError.
    """
    signals = _Signals(engine, flush)
    watching, woken = os.pipe()
    os.set_blocking(woken, False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    former = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    threading.Thread(target=signals.watch, args=(watching,), daemon=True, name="insidellms-signals").start()
    try:
        yield
    except asyncio.CancelledError:
        if not signals.cancelled:
            raise
        signals.task.uncancel()
        raise InterruptedRunError("interrupted") from None
    finally:
        signals.active = False
        signal.set_wakeup_fd(former)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(woken)


class _Signals:
    """Hears of signals on a thread of its own, even while other people's code keeps the main thread."""

    def __init__(self, engine: Stoppable, flush: Callable[[], None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.active = True
        self.cancelled = False
        self._engine = engine
        self._flush = flush
        self._loop = asyncio.get_running_loop()
        self._count = 0

    def watch(self, descriptor: int) -> None:
        """Take one signal for each byte, until the other end is closed."""
        while os.read(descriptor, 1):
            self._receive()
        os.close(descriptor)

    def _receive(self) -> None:
        self._count += 1
        if self._count == 1 and not self._engine.stopping:
            self._loop.call_soon_threadsafe(self._stop)
            return
        self._loop.call_soon_threadsafe(self._cancel)
        leaving = threading.Timer(LEAVE_S, self._leave)
        leaving.daemon = True
        leaving.start()

    def _stop(self) -> None:
        logger.warning("stopping: waiting for the calls in flight; interrupt again to stop at once")
        self._engine.stop(InterruptedRunError("interrupted"))

    def _cancel(self) -> None:
        if self.active:
            self.cancelled = True
            self.task.cancel()

    def _leave(self) -> None:
        try:
            self._flush()
            logger.warning("interrupted while other code hangs; answers are kept, and the run can be resumed")
        except InsideLLMsError as error:
            logger.error("%s", error.message)  # noqa: TRY400 - the process ends; no traceback
        finally:
            os._exit(ExitCode.INTERRUPTED)
