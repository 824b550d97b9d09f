"""How the engine treats trials: status, order, limits, timeouts, progress, stopping."""

import asyncio
import itertools
import subprocess
import sys
import threading

import pytest

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.errors import (
    AuthError,
    InsideLLMsError,
    ModelError,
    ModelNotFoundError,
    ModelUnavailableError,
    ProbeExecutionError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
    TrialTimeoutError,
)
from insideLLMs.core.protocols import Model, Probe, PromptProbe
from insideLLMs.core.types import Response, ResultStatus, Scores
from insideLLMs.execute.sink import SLOW_FLUSH_S
from insideLLMs.execute.work import EngineOptions
from support import virtual_time
from support.engine import ScriptedModel, YesProbe, run_engine
from support.virtual_time import HeldClock, VirtualClock


def by(clock):
    """Run on a loop with this clock."""
    return lambda main: virtual_time.run(main, clock)


def test_a_mix_of_successes_and_errors_is_recorded_as_what_each_came_to():
    script = {"right": "yes", "wrong": "no", "broken": RequestRefusedError("400: bad prompt")}
    records, _ = run_engine(ScriptedModel(lambda text, _: script[text]), ["right", "broken", "wrong"])
    assert [record.status for record in records] == ["success", "error", "success"]
    assert [record.scores and record.scores.passed for record in records] == [True, None, False]
    assert records[1].failure.message == "400: bad prompt"
    assert records[1].failure.type == "RequestRefusedError"


def test_a_wrong_answer_scores_wrong():
    records, _ = run_engine(ScriptedModel(lambda *_: "garbage"), ["a", "b"])
    assert [record.scores.values["correct"] for record in records] == [0.0, 0.0]


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


def test_a_scorer_that_raises_is_an_error_on_an_answer_that_is_kept():
    class Broken(PromptProbe):
        scores_in_place = True

        def score(self, example, response):
            raise KeyError("oops")

    records, _ = run_engine(ScriptedModel(lambda *_: "paid for"), ["a"], probe=Broken())
    assert records[0].status is ResultStatus.ERROR
    assert records[0].failure.stage == "score"
    assert records[0].failure.type == "KeyError"
    assert records[0].response.text == "paid for"


def test_a_scorer_that_hangs_is_a_timeout_on_an_answer_that_is_kept():
    release, clock = threading.Event(), HeldClock()

    class Hanging(PromptProbe):
        def score(self, example, response):
            clock.turn(0.2)
            release.wait()

    model = ScriptedModel(lambda *_: "paid for")
    try:
        records, _ = run_engine(model, ["a"], probe=Hanging(), timeout_s=0.2, run=by(clock))
    finally:
        release.set()
    assert records[0].status is ResultStatus.TIMEOUT
    assert records[0].response.text == "paid for"


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (lambda: Scores(values={"f1": float("nan")}), "'f1' is nan"),
        (lambda: Scores(values={"f1": 1.5}), "outside its range 0 to 1"),
        (lambda: 0.7, "returned float"),
        (lambda: None, "returned NoneType"),
    ],
)
def test_scores_that_are_no_scores_are_refused_by_name(scores, says):
    class Odd(PromptProbe):
        scores_in_place = True

        def score(self, example, response):
            return scores()

    records, _ = run_engine(ScriptedModel(lambda *_: "x"), ["a"], probe=Odd())
    assert records[0].status is ResultStatus.ERROR
    assert says in records[0].failure.message


@pytest.mark.parametrize("answer", ["lone \ud800 surrogate", Response(text="", value=float("nan"))])
def test_an_answer_that_cannot_be_stored_is_an_error_not_a_crash(answer):
    class Odd(Model):
        def generate(self, prompt, **kwargs):
            return answer

    records, _ = run_engine(Odd("odd"), ["a"])
    assert records[0].status is ResultStatus.ERROR
    assert "cannot be stored" in records[0].failure.message


@pytest.mark.parametrize("answer", [None, 7, ["yes"], {"text": "yes"}])
def test_a_model_must_return_text(answer):
    records, _ = run_engine(lambda prompt: answer, ["a"])
    assert records[0].status is ResultStatus.ERROR
    assert "must return text" in records[0].failure.message


def test_memory_addresses_never_reach_a_record():
    records, _ = run_engine(lambda prompt: (_ for _ in ()).throw(ValueError(object())), ["a"])
    assert "0x..." in records[0].failure.message


def refusing(error, *prompts):
    return ScriptedModel(lambda text, _: error() if text in prompts else "yes")


REFUSALS = [
    lambda: AuthError("403: not for you", http_status=403),
    lambda: ModelNotFoundError("404: no such thing", http_status=404),
]
NINE = [str(number) for number in range(9)]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_before_any_answer_stops_the_run_and_is_not_recorded(error):
    model, sink = refusing(error, "0"), MemorySink()
    with pytest.raises(ModelError, match="40"):
        run_engine(model, NINE, concurrency=1, sink=sink)
    assert model.calls == ["0"]
    assert not list(sink.entries())


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_of_one_prompt_among_answers_is_that_trials_error(error):
    records, _ = run_engine(refusing(error, "1", "3", "8"), NINE, concurrency=1)
    assert [number for number, record in enumerate(records) if record.status == "error"] == [1, 3, 8]
    assert {record.failure.type for record in records if record.failure} == {type(error()).__name__}


@pytest.mark.parametrize("error", REFUSALS)
def test_five_refusals_in_a_row_stop_the_run(error):
    model, sink = refusing(error, *NINE[2:]), MemorySink()
    with pytest.raises(ModelError, match="40"):
        run_engine(model, NINE, concurrency=1, sink=sink)
    assert model.calls == NINE[:7]
    assert [index for index, _, _ in sink.entries()] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_resume_gets_past_a_prompt_that_is_refused_first(error):
    records, _ = run_engine(refusing(error, "0"), NINE, concurrency=1, options=EngineOptions(is_resumed=True))
    assert [record.status for record in records] == ["error", *["success"] * 8]


@pytest.mark.parametrize(
    "error", [lambda: ModelUnavailableError("no weights"), lambda: AuthError("401: bad key", http_status=401)]
)
def test_what_no_prompt_can_be_the_cause_of_stops_the_run_at_once(error):
    model = refusing(error, "3")
    with pytest.raises(type(error())):
        run_engine(model, NINE, concurrency=1)
    assert model.calls == NINE[:4]


@pytest.mark.parametrize(("slow", "kind"), [(False, ProbeExecutionError), (True, TrialTimeoutError)])
def test_stop_on_error_raises_after_what_was_in_flight_is_kept(slow, kind):
    async def hang():
        await asyncio.Event().wait()

    model = ScriptedModel(lambda text, _: (hang() if slow else RequestRefusedError("400")) if text == "1" else "yes")
    sink = MemorySink()
    with pytest.raises(kind) as caught:
        run_engine(
            model, ["0", "1", "2"], concurrency=1, stop_on_error=True, timeout_s=0.2, sink=sink, run=virtual_time.run
        )
    assert isinstance(caught.value, TimeoutError) is slow
    assert "000001" in str(caught.value)
    assert [index for index, _, _ in sink.entries()] == [0, 1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_always_get_through(error):
    def script(*_):
        raise error

    with pytest.raises(error):
        run_engine(ScriptedModel(script), ["a", "b"])


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


def test_a_simple_probe_may_call_the_model_as_often_as_it_likes():
    class Twice(Probe):
        def run(self, model, data, **kwargs):
            return {"first": model.generate(data), "second": model.chat([{"role": "user", "content": "again"}])}

    class AsyncTwice(Probe):
        async def run(self, model, data, **kwargs):
            return {"first": await model.agenerate(data), "second": await model.agenerate("again")}

    for probe in (Twice(), AsyncTwice()):
        model = ScriptedModel(lambda text, _: f"<{text}>")
        records, sink = run_engine(model, ["a"], probe=probe)
        assert records[0].response.value == {"first": "<a>", "second": "<again>"}
        assert next(sink.entries())[2].attempts == 2


def test_a_simple_probe_gets_a_users_own_model_as_it_is():
    class Special(Model):
        def generate(self, prompt, **kwargs):
            return "yes"

        def own_method(self):
            return "mine"

    class Uses(Probe):
        def run(self, model, data, **kwargs):
            return model.own_method()

    records, _ = run_engine(Special("s"), ["a"], probe=Uses())
    assert records[0].response.text == "mine"


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
    model = ScriptedModel(lambda text, _: answer_after(3600) if text == "b" else "yes")
    _, sink = run_engine(model, ["a", "b"], max_attempts=1, run=virtual_time.run, **limits)
    telemetry = [line for _, _, line in sink.entries()]
    assert [line.attempts for line in telemetry] == [1, 1]
    assert telemetry[1].latency_ms is not None


def test_what_is_not_a_model_is_refused():
    with pytest.raises(InsideLLMsError, match="not a model"):
        run_engine(object(), ["a"])


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


def test_a_probe_in_place_and_one_on_a_thread_score_alike():
    class OnThread(YesProbe):
        scores_in_place = False

    script = ["yes", "no", "yes"]
    here, _ = run_engine(ScriptedModel(lambda text, _: script[int(text)]), ["0", "1", "2"])
    there, _ = run_engine(ScriptedModel(lambda text, _: script[int(text)]), ["0", "1", "2"], probe=OnThread())
    assert [record.scores for record in here] == [record.scores for record in there]


def test_each_of_many_calls_of_a_probe_has_attempts_of_its_own():
    class Many(Probe):
        async def run(self, model, data, **kwargs):
            return [await model.agenerate(f"{data}{number}") for number in range(6)]

    def flaky(text, attempt):
        error = ServerError("down")
        error.retry_after_s = 0.0
        return error if attempt == 1 else "yes"

    records, _ = run_engine(ScriptedModel(flaky), ["a"], probe=Many(), max_attempts=3)
    assert [record.status for record in records] == ["success"]
