"""What a run gives back: order, status, errors, time-outs, progress; whoever wrote model and probe."""

import asyncio
import itertools
import subprocess
import sys
import threading

import pytest

from insideLLMs.core.errors import AuthError, ProbeExecutionError, TrialTimeoutError
from insideLLMs.core.protocols import Model, ModelInfo, Probe, ProbeScore
from insideLLMs.core.types import Example, Response, ResultStatus, Scores
from insideLLMs.probes.base import ScoredProbe
from insideLLMs.providers.dummy import DummyModel
from insideLLMs.runner import AsyncProbeRunner, ExperimentResult, ProbeRunner, RunConfig, run_probe, run_probe_async
from support import virtual_time
from support.users_code import Ask, Echo, Matches, Moody
from support.virtual_time import HeldClock

KEYS = {"input", "output", "status", "error", "error_type", "latency_ms", "metadata", "scores"}


def test_a_result_is_a_mapping_and_has_attributes():
    (result,) = ProbeRunner(Echo(), Ask()).run(["a"])
    assert set(result) == KEYS
    assert len(result) == len(KEYS)
    assert result["status"] is result.status is ResultStatus.SUCCESS
    assert result["status"] == "success"
    assert (result["input"], result["output"], result["error"]) == ("a", "A", None)
    assert result["latency_ms"] >= 0
    assert result.get("no") is None
    with pytest.raises(KeyError):
        result["no"]


def test_metadata_says_which_trial_it_was():
    (result,) = ProbeRunner(DummyModel(canned_response="yes"), Matches()).run([{"id": "q1", "prompt": "?"}])
    metadata = result["metadata"]
    assert (metadata["example_id"], metadata["model"], metadata["probe"]) == ("q1", "dummy", "Matches")
    assert (metadata["repeat"], metadata["attempts"], metadata["finish_reason"]) == (0, 1, "stop")
    assert len(metadata["key"]) == 64


def test_results_are_in_input_order_whatever_finishes_first():
    async def generate(prompt):
        await asyncio.sleep(0.02 if prompt == "9" else 0)
        return prompt

    prompts = [str(number) for number in (9, 3, 7, 1, 3, 0)]
    results = run_probe(generate, Ask(), prompts, concurrency=6)
    assert [result["input"] for result in results] == prompts
    assert [result["output"] for result in results] == prompts


def test_repeats_are_grouped_by_input():
    results = run_probe(Echo(), Ask(), ["b", "a"], repeats=3)
    assert [(one["input"], one["metadata"]["repeat"]) for one in results] == [
        (prompt, repeat) for prompt in ("b", "a") for repeat in range(3)
    ]


def test_partial_failure_is_a_mix_of_success_and_error():
    results = run_probe(Moody(), Ask(), ["a", "bad", "c"])
    assert [one["status"] for one in results] == ["success", "error", "success"]
    assert results[1]["error_type"] == "ValueError"
    assert "cannot take 'bad'" in results[1]["error"]
    assert results[1]["output"] is None
    assert results[1]["scores"] == {}


def test_a_wrong_answer_scores_wrong_and_errors_stay_in_the_denominator():
    model = DummyModel(responses={"right": "yes", "wrong": "no"}, failures={"broken": "timeout"})
    rows = [{"prompt": prompt, "expected": "yes"} for prompt in ("right", "wrong", "broken")]
    experiment = ProbeRunner(model, Matches()).run(rows, return_experiment=True, max_attempts=1)
    assert [one["scores"].get("correct") for one in experiment.results] == [1.0, 0.0, None]
    assert experiment.score.accuracy == pytest.approx(1 / 3)
    assert experiment.score.error_rate == pytest.approx(1 / 3)


@pytest.mark.parametrize("concurrency", [1, 2, 16, 64, 1000])
def test_progress_is_exact_and_monotonic_at_any_concurrency(concurrency):
    seen = []
    prompts = [str(number) for number in range(120)]
    run_probe(
        DummyModel(), Matches(), prompts, concurrency=concurrency, progress_callback=lambda c, t: seen.append((c, t))
    )
    assert seen == [(number, 120) for number in range(1, 121)]


@pytest.mark.parametrize("concurrency", [1, 50, 1000])
def test_progress_is_exact_for_blocking_models_too(concurrency):
    seen = []
    run_probe(Moody(), Ask(), ["a", "bad"] * 40, concurrency=concurrency, progress_callback=seen.append)
    assert [info.current for info in seen] == list(range(1, 81))
    assert (seen[-1].total, seen[-1].failed) == (80, 40)


def test_a_progress_callback_that_raises_is_logged_and_breaks_nothing(caplog):
    def on_progress(current, total):
        raise RuntimeError("mine")

    assert len(run_probe(Echo(), Ask(), ["a", "b"], progress_callback=on_progress)) == 2
    assert "progress callback raised" in caplog.text


def test_a_hung_coroutine_is_a_timeout_and_the_others_go_on():
    clock = HeldClock()

    async def generate(prompt):
        if prompt == "hang":
            clock.turn(0.1)
            await asyncio.Event().wait()
        return prompt

    run = run_probe_async(generate, Ask(), ["a", "hang", "c"], concurrency=1, timeout=0.1)
    results = virtual_time.run(run, clock)
    assert [one["status"] for one in results] == ["success", "timeout", "success"]


def test_a_hung_sync_probe_is_a_timeout_and_starves_nobody():
    release, clock, hung = threading.Event(), HeldClock(), itertools.count(1)

    class Hangs(Probe):
        def run(self, model, data, **kwargs):
            if "hang" in data:
                if next(hung) % 2 == 0:  # all that may run at once hang now
                    clock.turn(0.1)
                release.wait()
            return data

    prompts = [*(f"hang {n}" for n in range(6)), "a", "b"]
    results = virtual_time.run(run_probe_async(Echo(), Hangs(), prompts, concurrency=2, timeout=0.1), clock)
    release.set()
    assert [one["status"] for one in results] == ["timeout"] * 6 + ["success"] * 2


def test_a_hung_probe_does_not_keep_the_process_alive():
    code = (
        "import threading\n"
        "from insideLLMs import Probe, DummyModel, run_probe\n"
        "class Hangs(Probe):\n"
        "    def run(self, model, data): threading.Event().wait()\n"
        "print(run_probe(DummyModel(), Hangs(), ['a'], timeout=0.1)[0]['status'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("timeout\n", "", 0)


def test_stop_on_error_raises_what_stopped_it():
    with pytest.raises(ProbeExecutionError, match="cannot take 'bad'"):
        run_probe(Moody(), Ask(), ["bad", "a"], stop_on_error=True)


def test_a_timeout_under_stop_on_error_is_a_timeout_error_too():
    async def generate(prompt):
        await asyncio.Event().wait()

    with pytest.raises(TrialTimeoutError) as caught:
        run_probe(generate, Ask(), ["a"], stop_on_error=True, timeout=0.05)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, ProbeExecutionError)


def test_input_that_the_probe_declines_is_skipped():
    class Picky(Ask):
        def validate_input(self, data):
            return data != "no"

    assert [one["status"] for one in run_probe(Echo(), Picky(), ["yes", "no"])] == ["success", "skipped"]


def test_duck_typed_models_and_probes_are_taken():
    class Duck:
        name = "duck"

        def generate(self, prompt, **kwargs):
            return "quack"

    class Pond:
        name = "pond"

        def run(self, model, data, **kwargs):
            return model.generate(data) + "!"

    (result,) = run_probe(Duck(), Pond(), ["a"])
    assert (result["output"], result["metadata"]["model"], result["metadata"]["probe"]) == ("quack!", "duck", "pond")


def test_a_subclass_that_never_calls_super_gets_its_class_name():
    class Bare(Model):
        def __init__(self):
            pass

        def generate(self, prompt, **kwargs):
            return "x"

    class Naked(Probe):
        def __init__(self):
            pass

        def run(self, model, data, **kwargs):
            return model.generate(data)

    (result,) = run_probe(Bare(), Naked(), ["a"])
    assert (result["status"], result["metadata"]["model"], result["metadata"]["probe"]) == ("success", "Bare", "Naked")


def test_a_function_is_a_model():
    def shout(prompt):
        return prompt + "!"

    (result,) = run_probe(shout, Ask(), ["a"])
    assert (result["output"], result["metadata"]["model"]) == ("a!", "shout")


def test_a_probe_that_only_knows_batches_is_run_on_batches_of_one():
    class Batches(Probe):
        def run_batch(self, model, dataset, **kwargs):
            return [{"output": model.generate(data), "status": "success"} for data in dataset]

    assert [one["output"] for one in run_probe(Echo(), Batches(), ["a", "b"])] == ["A", "B"]


def test_a_probe_with_run_and_run_batch_is_run_by_the_engine():
    class Both(Ask):
        def run_batch(self, model, dataset, **kwargs):
            raise AssertionError("the engine does the batching")

    assert run_probe(Echo(), Both(), ["a"])[0]["output"] == "A"


def test_an_async_probe_calls_the_model_with_agenerate():
    class Awaits(Probe):
        async def run(self, model, data, **kwargs):
            return await model.agenerate(data)

    assert run_probe(DummyModel(canned_response="ok"), Awaits(), ["a"])[0]["output"] == "ok"


def test_a_simple_probe_gets_what_the_caller_gave():
    seen = []

    class Sees(Probe):
        def run(self, model, data, **kwargs):
            seen.append(data)
            return {"n": 1}

    items = [{"id": "1", "code": "x", "deep": {"a": [1]}}, "text", {"prompt": "p"}]
    results = run_probe(Echo(), Sees(), items, concurrency=1)
    assert seen == sorted(items, key=items.index)
    assert results[0]["input"] is items[0]
    assert results[0]["output"] == {"n": 1}


def test_scores_of_a_simple_probe_reach_the_result():
    class Scored(Ask):
        def score_output(self, example, output):
            return Scores.of(output == example.expected[0])

    results = run_probe(Echo(), Scored(), [{"prompt": "a", "expected": "A"}, {"prompt": "a", "expected": "B"}])
    assert [one["scores"] for one in results] == [{"correct": 1.0}, {"correct": 0.0}]


def test_an_example_may_be_given_ready_made():
    (result,) = run_probe(Echo(), Matches(), [Example(id="x", input="a", expected=("A",))])
    assert result["scores"] == {"correct": 1.0}


def test_return_experiment_gives_the_run_around_the_results():
    class Own(Ask):
        def score(self, results):
            return ProbeScore(accuracy=len(results) / 10)

    class Told(Echo):
        def info(self):
            return ModelInfo(name="told", provider="me", model_id="t-1")

    experiment = ProbeRunner(Told(), Own(category="c")).run(["a", "b"], config=RunConfig(return_experiment=True))
    assert isinstance(experiment, ExperimentResult)
    assert experiment.score == ProbeScore(accuracy=0.2)
    assert experiment.model.model_id == "t-1"
    assert experiment.probe["category"] == "c"
    assert experiment.run_dir is None
    assert experiment.summary.statuses["success"] == experiment.count(ResultStatus.SUCCESS) == 2
    assert experiment.started_at <= experiment.ended_at


def test_a_probe_that_cannot_sum_up_loses_no_results(caplog):
    class Broken(Ask):
        def score(self, results):
            raise ZeroDivisionError

    experiment = ProbeRunner(Echo(), Broken()).run(["a"], return_experiment=True)
    assert experiment.score is None
    assert len(experiment.results) == 1
    assert "could not sum up" in caplog.text


def test_the_async_door_leaves_no_task_behind():
    async def main():
        results = await AsyncProbeRunner(Moody(), Ask()).run(["a", "bad"], concurrency=50, timeout=30.0)
        more = await run_probe_async(DummyModel(), Matches(), ["a"])
        return results + more, asyncio.all_tasks() - {asyncio.current_task()}

    results, left = asyncio.run(main())
    assert len(results) == 3
    assert left == set()


def test_two_runs_of_one_runner_at_once_do_not_mix():
    async def main():
        runner = AsyncProbeRunner(DummyModel(), Matches())
        return await asyncio.gather(runner.run(["a", "b"]), runner.run(["c"]))

    first, second = asyncio.run(main())
    assert [one["input"] for one in first] == ["a", "b"]
    assert [one["input"] for one in second] == ["c"]


def test_a_response_with_a_json_value_is_the_output():
    class Values(Probe):
        def run(self, model, data, **kwargs):
            return Response(text="t", value=[1])

    assert run_probe(Echo(), Values(), ["a"])[0]["output"] == [1]


def test_a_fatal_model_error_ends_the_run_at_once():
    model = DummyModel(failures={"a": "auth"})
    with pytest.raises(AuthError):
        run_probe(model, Matches(), ["a"] * 50, concurrency=1)


def test_a_scored_probe_scores_against_the_reference():
    class Equals(ScoredProbe):
        def evaluate_single(self, model_output, reference, input_data):
            return {"is_correct": model_output == reference}

    rows = [{"prompt": "a", "reference": "A"}, {"prompt": "a", "reference": "B"}]
    assert [one["scores"] for one in run_probe(Echo(), Equals("equals"), rows)] == [{"correct": 1.0}, {"correct": 0.0}]
