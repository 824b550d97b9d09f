"""How the engine treats trials: status, order, limits, timeouts, progress."""

import asyncio
import itertools
import subprocess
import sys
import threading

import pytest

from insideLLMs.core.errors import (
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.protocols import Model
from insideLLMs.core.types import ResultStatus
from support import virtual_time
from support.engine import ScriptedModel, run_engine
from support.virtual_time import HeldClock, by


def test_a_mix_of_successes_and_errors_is_recorded_as_what_each_came_to():
    script = {"right": "yes", "wrong": "no", "broken": RequestRefusedError("400: bad prompt")}
    records, _ = run_engine(ScriptedModel(lambda text, _: script[text]), ["right", "broken", "wrong"])
    assert [record.status for record in records] == ["success", "error", "success"]
    assert [record.scores and record.scores.passed for record in records] == [True, None, False]
    assert records[1].failure.message == "400: bad prompt"
    assert records[1].failure.type == "RequestRefusedError"


@pytest.mark.parametrize("concurrency", [1, 7, 64, 1000])
def test_progress_counts_are_exact_and_monotonic(concurrency):
    seen = []
    run_engine(
        ScriptedModel(lambda *_: "yes"),
        [str(i) for i in range(200)],
        callback=lambda current, total: seen.append((current, total)),
        concurrency=concurrency,
    )
    assert seen == [(i, 200) for i in range(1, 201)]


@pytest.mark.parametrize("concurrency", [1, 50])
def test_progress_counts_are_exact_from_threads_too(concurrency):
    class Blocking(Model):
        def generate(self, prompt, **kwargs):
            return "yes"

    seen = []
    run_engine(Blocking("b"), [str(i) for i in range(100)], callback=seen.append, concurrency=concurrency)
    assert [info.current for info in seen] == list(range(1, 101))
    assert seen[-1].failed == 0
    assert seen[-1].percentage == 100


def test_a_callback_that_raises_does_not_break_the_run(caplog):
    def callback(info):
        raise ValueError("mine")

    records, _ = run_engine(ScriptedModel(lambda *_: "yes"), ["a", "b"], callback=callback)
    assert len(records) == 2
    assert caplog.text.count("progress callback raised an error; the run continues") == 1


def test_results_do_not_depend_on_the_order_of_finishing():
    async def slow_first(text):
        await asyncio.sleep(0.05 if text == "0" else 0)
        return "yes"

    model, numbers = ScriptedModel(lambda text, _: slow_first(text)), [str(i) for i in range(20)]
    _, slow = run_engine(model, numbers, concurrency=20, run=virtual_time.run)
    _, fast = run_engine(ScriptedModel(lambda *_: "yes"), [str(i) for i in range(20)], concurrency=1)
    assert [line for _, line, _ in slow.entries()] == [line for _, line, _ in fast.entries()]


def test_never_more_than_concurrency_calls_are_in_flight():
    now, most = 0, 0

    async def call():
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return "yes"

    run_engine(ScriptedModel(lambda *_: call()), [str(i) for i in range(60)], concurrency=7, run=virtual_time.run)
    assert most == 7


def test_transient_failures_are_retried_and_final_ones_are_not():
    def script(text, attempt):
        if text == "flaky" and attempt < 3:
            return ServerError("503", retry_after_s=0.0) if attempt == 1 else RateLimitError("429", retry_after_s=0.0)
        return RequestRefusedError("400") if text == "refused" else "yes"

    model = ScriptedModel(script)
    records, sink = run_engine(model, ["flaky", "refused"], max_attempts=4)
    assert [record.status for record in records] == ["success", "error"]
    assert model.calls.count("flaky") == 3
    assert model.calls.count("refused") == 1
    assert [telemetry.attempts for _, _, telemetry in sink.entries()] == [3, 1]


def test_attempts_are_finite_and_the_last_failure_is_the_status():
    model = ScriptedModel(lambda *_: RateLimitError("429: slow down", retry_after_s=0.0))
    records, _ = run_engine(model, ["a"], max_attempts=3)
    assert records[0].status is ResultStatus.RATE_LIMITED
    assert len(model.calls) == 3


def test_the_runs_retry_budget_bounds_an_outage():
    model = ScriptedModel(lambda *_: ServerError("500", retry_after_s=0.0))
    run_engine(model, [str(i) for i in range(100)], max_attempts=50, retry_budget=0.5)
    assert len(model.calls) == 100 + 50


def test_a_hung_call_becomes_a_timeout_and_the_others_go_on():
    async def hang():
        await asyncio.Event().wait()

    model = ScriptedModel(lambda text, _: hang() if text == "hung" else "yes")
    records, _ = run_engine(model, ["hung", "a", "b"], timeout_s=0.2, concurrency=1, run=virtual_time.run)
    assert [record.status for record in records] == ["timeout", "success", "success"]
    assert records[0].failure.message == "no answer within 0.2 s"


def test_hung_blocking_calls_starve_nobody():
    release, clock, hung = threading.Event(), HeldClock(), itertools.count(1)

    class Hanging(Model):
        def generate(self, prompt, **kwargs):
            if prompt.startswith("hung"):
                if next(hung) % 3 == 0:  # all that may run at once hang now
                    clock.turn(0.2)
                release.wait()
            return "yes"

    inputs = [f"hung{i}" for i in range(6)] + [str(i) for i in range(20)]
    try:
        records, _ = run_engine(Hanging("h"), inputs, timeout_s=0.2, concurrency=3, run=by(clock))
    finally:
        release.set()
    assert [record.status for record in records] == ["timeout"] * 6 + ["success"] * 20


def test_a_hung_thread_does_not_keep_the_process_alive():
    code = """
import threading
from insideLLMs.core.protocols import Probe
from support.engine import ScriptedModel, run_engine
class Hanging(Probe):
    def run(self, model, data, **kwargs):
        threading.Event().wait()
records, _ = run_engine(ScriptedModel(lambda *_: "yes"), ["a"], probe=Hanging(), timeout_s=0.2)
print(records[0].status)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd="tests", check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "timeout"), done.stderr


def test_memory_addresses_never_reach_a_record():
    records, _ = run_engine(lambda prompt: (_ for _ in ()).throw(ValueError(object())), ["a"])
    assert "0x..." in records[0].failure.message


def test_models_run_side_by_side_and_a_slow_one_holds_up_no_other():
    finished = []

    async def slow():
        await asyncio.sleep(0.2)
        finished.append("slow")
        return "yes"

    def quick(*_):
        finished.append("quick")
        return "yes"

    models = {"slow": ScriptedModel(lambda *_: slow()), "quick": ScriptedModel(quick)}
    records, _ = run_engine(models, ["a", "b", "c"], concurrency=1, run=virtual_time.run)
    assert finished[:3] == ["quick"] * 3
    assert [record.model for record in records] == ["quick", "slow"] * 3


def test_repeats_of_an_example_are_trials_of_their_own():
    model = ScriptedModel(lambda text, attempt: "yes" if attempt == 2 else "no")
    records, _ = run_engine(model, ["a"], repeats=3, concurrency=1)
    assert [(record.repeat, record.scores.passed) for record in records] == [(0, False), (1, True), (2, False)]
    assert len({record.key for record in records}) == 3


def test_latency_is_measured_apart_from_retries():
    def script(text, attempt):
        return ServerError("500", retry_after_s=0.5) if attempt == 1 else "yes"

    _, sink = run_engine(ScriptedModel(script), ["a"])
    telemetry = next(sink.entries())[2]
    assert telemetry.retry_ms >= 500
    assert telemetry.latency_ms < telemetry.retry_ms
    assert telemetry.started_at


@pytest.mark.parametrize("limits", [{"timeout_s": 3.0, "attempt_timeout_s": None}, {"attempt_timeout_s": 3.0}])
def test_a_call_that_was_cut_off_took_as_long_as_it_was_waited_for(limits):
    model = ScriptedModel(lambda text, _: asyncio.sleep(3600) if text == "b" else "yes")
    _, sink = run_engine(model, ["a", "b"], max_attempts=1, run=virtual_time.run, **limits)
    telemetry = [line for _, _, line in sink.entries()]
    assert [line.attempts for line in telemetry] == [1, 1]
    assert telemetry[1].latency_ms is not None


@pytest.mark.parametrize("place", range(28, 36))
def test_equal_requests_side_by_side_are_asked_once_wherever_they_stand(place):
    inputs = [f"question {number}" for number in range(40)]
    inputs[place + 1] = inputs[place]
    model = ScriptedModel(lambda text, attempt: "yes")
    records, _ = run_engine(model, inputs, concurrency=64)
    assert model.calls.count(inputs[place]) == 1
    assert [bool(record.shared_with) for record in records].count(True) == 1
