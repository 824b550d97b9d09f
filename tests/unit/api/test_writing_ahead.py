"""What is written while a run goes on: only while the disk is quick and has room, and never at the run's cost."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from insideLLMs.api import run as api_run
from insideLLMs.execute.engine import SLOW_FLUSH_S


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
        time.sleep(self.takes_s)
        return self.writes <= self.room

    def close(self) -> None:
        self.closed = True

    def finish(self, notes):
        self.finished = True
        return "manifest", "summary"


def run_with(monkeypatch, *sealers, until=lambda: False):
    """Run until the first sealer satisfies `until` (or the writing ends by itself), then seal."""
    made = iter(sealers)
    monkeypatch.setattr(api_run, "_sealing", lambda: SimpleNamespace(Sealer=lambda *_: next(made)))

    async def run():
        ahead = api_run._Ahead(None, None)
        async with ahead.while_running():
            others = asyncio.all_tasks() - {asyncio.current_task()}
            while not until() and not all(task.done() for task in others):  # noqa: ASYNC110 - a watcher
                await asyncio.sleep(0.001)
        return ahead.seal({})

    return asyncio.run(run())


def test_the_sealer_that_wrote_ahead_writes_the_rest(monkeypatch):
    sealer = Sealer()
    assert run_with(monkeypatch, sealer, until=lambda: sealer.writes >= 5) == ("manifest", "summary")
    assert sealer.finished


def test_a_slow_disk_is_written_to_once_and_holds_up_the_loop_no_more(monkeypatch):
    sealer = Sealer(takes_s=SLOW_FLUSH_S * 1.5)
    run_with(monkeypatch, sealer)
    assert sealer.writes == 1
    assert sealer.finished


def test_without_room_all_is_left_to_another_sealer(monkeypatch):
    first, second = Sealer(room=2), Sealer()
    run_with(monkeypatch, first, second)
    assert (first.writes, first.closed, first.finished) == (3, True, False)
    assert (second.writes, second.finished) == (0, True)


def test_a_bug_of_the_writing_is_raised_and_nothing_is_sealed(monkeypatch):
    sealer = Sealer(error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run_with(monkeypatch, sealer)
    assert not sealer.finished
