"""How long a failed call waits for its next attempt."""

import random

import pytest

from insideLLMs.core.errors import ConnectionFailedError, ModelTimeoutError, RateLimitError, ServerError
from insideLLMs.execute.retry import BASE_WAIT_S, MAX_WAIT_S, RetryBudget, RetryPolicy
from insideLLMs.execute.throttle import Throttle


class Highest(random.Random):
    """Draws the most that it may."""

    def uniform(self, a: float, b: float) -> float:
        return b


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
