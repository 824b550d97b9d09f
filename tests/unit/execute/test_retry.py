"""How long a failed call waits for its next attempt."""

import asyncio
import random

import pytest

from insideLLMs.core.errors import BadAnswerError, ConnectionFailedError, ModelTimeoutError, RateLimitError, ServerError
from insideLLMs.core.types import Request, Response
from insideLLMs.execute.retry import BASE_WAIT_S, MAX_WAIT_S, Attempts, RetryBudget, RetryPolicy
from insideLLMs.execute.throttle import Throttle


class Highest(random.Random):
    """Draws the most that it may."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Draws the least that it may."""

    def uniform(self, a: float, b: float) -> float:
        return a


POLICY = RetryPolicy(
    max_attempts=9, attempt_timeout_s=None, budget=RetryBudget(9), throttle=Throttle(1), jitter=Highest()
)


@pytest.mark.parametrize("error", [ServerError("x"), ConnectionFailedError("x"), RateLimitError("x")])
def test_waits_grow_to_a_limit_however_long_the_call_took(error) -> None:
    assert [POLICY.wait_s(error, attempt, spent_s=60.0) for attempt in (1, 2, 3)] == [
        BASE_WAIT_S,
        2 * BASE_WAIT_S,
        4 * BASE_WAIT_S,
    ]
    assert POLICY.wait_s(error, 60) == MAX_WAIT_S


def test_the_time_that_a_call_timed_out_for_counts_as_waited() -> None:
    assert POLICY.wait_s(ModelTimeoutError("x"), 2, spent_s=0.25) == 2 * BASE_WAIT_S - 0.25
    assert POLICY.wait_s(ModelTimeoutError("x"), 1, spent_s=60.0) == 0.0


def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    assert POLICY.wait_s(RateLimitError("x", retry_after_s=3.0), 1, spent_s=60.0) == 3.0 + BASE_WAIT_S * 0.1


class Garbled:
    """Answers with the same bytes that are no answer, or with others each time."""

    def __init__(self, *, same: bool) -> None:
        self.calls = 0
        self._same = same

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        self.calls += 1
        error = BadAnswerError("not JSON")
        error.answer_digest = "same" if self._same else str(self.calls)
        raise error


@pytest.mark.parametrize(("same", "calls"), [(True, 2), (False, 4)])
def test_the_same_bytes_are_not_paid_for_a_third_time(same: bool, calls: int) -> None:
    model = Garbled(same=same)
    policy = RetryPolicy(
        max_attempts=4, attempt_timeout_s=None, budget=RetryBudget(9), throttle=Throttle(1), jitter=Lowest()
    )
    with pytest.raises(BadAnswerError):
        asyncio.run(policy.call(model, Request.of("x"), 0, Attempts()))
    assert model.calls == calls
