"""How fast an account is asked: the window halves in a storm, creeps up after it, and nobody is forgotten."""

import asyncio
import time

import pytest

from insideLLMs.execute.throttle import Throttle


def answer(throttle, *, rejected, count=1):
    for _ in range(count):
        assert throttle.try_enter()
        throttle.leave(began=time.monotonic(), rejected=rejected)


def test_a_stray_rejection_changes_nothing():
    throttle = Throttle(64)
    for _ in range(20):
        answer(throttle, rejected=True)
        answer(throttle, rejected=False, count=60)
    assert throttle.limit == 64


def test_a_storm_halves_the_window_down_to_one_call():
    throttle = Throttle(64)
    answer(throttle, rejected=True, count=4)
    assert throttle.limit == 32
    answer(throttle, rejected=True, count=100)
    assert throttle.limit == 1


def test_calls_sent_under_the_earlier_limit_do_not_halve_it_again():
    throttle = Throttle(64)
    began = time.monotonic()
    for _ in range(64):
        assert throttle.try_enter()
    for _ in range(64):
        throttle.leave(began=began, rejected=True)
    assert throttle.limit == 32


def test_the_window_creeps_up_again_by_one_call_for_a_quarter_of_a_window():
    throttle = Throttle(64)
    throttle.limit = 16.0
    answer(throttle, rejected=False, count=4)
    assert throttle.limit == pytest.approx(17, abs=0.1)
    answer(throttle, rejected=False, count=2000)
    assert throttle.limit == 64


def test_waiting_calls_go_in_the_order_in_which_they_came():
    async def main():
        throttle = Throttle(1)
        order = []

        async def call(number):
            if not throttle.try_enter():
                await throttle.enter()
            order.append(number)
            await asyncio.sleep(0)
            throttle.leave(began=time.monotonic(), rejected=False)

        await asyncio.gather(*(call(number) for number in range(10)))
        assert throttle.in_flight == 0
        return order

    assert asyncio.run(main()) == list(range(10))


def test_a_call_that_is_cancelled_while_it_waits_gives_its_place_on():
    async def main():
        throttle = Throttle(1)
        assert throttle.try_enter()
        waiting = [asyncio.create_task(throttle.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        throttle.leave(began=time.monotonic(), rejected=False)  # hands the place to the first
        waiting[0].cancel()
        waiting[1].cancel()
        await asyncio.wait_for(waiting[2], 1)
        assert throttle.in_flight == 1

    asyncio.run(main())


def slots_of(throttle, calls, **left):
    async def main():
        started = time.monotonic()
        times = []
        for _ in range(calls):
            if not throttle.try_enter():
                await throttle.enter()
            times.append(time.monotonic() - started)
            throttle.leave(began=time.monotonic(), rejected=False, **left)
        return times

    return asyncio.run(main())


def test_requests_per_minute_are_spaced():
    times = slots_of(Throttle(8, requests_per_minute=6000), 11)
    assert times[-1] >= 0.1


def test_tokens_per_minute_hold_back_once_a_burst_is_spent():
    times = slots_of(Throttle(8, tokens_per_minute=60_000), 2, tokens=6_100)
    assert times[1] >= 0.1
    assert len(times) == 2


def test_a_used_up_limit_blocks_until_the_provider_says_it_is_free():
    assert slots_of(Throttle(8), 2, blocked_s=0.2)[1] >= 0.2
