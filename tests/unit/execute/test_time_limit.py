"""Time limits that share one timer: each cancels its own block, and what cancels from outside is stronger."""

import asyncio

import pytest

from insideLLMs.execute.time_limit import TimeLimits
from support.virtual_time import VirtualClock, by


async def held(limits, until_s, lasts_s):
    """Return how a block of some length ends under a limit."""
    try:
        with limits.until(until_s) as limit:
            await asyncio.sleep(lasts_s)
    except TimeoutError:
        assert limit.is_expired
        return "over"
    return "ended"


def run(coroutine):
    return by(VirtualClock())(coroutine)


def test_each_block_ends_at_its_own_time():
    async def main():
        now, limits = asyncio.get_running_loop().time(), TimeLimits()
        cases = [(2.0, 1.0), (1.0, 2.0), (3.0, 5.0), (None, 9.0), (0.5, 0.4), (4.0, 4.5)]
        blocks = [held(limits, None if limit is None else now + limit, lasts) for limit, lasts in cases]
        return await asyncio.gather(*blocks), asyncio.get_running_loop().time() - now

    ends, took_s = run(main())
    assert ends == ["ended", "over", "over", "ended", "ended", "over"]
    assert took_s == pytest.approx(9.0)


def test_a_limit_that_was_over_before_the_block_began_ends_it_at_its_first_wait():
    async def main():
        return await held(TimeLimits(), asyncio.get_running_loop().time() - 1, 5.0)

    assert run(main()) == "over"


def test_a_block_that_was_cancelled_from_outside_is_no_time_out():
    async def main():
        now, limits = asyncio.get_running_loop().time(), TimeLimits()
        task = asyncio.create_task(held(limits, now + 1.0, 5.0))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert run(main())


def test_cancelled_from_outside_and_over_at_once_is_cancelled():
    async def main():
        loop, limits = asyncio.get_running_loop(), TimeLimits()
        task = asyncio.create_task(held(limits, loop.time() + 1.0, 5.0))
        await asyncio.sleep(0)
        loop.call_at(loop.time() + 1.0, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run(main())


def test_an_error_of_the_block_passes_also_when_its_time_is_over():
    async def main():
        with TimeLimits().until(asyncio.get_running_loop().time() + 1.0):
            try:
                await asyncio.sleep(5.0)
            except asyncio.CancelledError:
                raise KeyError("its own") from None

    with pytest.raises(KeyError):
        run(main())


def test_blocks_inside_each_other_keep_their_own_limits():
    async def main():
        now, limits = asyncio.get_running_loop().time(), TimeLimits()
        with limits.until(now + 4.0):
            inner = await held(limits, now + 1.0, 2.0)
            await asyncio.sleep(1.0)
        return inner

    assert run(main()) == "over"


def test_a_thousand_blocks_have_one_timer_and_none_is_left_behind(monkeypatch):
    set_timers = []

    async def main():
        loop, limits = asyncio.get_running_loop(), TimeLimits()
        call_at = loop.call_at
        until_s = loop.time() + 60.0

        def noted(when, function, *args, **options):
            handle = call_at(when, function, *args, **options)
            if function == limits._look:
                set_timers.append(handle)
            return handle

        monkeypatch.setattr(loop, "call_at", noted)
        await asyncio.gather(*(held(limits, until_s + number, 1.0) for number in range(1000)))

    run(main())
    assert len(set_timers) == 1
    assert set_timers[0].cancelled()
