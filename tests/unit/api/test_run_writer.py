"""The one writer of runs: what it writes ahead changes no byte, costs the run nothing, and is left nowhere."""

import asyncio
import itertools

import pytest

from insideLLMs.api.run import writing_ahead
from insideLLMs.api.run_writer import RunFacts, RunWriter
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.types import Telemetry
from insideLLMs.execute.sink import SLOW_FLUSH_S
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.held_folder import HeldFolder
from insideLLMs.store.integrity.verification import verify
from insideLLMs.store.sealed_run import State, state_of
from support import virtual_time
from support.stored_trials import RUN, header, record
from support.virtual_time import VirtualClock

FACTS = RunFacts(
    run_id=RUN,
    trials=3,
    experiment=Experiment(name="x", models=(), probes=(), datasets=()),
    models=(),
    probes=(),
    datasets=(),
)


def append(directory, index):
    directory.journal.append_record(index, record(index), Telemetry(attempts=1))


def write_run(path, *, indexes=range(3), **options):
    with (
        RunDirectory.open(path, header(), **options) as directory,
        RunWriter(FACTS, directory) as writer,
    ):
        for index in indexes:
            append(directory, index)
        writer.seal()
    return path


def files_of(path):
    return {each.name: each.read_bytes() for each in path.iterdir()}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_is_written_ahead_changes_no_byte(tmp_path, order):
    path = tmp_path / "run"
    with (
        RunDirectory.open(path, header()) as directory,
        RunWriter(FACTS, directory) as writer,
    ):
        for index in order:
            append(directory, index)
            assert writer.write_ahead(1)  # what is not flushed is not there yet
            directory.journal.flush()
            assert writer.write_ahead(2)
        writer.seal()
    assert files_of(path) == files_of(write_run(tmp_path / "reference"))


def test_nothing_is_written_ahead_where_an_answer_may_need_the_room(tmp_path, monkeypatch):
    path, room = tmp_path / "run", iter([10**12, 0])
    monkeypatch.setattr(HeldFolder, "free_bytes", lambda _: next(room))
    with (
        RunDirectory.open(path, header()) as directory,
        RunWriter(FACTS, directory) as writer,
    ):
        for index in range(3):
            append(directory, index)
        directory.journal.flush()
        assert writer.write_ahead(1)
        assert (path / "records.jsonl.tmp").exists()
        assert not writer.write_ahead(1)
        assert not list(path.glob("*.tmp"))
        writer.seal()
    assert files_of(path) == files_of(write_run(tmp_path / "reference"))


def test_a_run_that_ends_early_leaves_nothing_that_was_written_ahead(tmp_path):
    path = tmp_path / "run"
    with (
        RunDirectory.open(path, header()) as directory,
        RunWriter(FACTS, directory) as writer,
    ):
        append(directory, 0)
        directory.journal.flush()
        assert writer.write_ahead(5)
    assert state_of(path) is State.UNFINISHED
    assert not list(path.glob("*.tmp"))
    write_run(path, indexes=(1, 2), resume=True)
    assert verify(path).ok


CLOCK = VirtualClock()


class Disk:
    """A writer on a disk where each write takes `takes_s`, with room for `room` of them."""

    def __init__(self, takes_s=0.0, room=10**6):
        self.takes_s, self.room, self.writes = takes_s, room, 0

    def write_ahead(self, most):
        self.writes += 1
        CLOCK.now += self.takes_s
        return self.writes <= self.room


def write_for_a_second(disk):
    async def run():
        async with writing_ahead(disk):
            await asyncio.sleep(1.0)

    virtual_time.run(run(), CLOCK)


def test_a_quick_disk_is_written_to_as_long_as_the_run_goes_on():
    disk = Disk()
    write_for_a_second(disk)
    assert disk.writes > 90


def test_a_slow_disk_is_written_to_once_and_holds_up_the_loop_no_more():
    disk = Disk(takes_s=SLOW_FLUSH_S * 1.5)
    write_for_a_second(disk)
    assert disk.writes == 1


def test_a_disk_without_room_is_left_alone():
    disk = Disk(room=2)
    write_for_a_second(disk)
    assert disk.writes == 3


def test_a_bug_of_the_writing_is_raised():
    disk = Disk()
    disk.write_ahead = lambda most: 1 / 0
    with pytest.raises(ZeroDivisionError):
        write_for_a_second(disk)
