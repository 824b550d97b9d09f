"""A run on workers elsewhere: the records of one machine, whatever is lost, and nothing asked twice needlessly."""

import asyncio
import logging

import pytest

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.errors import AuthError, BudgetSpentError, InterruptedRunError, WorkersLostError
from insideLLMs.core.experiment import PromptSpec
from insideLLMs.core.types import Usage
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.progress import ProgressCounter
from insideLLMs.execute.remote.dispatcher import Dispatcher
from insideLLMs.execute.remote.messages import LogLine
from insideLLMs.execute.work import EngineOptions
from insideLLMs.store.journal import Journal
from insideLLMs.store.journal_line import JournalHeader
from support.engine import ScriptedModel, run_engine, work_of
from support.remote_workers import FakeCluster, dispatch

INPUTS = [f"question {number % 7}" for number in range(20)]
SETTINGS = {"repeats": 2, "concurrency": 3, "max_attempts": 1}


def lines_of(sink):
    return [line for _, line, _ in sink.entries()]


def models():
    return {"a": ScriptedModel(lambda text, _: f"a says {text}"), "b": ScriptedModel(lambda text, _: "yes")}


def calls_of(asked):
    return sum(len(model.calls) for model in asked.values())


@pytest.fixture(scope="module")
def on_one_machine():
    asked = models()
    _, sink = run_engine(asked, INPUTS, **SETTINGS)
    return lines_of(sink), calls_of(asked)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_workers_give_the_records_of_one_machine_for_the_same_calls(on_one_machine, size):
    asked, sink = models(), MemorySink()
    dispatch(FakeCluster(work_of(asked, INPUTS, **SETTINGS), size=size), sink)
    assert (lines_of(sink), calls_of(asked)) == on_one_machine


def test_a_crew_for_each_model_gives_the_same(on_one_machine):
    asked, sink = models(), MemorySink()
    dispatch(FakeCluster(work_of(asked, INPUTS, **SETTINGS), crews=[("a",), ("b",)]), sink)
    assert (lines_of(sink), calls_of(asked)) == on_one_machine


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("lost_at", range(12))
def test_a_worker_lost_at_any_message_costs_no_more_than_its_calls_in_flight(
    on_one_machine, tmp_path, lost_at, arrives
):
    lines, calls = on_one_machine
    asked = models()
    work = work_of(asked, INPUTS, **SETTINGS)
    losses = [{"lost_at": lost_at, "arrives": arrives}, {"lost_at": lost_at + 3, "arrives": arrives}]
    journal = Journal(tmp_path / "journal", JournalHeader(run_id="r", trials=work.plan.total))
    journal.create()
    dispatch(FakeCluster(work, losses=losses), journal)
    assert [entry.record for entry in journal.entries()] == lines
    journal.close()
    assert calls <= calls_of(asked) <= calls + len(losses) * SETTINGS["concurrency"] * len(asked)


def test_progress_counts_each_trial_once_though_workers_are_lost():
    seen, sink = [], MemorySink()
    cluster = FakeCluster(
        work_of(models(), INPUTS, **SETTINGS), losses=[{"lost_at": 4}, {"lost_at": 5}, {"lost_at": 3}]
    )
    dispatch(cluster, sink, callback=lambda info: seen.append(info.current))
    assert seen == list(range(1, cluster.work.plan.total + 1))


def test_a_failed_answer_is_shared_as_on_one_machine():
    script = lambda text, _: ValueError("no") if text == "question 3" else "yes"  # noqa: E731
    _, alone = run_engine({"m": ScriptedModel(script)}, INPUTS, **SETTINGS)
    sink = MemorySink()
    dispatch(FakeCluster(work_of({"m": ScriptedModel(script)}, INPUTS, **SETTINGS)), sink)
    assert lines_of(sink) == lines_of(alone)


def test_prompts_are_filled_by_the_workers():
    prompts = (PromptSpec(id="p", template="Say {{ input }}"), PromptSpec(id="q", template="{{ input }}!"))
    _, alone = run_engine(models(), INPUTS, prompts=prompts, **SETTINGS)
    sink = MemorySink()
    dispatch(FakeCluster(work_of(models(), INPUTS, prompts=prompts, **SETTINGS)), sink)
    assert lines_of(sink) == lines_of(alone)


def test_workers_that_never_finish_a_trial_end_the_run():
    cluster = FakeCluster(work_of(models(), INPUTS, **SETTINGS), losses=[{"lost_at": 1}] * 100)
    with pytest.raises(WorkersLostError, match="7 workers in a row were lost"):
        dispatch(cluster, MemorySink())
    assert cluster.hired < 12


def test_what_a_worker_lacks_ends_the_run_and_says_where():
    def lacking():
        raise AuthError("the environment variable KEY is not set", fix="export KEY=...")

    with pytest.raises(AuthError, match="on worker worker 1: the environment variable KEY is not set") as raised:
        dispatch(FakeCluster(work_of(models(), INPUTS), size=1, prepare=lacking), MemorySink())
    assert raised.value.fix == "export KEY=..."
    assert raised.value.fatal


def test_a_bug_on_a_worker_is_reported_with_its_traceback():
    def broken():
        raise KeyError("bug")

    with pytest.raises(ExceptionGroup) as raised:
        dispatch(FakeCluster(work_of(models(), INPUTS), size=1, prepare=broken), MemorySink())
    assert "KeyError: 'bug'" in str(raised.value.exceptions[0].exceptions[0].exceptions[0])


def test_a_fatal_error_of_one_worker_stops_all():
    model = ScriptedModel(lambda text, _: AuthError("refused") if text == "question 5" else "yes")
    with pytest.raises(AuthError, match="refused"):
        dispatch(FakeCluster(work_of({"m": model}, [f"question {n}" for n in range(200)], concurrency=1)), MemorySink())
    assert len(model.calls) < 200


def test_the_first_signal_ends_a_run_after_the_calls_in_flight():
    sink, model = MemorySink(), ScriptedModel(lambda *_: asyncio.sleep(0.01, "yes"))
    cluster = FakeCluster(work_of({"m": model}, [f"question {n}" for n in range(300)], concurrency=2))

    async def interrupted():
        def note(info):
            if info.current == 10:
                dispatcher.stop(InterruptedRunError("interrupted"))

        progress = ProgressCounter(note, total=300, resumed=0, clock=lambda: 0.0)
        dispatcher = Dispatcher(cluster.work, sink, progress, EngineOptions(), cluster.open)
        await dispatcher.run()

    with pytest.raises(InterruptedRunError):
        asyncio.run(interrupted())
    assert len(model.calls) == len(list(sink.entries())) < 30


def test_the_budget_is_that_of_all_workers_together():
    class Counting(ScriptedModel):
        async def respond(self, request, *, repeat=0):
            response = await super().respond(request, repeat=repeat)
            return type(response)(text=response.text, usage=Usage(input_tokens=5, output_tokens=5))

    model = Counting(lambda *_: asyncio.sleep(0.005, "yes"))
    work = work_of({"m": model}, [f"question {n}" for n in range(300)], concurrency=2, max_tokens=200)
    with pytest.raises(BudgetSpentError):
        dispatch(FakeCluster(work), MemorySink(), options=EngineOptions(budget=Budget(work.execution, {})))
    assert 20 <= len(model.calls) <= 20 + 2 * 2 * 2


def test_calls_in_flight_of_an_account_are_limited_over_all_workers():
    flying, most = 0, 0

    async def call():
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.002)
        flying -= 1
        return "yes"

    model = ScriptedModel(lambda *_: call())
    sink = MemorySink()
    work = work_of({"m": model}, [f"question {n}" for n in range(60)], concurrency=3)
    dispatch(FakeCluster(work, size=4, shared={"m"}, losses=[{"lost_at": 6}, {}, {"lost_at": 9}]), sink)
    assert len(lines_of(sink)) == 60
    assert most <= 3 + 2 * 3  # those of the lost workers go on here, as nothing ends them


def test_without_losses_no_more_calls_are_in_flight_than_one_machine_would_have():
    flying, most = 0, 0

    async def call():
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.001)
        flying -= 1
        return "yes"

    work = work_of({"m": ScriptedModel(lambda *_: call())}, [f"question {n}" for n in range(60)], concurrency=3)
    dispatch(FakeCluster(work, size=4, shared={"m"}), MemorySink())
    assert most == 3


def test_log_lines_of_workers_are_those_of_the_driver(caplog):
    dispatcher = Dispatcher(work_of(models(), INPUTS), MemorySink(), None, EngineOptions(), None)
    line = LogLine(name="insideLLMs.execute.engine", level=logging.WARNING, message="slow", extra={"model": "m"})
    dispatcher._log(line)
    dispatcher._log(line)
    assert [(record.message, record.model) for record in caplog.records] == [("slow", "m")]
