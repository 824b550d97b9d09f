"""Time limits of many calls at once, which share one timer: one for each costs as much as all retrying does."""

import asyncio
import math
from types import TracebackType


class TimeLimits:
    """The limits of the calls that are being made. They belong to one event loop."""

    def __init__(self) -> None:
        self._open: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf

    def until(self, when: float | None) -> "TimeLimit":
        """Return what cancels the block that it is used around at a time of the loop's clock; None is never."""
        return TimeLimit(self, math.inf if when is None else when)

    def add(self, limit: "TimeLimit") -> None:
        """Watch a limit."""
        self._open.add(limit)
        if limit.when < self._looks_at:
            self._look_at(limit.when)

    def remove(self, limit: "TimeLimit") -> None:
        """Watch it no more."""
        self._open.discard(limit)
        if not self._open:
            self._look_at(math.inf)

    def _look_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = when
        self._timer = None if when == math.inf else asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        """Cancel what is over, and look again when the next one is; most of those that set the timer have ended."""
        now = asyncio.get_running_loop().time()
        for limit in [one for one in self._open if one.when <= now]:
            self._open.remove(limit)
            limit.expire()
        self._look_at(min((limit.when for limit in self._open), default=math.inf))


class TimeLimit:
    """Cancels the task that is in its block once the time is up, and raises TimeoutError at the end of the block."""

    __slots__ = ("_cancelling", "_limits", "_task", "is_expired", "when")

    def __init__(self, limits: TimeLimits, when: float) -> None:
        self.when = when
        self.is_expired = False
        self._limits = limits

    def __enter__(self) -> "TimeLimit":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._limits.add(self)
        return self

    def expire(self) -> None:
        """End the block."""
        self.is_expired = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._limits.remove(self)
        # a cancellation from elsewhere, too, is stronger than the time limit
        if self.is_expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
