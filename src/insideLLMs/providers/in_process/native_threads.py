"""Threads for native calls that block: a few, waiting for work, which never keep the process alive."""

import atexit
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Protocol, TypeVar
from weakref import WeakSet

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.user_code import calling_user_code

T = TypeVar("T")
PATIENCE_S = 5.0
"""How long the end of the process waits for native code to notice that it is to stop."""


class Stop(Protocol):
    """What work looks at from time to time: once set, nobody waits for its result any more."""

    def is_set(self) -> bool: ...


class _Job:
    def __init__(self, work: Callable[[Stop], object], future: "Future[object]", what: str) -> None:
        self.work = work
        self.what = what
        self.future = future
        self.closing = False

    def is_set(self) -> bool:
        return self.closing or self.future.cancelled()

    def run(self) -> None:
        if self.is_set():
            return
        # the waiter may give up while the work is being done; then nobody wants the outcome
        with contextlib.suppress(InvalidStateError):
            try:
                with calling_user_code(self.what):
                    result = self.work(self)
            except InsideLLMsError as error:
                self.future.set_exception(error)
            else:
                self.future.set_result(result)


class NativeThreads:
    """`count` daemon threads that work through what is submitted, first come, first served.

    The work calls code that is not ours; `name` says whose, should it raise something unheard of.
    """

    def __init__(self, count: int, *, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._name = name
        self._live: set[_Job] = set()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()
        _open.add(self)

    def submit(self, work: Callable[[Stop], T]) -> "Future[T]":
        """Queue `work`; cancelling the future tells it to stop."""
        future: Future[T] = Future()
        job = _Job(work, future, self._name)  # type: ignore[arg-type]  # the queue holds jobs of all result types
        self._live.add(job)
        self._jobs.put(job)
        return future

    def close(self) -> None:
        """Tell everything to stop, and wait a little for it."""
        for job in list(self._live):
            job.closing = True
            job.future.cancel()
        self.dismiss()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def dismiss(self) -> None:
        """Let each thread go when it has done what is queued, without waiting for it."""
        for _ in self._threads:
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            self._live.discard(job)


_open: WeakSet[NativeThreads] = WeakSet()


@atexit.register
def close_all() -> None:
    """Stop all work before the interpreter goes: a native call that comes back after that would crash the process."""
    for threads in list(_open):
        threads.close()
