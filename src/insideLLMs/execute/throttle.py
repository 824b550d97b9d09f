"""How fast one provider account may be asked: calls in flight, requests and tokens per minute, learnt limits.

The number in flight adapts as TCP's window does (additive increase, multiplicative decrease): halved when calls
are turned down for the rate, then crept up. A stray 429 among many answers changes nothing but its own Trial,
which waits; only a share of them says that there are too many calls.
"""

import asyncio
import logging
import time
from collections import deque
from typing import Protocol

logger = logging.getLogger(__name__)
REJECTED_SHARE = 0.1
"""Of the latest calls; above it, there are too many in flight."""
_MEMORY = 1 / 32
_CREEP = 4.0
"""The window grows by this over its own size for each answer: by one call for a quarter of a window of answers."""
_BURST_S = 6.0


class CallLimits(Protocol):
    """Where a call waits for its place, and says what came of it."""

    def try_enter(self) -> bool: ...
    async def enter(self) -> None: ...
    def leave(self, *, began: float, rejected: bool, tokens: int = 0, blocked_s: float | None = None) -> None: ...


class Throttle:
    """The limits of one account, shared by all models that use it. Belongs to one event loop.

    `most` bounds the calls in flight; `limit` is what is allowed of it at present.
    """

    def __init__(
        self, most: int, *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        self.most = most
        self.limit = float(most)
        self.in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._gap_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._next_request = 0.0
        self._tokens_paid = 0.0
        self._blocked_until = 0.0
        self._rejected_share = 0.0
        self._changed_at = 0.0

    def try_enter(self) -> bool:
        """Take a place if that needs no waiting."""
        if self.in_flight >= int(self.limit) or self._waiters or self._gap_s or self._not_before() > time.monotonic():
            return False
        self.in_flight += 1
        return True

    async def enter(self) -> None:
        """Wait for a place, and then for the time at which it may be used. First come, first served."""
        if self.in_flight >= int(self.limit) or self._waiters:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._give_back()
                raise
        else:
            self.in_flight += 1
        try:
            await self._wait_for_time()
        except asyncio.CancelledError:
            self._give_back()
            raise

    def leave(self, *, began: float, rejected: bool, tokens: int = 0, blocked_s: float | None = None) -> None:
        """Give the place back. `began` is when the call started (monotonic), `rejected` whether it was a 429."""
        now = time.monotonic()
        if self._token_s and tokens:
            self._tokens_paid = max(now, self._tokens_paid) + tokens * self._token_s
        if blocked_s:
            self._blocked_until = max(self._blocked_until, now + blocked_s)
        if began >= self._changed_at:  # what was sent under an earlier limit says nothing about this one
            self._learn(now, rejected=rejected)
        self._give_back()

    def _learn(self, now: float, *, rejected: bool) -> None:
        self._rejected_share += _MEMORY * (rejected - self._rejected_share)
        if rejected and self._rejected_share > REJECTED_SHARE:
            self.limit = max(1.0, self.limit / 2)
            self._rejected_share = 0.0
            self._changed_at = now
            logger.info("calls are rejected for their rate (429); at most %d in flight from now on", int(self.limit))
        elif not rejected and self.limit < self.most:
            self.limit = min(float(self.most), self.limit + _CREEP / self.limit)

    def _give_back(self) -> None:
        self.in_flight -= 1
        while self._waiters and self.in_flight < int(self.limit):
            place = self._waiters.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    def _not_before(self) -> float:
        return max(self._blocked_until, self._tokens_paid - _BURST_S)

    async def _wait_for_time(self) -> None:
        if self._gap_s:
            now = time.monotonic()
            slot = max(now, self._next_request)
            self._next_request = slot + self._gap_s
            if slot > now:
                await asyncio.sleep(slot - now)
        while (wait_s := self._not_before() - time.monotonic()) > 0:  # noqa: ASYNC110 - it may be put off while waiting
            await asyncio.sleep(wait_s)
