"""What is written while a run goes on: only while the disk is quick and has room, and never at the run's cost."""

import asyncio

import pytest

from insideLLMs.api.run import WriteAhead
from insideLLMs.execute.engine import SLOW_FLUSH_S
from support import virtual_time
from support.virtual_time import VirtualClock

CLOCK = VirtualClock()


class Sealer:
    """Counts what it is asked for; each write takes `takes_s`, and the disk has room for `room` of them."""

    def __init__(self, takes_s: float = 0.0, room: int = 10**6, error: Exception | None = None) -> None:
        self.takes_s, self.room, self.error = takes_s, room, error
        self.writes, self.closed, self.finished = 0, False, False

    def write_ahead(self, most: int) -> bool:
        assert most > 0
        self.writes += 1
        if self.error is not None:
            raise self.error
        CLOCK.now += self.takes_s
        return self.writes <= self.room

    def close(self) -> None:
        self.closed = True

    def finish(self, notes):
        self.finished = True
        return "manifest", "summary"


def run_with(*sealers, for_s=1.0):
    """Run for some seconds of the clock, then seal."""
    ahead = WriteAhead(iter(sealers).__next__)

    async def run():
        async with ahead.while_running():
            await asyncio.sleep(for_s)
        return ahead.seal({})

    return virtual_time.run(run(), CLOCK)


def test_the_sealer_that_wrote_ahead_writes_the_rest():
    sealer = Sealer()
    assert run_with(sealer) == ("manifest", "summary")
    assert sealer.writes > 5
    assert sealer.finished


def test_a_slow_disk_is_written_to_once_and_holds_up_the_loop_no_more():
    sealer = Sealer(takes_s=SLOW_FLUSH_S * 1.5)
    run_with(sealer)
    assert sealer.writes == 1
    assert sealer.finished


def test_without_room_all_is_left_to_another_sealer():
    first, second = Sealer(room=2), Sealer()
    run_with(first, second)
    assert (first.writes, first.closed, first.finished) == (3, True, False)
    assert (second.writes, second.finished) == (0, True)


def test_a_bug_of_the_writing_is_raised_and_nothing_is_sealed():
    sealer = Sealer(error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run_with(sealer)
    assert not sealer.finished
