"""The one retry policy: typed errors decide whether, full jitter and `Retry-After` decide when.

Full jitter: a wait drawn uniformly from zero to an exponentially growing cap (M. Brooker, "Exponential Backoff
And Jitter", AWS Architecture Blog, 2015).
"""

import asyncio
import datetime as dt
import functools
import logging
import random
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.core.errors import BadAnswerError, ModelError, ModelTimeoutError, RateLimitError
from insideLLMs.core.protocols import AsyncModel, CallFacts, current_call
from insideLLMs.core.types import Request, Response, Telemetry, Usage
from insideLLMs.execute.adapt import respond
from insideLLMs.execute.throttle import CallLimits
from insideLLMs.execute.time_limit import TimeLimits
from insideLLMs.plan import Trial

if TYPE_CHECKING:  # few processes have set OpenTelemetry up
    from insideLLMs.execute.tracing import CallTracer

logger = logging.getLogger(__name__)
BASE_WAIT_S = 0.5
MAX_WAIT_S = 30.0


class RetryBudget(msgspec.Struct):
    """How many retries a run may still spend, so that an outage cannot multiply its calls without end."""

    left: int

    def spend(self) -> bool:
        """Take one retry; False if none is left."""
        if self.left <= 0:
            return False
        self.left -= 1
        return True


class Deadline(msgspec.Struct):
    """When a Trial's time is up, by the loop's clock; its attempts keep to it, and no timer runs beside theirs."""

    until: float | None

    def when(self) -> float | None:
        """Return the time, None while it stands still."""
        return self.until

    def reschedule(self, when: float | None) -> None:
        """Put it off."""
        self.until = when

    def expired(self) -> bool:
        """Whether it has cut the Trial off: never, the attempt does."""
        return False


class TrialOverError(TimeoutError):
    """The Trial's time was up before the attempt's."""


class Attempts(msgspec.Struct):
    """What the attempts of one Trial took, in seconds of a monotonic clock.

    `count` is one, and one for each retry: a further call of the same Trial, such as an agent's next step, is none.
    `deadline` is the Trial's own, which stands still while the Trial waits for its turn: from when the first of its
    calls waits until none does.
    """

    count: int = 0
    answer_s: float | None = None
    retry_s: float = 0.0
    queued_s: float = 0.0
    cached: bool = False
    batched: bool = False
    usage: Usage | None = None
    facts: CallFacts = msgspec.field(default_factory=CallFacts)
    deadline: asyncio.Timeout | Deadline | None = None
    trial: Trial | None = None
    waiting: int = 0
    stopped: float = 0.0
    until: float | None = None

    @property
    def is_stored(self) -> bool:
        """Whether no call was made that could have a latency."""
        return self.batched or (self.cached and not self.count)

    def end(self, started: float, *, cut_off: bool) -> None:
        """Note an attempt that failed; one that was `cut_off` took that long, and would have taken longer."""
        seconds = time.monotonic() - started
        if cut_off:
            self.answer_s = seconds
        else:
            self.retry_s += seconds

    def would_miss(self, wait_s: float) -> bool:
        """Whether the Trial's deadline comes before a wait is over."""
        until = None if self.deadline is None else self.deadline.when()
        return until is not None and asyncio.get_running_loop().time() + wait_s >= until

    async def wait_for(self, turn: Awaitable[object]) -> None:
        """Wait for a place, or for a model to be ready; the time does not count against the Trial."""
        if not self.waiting:
            self.stop()
        self.waiting += 1
        try:
            await turn
        finally:
            self.waiting -= 1
            if not self.waiting:
                self.go_on()

    def stop(self) -> None:
        """Let the Trial's time stand still."""
        self.stopped = time.monotonic()
        self.until = None if self.deadline is None else self.deadline.when()
        if self.deadline is not None and self.until is not None:
            self.deadline.reschedule(None)

    def go_on(self) -> None:
        """Let the Trial's time go on."""
        waited = time.monotonic() - self.stopped
        self.queued_s += waited
        if self.deadline is not None and self.until is not None and not self.deadline.expired():
            self.deadline.reschedule(self.until + waited)


class TrialClock:
    """Collects the volatile facts of one Trial."""

    def __init__(self) -> None:
        self.attempts = Attempts()
        self._started_at = time.time()
        self._started = time.monotonic()

    def telemetry(self, usage: Usage | None = None, *, whole: bool = False) -> Telemetry:
        """Return the facts; `whole` takes the time since the start as the latency, for calls we cannot see into."""
        attempts = self.attempts
        seconds = time.monotonic() - self._started if whole else attempts.answer_s
        return Telemetry(
            started_at=_written(self._started_at),
            latency_ms=None if attempts.is_stored else _milliseconds(seconds),
            queued_ms=_milliseconds(attempts.queued_s),
            retry_ms=_milliseconds(attempts.retry_s),
            connect_ms=_milliseconds(attempts.facts.connect_s),
            first_byte_ms=_milliseconds(attempts.facts.first_byte_s),
            first_chunk_ms=_milliseconds(attempts.facts.first_chunk_s),
            attempts=attempts.count + attempts.batched,
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
            cached=attempts.cached,
            batched=attempts.batched,
        )


def _written(moment: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    second = int(moment)
    return f"{_second(second)}.{int((moment - second) * 1000):03}+00:00"


@functools.lru_cache(maxsize=8)
def _second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000_000) / 1000  # round(..., 3) takes four times as long


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often to try, how long one attempt may take, and from which budget retries are paid."""

    max_attempts: int
    attempt_timeout_s: float | None
    budget: RetryBudget
    throttle: CallLimits
    tracer: "CallTracer | None" = None
    jitter: random.Random = msgspec.field(default_factory=random.Random)
    limits: TimeLimits = msgspec.field(default_factory=TimeLimits)

    def wait_s(self, error: ModelError, attempt: int, *, spent_s: float = 0.0) -> float:
        """Return how long to wait after failed attempt number `attempt`, counted from 1, which took `spent_s`.

        A time-out has let the provider rest for as long as it took.
        """
        cap = min(MAX_WAIT_S, BASE_WAIT_S * 2 ** (attempt - 1))
        drawn = self.jitter.uniform(0, cap)
        if error.retry_after_s is not None:
            return error.retry_after_s + drawn * 0.1
        return max(0.0, drawn - spent_s) if isinstance(error, ModelTimeoutError) else drawn

    async def call(self, model: AsyncModel, request: Request, repeat: int, attempts: Attempts) -> Response:
        """Ask until an answer comes, the error is final, or attempts or budget run out; then raise ModelError."""
        tried, seen = 0, set[str | None]()
        while True:
            if not self.throttle.try_enter():
                await attempts.wait_for(self.throttle.enter())
            tried += 1
            attempts.count += tried > 1 or not attempts.count
            started = time.monotonic()
            try:
                response = await self._watched(model, request, repeat, attempts)
            except ModelError as error:
                bytes_sent = error.answer_digest if isinstance(error, BadAnswerError) else None
                is_known = bytes_sent is not None and bytes_sent in seen
                seen.add(bytes_sent)
                wait_s = None if is_known else self._wait_before_next(error, tried, attempts, started)
                if wait_s is None:
                    attempts.end(started, cut_off=isinstance(error, ModelTimeoutError))
                    raise
                _log_retry(error, tried, wait_s, attempts)
            except (asyncio.CancelledError, TrialOverError):  # the Trial's time is up
                attempts.end(started, cut_off=True)
                raise
            else:
                attempts.answer_s = time.monotonic() - started
                return response
            try:
                await asyncio.sleep(wait_s)
            finally:
                attempts.end(started, cut_off=False)

    def _wait_before_next(self, error: ModelError, tried: int, attempts: Attempts, started: float) -> float | None:
        """Return how long to wait before the next attempt; None if there is to be none."""
        if not error.retryable or tried >= self.max_attempts or not self.budget.spend():
            return None
        wait_s = self.wait_s(error, tried, spent_s=time.monotonic() - started)
        # the provider may take it again only once the Trial's time is up
        return None if attempts.would_miss(wait_s) else wait_s

    async def _watched(self, model: AsyncModel, request: Request, repeat: int, attempts: Attempts) -> Response:
        """Make one attempt from a place in the throttle, and tell the throttle what came of it."""
        attempts.facts = CallFacts(limit_s=self.attempt_timeout_s)
        mark = current_call.set(attempts.facts)
        began, began_ns = time.monotonic(), time.time_ns()
        rejected, tokens = False, 0
        try:
            response = await self._attempt(model, request, repeat, attempts.deadline)
            tokens = _tokens(response.usage)
            if self.tracer is not None:
                self.tracer.record(began_ns, response, attempt=attempts.count)
        except ModelError as error:
            rejected = isinstance(error, RateLimitError)
            if self.tracer is not None:
                self.tracer.record(began_ns, error, attempt=attempts.count)
            raise
        finally:
            current_call.reset(mark)
            self.throttle.leave(began=began, rejected=rejected, tokens=tokens, blocked_s=attempts.facts.blocked_s)
        return response

    async def _attempt(
        self, model: AsyncModel, request: Request, repeat: int, deadline: asyncio.Timeout | Deadline | None
    ) -> Response:
        """Call the model within the time of an attempt, or what the Trial has left of its own."""
        now = asyncio.get_running_loop().time()
        until = None if self.attempt_timeout_s is None else now + self.attempt_timeout_s
        over = deadline.until if isinstance(deadline, Deadline) else None
        is_last = over is not None and (until is None or over < until)
        try:
            with self.limits.until(over if is_last else until) as limit:
                return await respond(model, request, repeat)
        except TimeoutError as error:
            if not limit.is_expired:
                raise
            if is_last:
                raise TrialOverError from error
            raise ModelTimeoutError(f"no answer within {self.attempt_timeout_s:g} s") from error


def _log_retry(error: ModelError, tried: int, wait_s: float, attempts: Attempts) -> None:
    kind = type(error).__name__
    status = f" {error.http_status}" if error.http_status else ""
    trial = attempts.trial
    logger.info(
        "%s: attempt %d failed (%s%s); the next one in %.1f s",
        trial.name if trial else "a call", tried, kind, status, wait_s,
        extra={
            **({} if trial is None else {"model": trial.model, "probe": trial.probe, "example_id": trial.example.id}),
            "attempt": tried,
            "wait_s": round(wait_s, 3),
            "error_type": kind,
            "http_status": error.http_status,
        },
    )  # fmt: skip


def _tokens(usage: Usage | None) -> int:
    return 0 if usage is None else (usage.input_tokens or 0) + (usage.output_tokens or 0)
