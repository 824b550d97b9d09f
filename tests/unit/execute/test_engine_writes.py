"""How the engine writes answers and records: on the loop or on a thread, and synced in time."""

import asyncio
import threading

import pytest

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.protocols import Probe
from insideLLMs.core.types import Scores
from insideLLMs.execute.sink import SLOW_FLUSH_S
from support.engine import ScriptedModel, YesProbe, run_engine
from support.virtual_time import VirtualClock, by


class Disk(MemorySink):
    """A sink whose flush takes `flush_s` of the clock; notes when a record came and when all was synced."""

    durable = True

    def __init__(self, clock, flush_s=0.0):
        super().__init__()
        self.clock, self.flush_s = clock, flush_s
        self.flushed_on_loop, self.came, self.synced = [], [], []

    def append_record(self, index, record, telemetry, **marks):
        super().append_record(index, record, telemetry, **marks)
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


class Lines(MemorySink):
    """Notes in order what is appended, and what is on disk when a scorer is asked."""

    durable = True

    def __init__(self):
        super().__init__()
        self.appended, self.on_disk = [], []

    def append_answer(self, index, record, telemetry):
        self.appended.append(("answer", index))

    def append_record(self, index, record, telemetry, *, is_answer=False):
        super().append_record(index, record, telemetry, is_answer=is_answer)
        self.appended.append(("record", index, "answer") if is_answer else ("record", index))

    def flush(self):
        self.on_disk = list(self.appended)


class Noting(YesProbe):
    """A scorer that says what was on disk when it was asked."""

    def __init__(self, sink, *, in_place, fails=False):
        super().__init__()
        self.sink, self.fails = sink, fails
        self.scores_in_place = in_place
        self.found = []

    def score(self, example, response):
        self.found.append(list(self.sink.on_disk))
        if self.fails:
            raise KeyError("oops")
        return super().score(example, response)


def scored(*, in_place, fails=False, answer="yes"):
    sink = Lines()
    probe = Noting(sink, in_place=in_place, fails=fails)
    run_engine(ScriptedModel(lambda *_: answer), ["a"], sink=sink, probe=probe)
    return sink, probe


def test_an_answer_that_is_scored_at_once_is_written_once_with_its_scores():
    sink, _ = scored(in_place=True)
    assert sink.appended == sink.on_disk == [("record", 0, "answer")]


@pytest.mark.parametrize("case", [{"in_place": False}, {"in_place": True, "answer": "yes" * 22_000}])
def test_a_scorer_that_may_take_long_gets_no_answer_that_is_not_on_disk(case):
    sink, probe = scored(**case)
    assert probe.found == [[("answer", 0)]]
    assert sink.appended == [("answer", 0), ("record", 0)]


@pytest.mark.parametrize("in_place", [True, False])
def test_a_scorer_that_fails_leaves_the_answer_for_a_resume(in_place):
    sink, _ = scored(in_place=in_place, fails=True)
    assert sink.appended == [("answer", 0), ("record", 0)]
    assert ("answer", 0) in sink.on_disk


def test_scores_that_cannot_be_stored_leave_the_answer_for_a_resume():
    class Odd(YesProbe):
        def score(self, example, response):
            return Scores(values={"correct": 1.0}, details={"number": 2**60})

    sink = Lines()
    run_engine(ScriptedModel(lambda *_: "yes"), ["a"], sink=sink, probe=Odd())
    assert [line[:2] for line in sink.appended] == [("answer", 0), ("record", 0)]


def test_the_next_question_is_asked_when_the_answer_is_on_disk():
    sink, found = Lines(), []
    model = ScriptedModel(lambda text, _: found.append((text, list(sink.on_disk))) or "yes")
    run_engine(model, ["a", "b", "c"], sink=sink, concurrency=1)
    first, second = ("record", 0, "answer"), ("record", 1, "answer")
    assert found == [("a", []), ("b", [first]), ("c", [first, second])]


@pytest.mark.parametrize(
    ("in_place", "appended"),
    [
        ((True, True), [("record", 0, "answer"), ("record", 1)]),
        ((True, False), [("record", 0, "answer"), ("record", 1)]),
        ((False, True), [("answer", 0), ("record", 1), ("record", 0)]),
        ((False, False), [("answer", 0), ("record", 0), ("record", 1)]),
    ],
)
def test_whichever_probe_of_a_shared_answer_waits_the_trial_that_asked_keeps_it_first(in_place, appended):
    sink = Lines()
    probes = {name: Noting(sink, in_place=one) for name, one in zip("ab", in_place, strict=True)}
    run_engine(ScriptedModel(lambda *_: "yes"), ["x"], sink=sink, probe=probes)
    assert sorted(sink.appended) == sorted(appended)
    assert sink.appended[0] == appended[0]
    kept = {("answer", 0), ("record", 0, "answer")}
    for name, one in zip("ab", in_place, strict=True):
        assert one or all(kept & set(found) for found in probes[name].found)


def test_what_a_probe_of_the_simple_contract_returns_is_no_answer_of_the_model():
    class Own(Probe):
        def run(self, model, data, **options):
            return "its own words"

    sink = Lines()
    run_engine(ScriptedModel(lambda *_: "yes"), ["x"], sink=sink, probe=Own())
    assert sink.appended == [("record", 0)]
