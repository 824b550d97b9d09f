"""Runs stored from Python: where, resumed how, and never mixed with another model's."""

import asyncio
import functools
from typing import ClassVar

import pytest

from insideLLMs.core.errors import PlanMismatchError, ProbeExecutionError, RunDirectoryError
from insideLLMs.core.protocols import Model, Probe, PromptProbe
from insideLLMs.core.types import Scores
from insideLLMs.providers.dummy import DummyModel
from insideLLMs.runner import AsyncProbeRunner, ProbeRunner, compare_runs, run_probe
from support.users_code import Ask, Echo, Matches, Moody

CANONICAL = ("records.jsonl", "manifest.json", "config.resolved.yaml", "summary.json", "report.html")


def stored(path):
    return {name: (path / name).read_bytes() for name in CANONICAL}


def test_a_run_dir_holds_the_run_and_gives_the_same_results(tmp_path):
    prompts = ["c", "a", "b", "a"]
    results = run_probe(Echo(), Ask(), prompts, run_dir=tmp_path / "run", repeats=2)
    assert [one["input"] for one in results] == [prompt for prompt in prompts for _ in range(2)]
    assert [one["output"] for one in results] == [prompt.upper() for prompt in prompts for _ in range(2)]
    assert all(one["latency_ms"] >= 0 for one in results)
    assert set(CANONICAL) < {path.name for path in (tmp_path / "run").iterdir()}


def test_nothing_is_stored_without_a_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_probe(Echo(), Ask(), ["a"])
    assert list(tmp_path.iterdir()) == []


def test_a_run_root_gets_a_folder_for_every_run(tmp_path):
    for _ in range(2):
        ProbeRunner(Echo(), Ask()).run(["a"], run_root=tmp_path)
    first, second = sorted(path.name for path in tmp_path.iterdir())
    assert first.startswith("Ask-echo-")
    assert second == f"{first}-2"


def test_a_run_id_names_the_folder_in_the_root(tmp_path):
    experiment = ProbeRunner(Echo(), Ask()).run(["a"], run_root=tmp_path, run_id="mine", return_experiment=True)
    assert experiment.run_dir == tmp_path / "mine"
    assert (tmp_path / "mine" / "records.jsonl").exists()


def test_files_do_not_depend_on_concurrency_or_the_order_of_prompts(tmp_path):
    prompts = [str(number) for number in range(30)]
    run_probe(DummyModel(), Matches(), prompts, run_dir=tmp_path / "one", concurrency=1)
    run_probe(DummyModel(), Matches(), prompts[::-1], run_dir=tmp_path / "many", concurrency=64)
    assert stored(tmp_path / "one") == stored(tmp_path / "many")


def test_a_used_run_dir_is_refused_before_anything_is_asked(tmp_path):
    run_probe(Echo(), Ask(), ["a"], run_dir=tmp_path)
    model = Echo()
    with pytest.raises(RunDirectoryError, match="already holds a finished run"):
        run_probe(model, Ask(), ["a"], run_dir=tmp_path)
    assert model.calls == 0


def test_overwrite_replaces_the_run(tmp_path):
    run_probe(Echo(), Ask(), ["a"], run_dir=tmp_path)
    assert len(run_probe(Echo(), Ask(), ["b", "c"], run_dir=tmp_path, overwrite=True)) == 2


def test_resume_retries_failures_only(tmp_path):
    model = Moody()
    first = run_probe(model, Ask(), ["a", "bad", "c"], run_dir=tmp_path)
    assert [one["status"] for one in first] == ["success", "error", "success"]
    model.healed, model.calls = True, 0
    second = run_probe(model, Ask(), ["a", "bad", "c"], run_dir=tmp_path, resume=True)
    assert [one["status"] for one in second] == ["success"] * 3
    assert model.calls == 1


def test_resume_of_a_finished_run_asks_nothing_and_changes_no_byte(tmp_path):
    run_probe(Echo(), Ask(), ["a", "b"], run_dir=tmp_path)
    before, model = stored(tmp_path), Echo()
    results = run_probe(model, Ask(), ["a", "b"], run_dir=tmp_path, resume=True)
    assert [one["output"] for one in results] == ["A", "B"]
    assert model.calls == 0
    assert stored(tmp_path) == before


def test_resume_counts_what_was_done_in_the_progress(tmp_path):
    model, seen = Moody(), []
    run_probe(model, Ask(), ["a", "bad", "c"], run_dir=tmp_path)
    run_probe(
        model, Ask(), ["a", "bad", "c"], run_dir=tmp_path, resume=True, progress_callback=lambda *c: seen.append(c)
    )
    assert seen == [(3, 3)]


def test_resume_where_nothing_is_yet_starts_the_run(tmp_path):
    assert len(run_probe(Echo(), Ask(), ["a"], run_dir=tmp_path / "new", resume=True)) == 1
    assert len(run_probe(Echo(), Ask(), ["a"], run_root=tmp_path / "root", resume=True)) == 1


def test_resume_by_root_goes_on_with_the_latest_run(tmp_path):
    model = Moody()
    for _ in range(2):
        run_probe(model, Ask(), ["a", "bad"], run_root=tmp_path)
    model.healed = True
    experiment = ProbeRunner(model, Ask()).run(["a", "bad"], run_root=tmp_path, resume=True, return_experiment=True)
    assert experiment.run_dir.name.endswith("-2")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_that_stopped_on_an_error_can_be_resumed(tmp_path):
    model = Moody()
    with pytest.raises(ProbeExecutionError) as caught:
        run_probe(model, Ask(), ["a", "bad", "c"], run_dir=tmp_path, stop_on_error=True, concurrency=1)
    assert caught.value.run_dir == tmp_path
    model.healed = True
    asked = model.calls
    results = run_probe(model, Ask(), ["a", "bad", "c"], run_dir=tmp_path, resume=True)
    assert [one["output"] for one in results] == ["A", "BAD", "C"]
    assert asked + 2 >= model.calls


def test_a_cancelled_run_can_be_resumed_and_leaves_no_task(tmp_path, caplog):
    hanging = asyncio.Event()
    healed = []

    class Hangs(Model):
        async def agenerate(self, prompt, **kwargs):
            if prompt == "hang" and not healed:
                hanging.set()
                await asyncio.Event().wait()
            return prompt

    class Awaits(Probe):
        async def run(self, model, data, **kwargs):
            return await model.agenerate(data)

    async def main():
        runner = AsyncProbeRunner(Hangs("h"), Awaits())
        task = asyncio.create_task(runner.run(["a", "hang"], run_dir=tmp_path))
        await hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = asyncio.all_tasks() - {asyncio.current_task()}
        healed.append(True)
        return left, await runner.run(["a", "hang"], run_dir=tmp_path, resume=True)

    left, results = asyncio.run(main())
    assert left == set()
    assert [one["output"] for one in results] == ["a", "hang"]
    assert "resume=True" in caplog.text


def test_resume_of_another_experiment_is_refused_before_anything_is_written(tmp_path):
    run_probe(Echo(), Ask(), ["a"], run_dir=tmp_path)
    before = stored(tmp_path)
    with pytest.raises(PlanMismatchError):
        run_probe(Echo(), Ask(), ["a", "b"], run_dir=tmp_path, resume=True)
    assert stored(tmp_path) == before


class Warm(Model):
    def __init__(self, temperature):
        super().__init__("warm")
        self._temperature = temperature

    def generate(self, prompt, **kwargs):
        return f"{prompt} at {self._temperature}"


class Strict(PromptProbe):
    def __init__(self, threshold):
        super().__init__("strict")
        self.threshold = threshold

    def score(self, example, response):
        return Scores.of(len(response.text) > self.threshold)


def run_id(model, probe, **options):
    return ProbeRunner(model, probe).run(["a"], return_experiment=True, **options).run_id


def test_differently_configured_models_probes_and_options_never_share_a_run_id():
    ids = [
        run_id(Warm(0.0), Ask()),
        run_id(Warm(0.5), Ask()),
        run_id(Warm(0.0), Strict(1)),
        run_id(Warm(0.0), Strict(2)),
        run_id(Warm(0.0), Ask(), probe_options={"style": "a"}),
        run_id(Warm(0.0), Ask(), probe_options={"style": "b"}),
        run_id(DummyModel(canned_response="a"), Ask()),
        run_id(DummyModel(canned_response="b"), Ask()),
        run_id(functools.partial(str.replace, "x"), Ask()),
        run_id(functools.partial(str.replace, "y"), Ask()),
        run_id(Warm(0.0), Ask(), repeats=2),
    ]
    assert len(set(ids)) == len(ids)


def test_the_same_configuration_keeps_its_run_id_whatever_does_not_change_answers(tmp_path):
    ids = {
        run_id(Warm(0.5), Ask()),
        run_id(Warm(0.5), Ask(), concurrency=3, timeout=9.0),
        run_id(Warm(0.5), Ask(), run_dir=tmp_path / "x"),
    }
    assert len(ids) == 1


def test_a_model_with_another_setting_cannot_resume_the_first_one_s_run(tmp_path):
    run_probe(Warm(0.0), Ask(), ["a"], run_dir=tmp_path)
    with pytest.raises(PlanMismatchError):
        run_probe(Warm(0.5), Ask(), ["a"], run_dir=tmp_path, resume=True)


def test_validate_output_checks_what_was_read_back(tmp_path):
    results = run_probe(Echo(), Ask(), ["a", "b"], run_dir=tmp_path, validate_output=True)
    assert [one["output"] for one in results] == ["A", "B"]
    assert len(run_probe(Echo(), Ask(), ["a", "b"], validate_output=True)) == 2


def test_two_runs_compare_from_python(tmp_path):
    rows = [{"id": str(n), "prompt": f"q{n}", "expected": "yes"} for n in range(5)]
    run_probe(DummyModel(canned_response="yes"), Matches(), rows, run_dir=tmp_path / "base")
    run_probe(DummyModel(canned_response="no"), Matches(), rows, run_dir=tmp_path / "cand")
    judged = compare_runs(str(tmp_path / "base"), tmp_path / "cand", fail_on="regressions")
    assert judged.verdict.exit_code == 3
    run_probe(DummyModel(canned_response="yes"), Matches(), rows, run_dir=tmp_path / "again")
    assert compare_runs(tmp_path / "base", tmp_path / "again", fail_on="changes").verdict.exit_code == 0


class Stars(PromptProbe):
    name = "stars"
    score_ranges: ClassVar = {"score": (0, 10)}

    def score(self, example, response):
        return Scores(values={"score": float(example.text)})


def test_a_run_in_memory_is_summed_up_as_the_same_run_on_disk(tmp_path):
    runner = ProbeRunner(DummyModel(), Stars())
    in_memory = runner.run(["7", "5", "9"], return_experiment=True).summary
    stored = runner.run(["7", "5", "9"], return_experiment=True, run_dir=tmp_path / "run").summary
    assert in_memory == stored
    interval = in_memory.results[0].scores["score"]
    assert (interval.value, interval.high) == (7.0, 10)
    assert 0 <= interval.low <= interval.value
