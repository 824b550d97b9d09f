"""How a run waits for batches: for how long, how often it looks, and what stops it."""

import asyncio
import contextlib
import time
from typing import Literal

import msgspec

from insideLLMs.core.errors import InsideLLMsError, InterruptedRunError


class BatchTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait, in seconds, and what then; times for tests to shorten.

    A batch that its provider does not list `settle_s` after it was sent is asked again. Looks are `first_wait_s` apart
    at first, and `most_wait_s` in the end.
    """

    max_wait_s: float = 24 * 3600.0
    then: Literal["stop", "live"] = "stop"
    settle_s: float = 120.0
    first_wait_s: float = 0.5
    most_wait_s: float = 60.0


class PatientWait:
    """Waits between looks, ever longer, until the time is over or a signal comes."""

    def __init__(self, terms: BatchTerms) -> None:
        self._terms = terms
        self.settle_s = terms.settle_s
        self.goes_on_live = terms.then == "live"
        self._until = time.monotonic() + terms.max_wait_s
        self._stopped = asyncio.Event()
        self._error: InterruptedRunError | None = None
        self.stopping = False
        self._wait_s = terms.first_wait_s

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._until

    def stop(self, error: InsideLLMsError | None = None) -> None:
        """Stop at the next wait; a call that is being made is made to its end."""
        self.stopping = True
        self._error = error if isinstance(error, InterruptedRunError) else None
        self._stopped.set()

    def begin(self) -> None:
        """Begin with short waits."""
        self._wait_s = self._terms.first_wait_s

    async def once(self, *, bounded: bool = True) -> None:
        """Wait, if `bounded` not beyond the end of all waiting. Raises the InterruptedRunError of a signal."""
        self.check()
        left = max(0.0, self._until - time.monotonic()) if bounded else self._wait_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._wait_s, left)):
                await self._stopped.wait()
        self.check()
        self._wait_s = min(self._wait_s * 1.5, self._terms.most_wait_s)

    def check(self) -> None:
        """Raise the InterruptedRunError of a signal, if one came."""
        if self.stopping:
            raise self._error or InterruptedRunError("interrupted")
