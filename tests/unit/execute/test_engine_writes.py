"""How the engine writes answers and records: on the loop or on a thread, and synced in time."""

import asyncio
import threading

import pytest

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.execute.sink import SLOW_FLUSH_S
from support.engine import ScriptedModel, run_engine
from support.virtual_time import VirtualClock, by


class Disk(MemorySink):
    """A sink whose flush takes `flush_s` of the clock; notes when a record came and when all was synced."""

    durable = True

    def __init__(self, clock, flush_s=0.0):
        super().__init__()
        self.clock, self.flush_s = clock, flush_s
        self.flushed_on_loop, self.came, self.synced = [], [], []

    def append_record(self, index, record, telemetry):
        super().append_record(index, record, telemetry)
        self.came.append(self.clock.now)

    def flush(self):
        self.flushed_on_loop.append(threading.current_thread() is threading.main_thread())
        self.clock.now += self.flush_s

    def sync(self):
        self.synced.append(self.clock.now)


async def answer_after(seconds):
    await asyncio.sleep(seconds)
    return "yes"


def run_on(disk, count, **options):
    model = ScriptedModel(lambda *_: answer_after(0.09))
    run_engine(model, [str(i) for i in range(count)], sink=disk, run=by(disk.clock), **options)


def test_one_slow_write_holds_up_the_loop_and_the_next_ones_go_to_a_thread():
    disk = Disk(VirtualClock(), flush_s=SLOW_FLUSH_S * 2)
    run_on(disk, 12, concurrency=4)
    assert disk.flushed_on_loop[0]
    assert len(disk.flushed_on_loop) > 1
    assert not any(disk.flushed_on_loop[1:])


def test_quick_writes_stay_on_the_loop():
    disk = Disk(VirtualClock())
    run_on(disk, 12, concurrency=4)
    assert disk.flushed_on_loop == [True] * 12


@pytest.mark.parametrize("flush_s", [0.0, SLOW_FLUSH_S * 2])
def test_a_power_cut_loses_at_most_half_a_second_of_answers(flush_s):
    disk = Disk(VirtualClock(), flush_s)
    run_on(disk, 60, concurrency=1)
    ends_at = max(disk.came)
    assert ends_at > 5
    for came in disk.came:
        assert any(came <= synced <= came + 0.5 + flush_s for synced in [*disk.synced, ends_at])
