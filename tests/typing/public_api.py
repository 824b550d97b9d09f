"""Read by the type checker, never run: what the public API promises in types."""

from collections.abc import Mapping
from typing import assert_type

from insideLLMs import (
    AsyncProbeRunner,
    DummyModel,
    Example,
    ExperimentResult,
    LogicProbe,
    Model,
    OpenAIModel,
    Probe,
    ProbeResults,
    ProbeRunner,
    ProgressInfo,
    PromptProbe,
    Record,
    Request,
    Response,
    ResultStatus,
    RunConfig,
    Scores,
    load_dataset,
    load_run,
    model_registry,
    probe_registry,
    run_experiment_from_config,
    run_probe,
    run_probe_async,
)


@model_registry.register("mine", overwrite=True, name="m")
class MyModel(Model):
    def generate(self, prompt: str, **kwargs: object) -> str:
        return prompt


@model_registry.register("made")
def make_model(name: str) -> "MyModel":
    return MyModel(name)


@probe_registry.register("mine")
class MyProbe(Probe):
    def run(self, model: Model, data: str, **kwargs: object) -> str:
        return model.generate(data)


class MyPromptProbe(PromptProbe):
    def request(self, example: Example) -> Request:
        return Request.of(example.text, max_tokens=5)

    def score(self, example: Example, response: Response) -> Scores:
        return Scores.of(response.text in example.expected)


def on_counts(current: int, total: int) -> None: ...
def on_info(info: ProgressInfo) -> None: ...


async def promises() -> None:
    runner = AsyncProbeRunner(MyModel("m"), MyProbe())
    results = await runner.run(["a", {"prompt": "b"}], concurrency=50, timeout=30.0, progress_callback=on_counts)
    assert_type(results, ProbeResults)
    assert_type(results[0].status, ResultStatus)
    assert_type(results[0].latency_ms, float | None)
    assert_type(results[0].scores, Mapping[str, float])
    assert_type(await runner.run(["a"], return_experiment=True), ExperimentResult)
    assert_type(await run_probe_async(DummyModel(), LogicProbe(), ["a"], repeats=3), ProbeResults)

    sync = ProbeRunner(DummyModel(), MyPromptProbe())
    config = RunConfig(concurrency=4, progress_callback=on_info, run_dir="runs/x", cache="read")
    assert_type(sync.run([Example(id="1", input="a")], config=config, resume=True), ProbeResults)
    assert_type(sync.run(["a"], config=config, return_experiment=True), ExperimentResult)
    assert_type(run_probe(DummyModel(), MyProbe(), ["a"], probe_options={"style": "x"}), ProbeResults)
    assert_type(run_experiment_from_config("experiment.yaml"), ProbeResults)
    assert_type(run_experiment_from_config({}, return_experiment=True), list[ExperimentResult])
    assert_type(make_model("m"), MyModel)  # a decorator leaves the type of what it decorates
    assert_type(MyProbe(), MyProbe)
    run = load_run("runs/x")
    for record in run:
        assert_type(record, Record)
    assert_type(run.manifest.run_id, str)
    assert_type(load_dataset("cases.csv"), list[Example])
    results = sync.run(["a"])
    assert_type(results[0].passed, bool | None)
    assert_type(results[0].explanation, str)
    OpenAIModel("m", temperature=0, stop=["."], base_url="http://localhost:8000/v1")
    OpenAIModel("m", temprature=0)  # type: ignore[call-arg] # a promise, too: this is refused
    OpenAIModel("m", seed="x")  # type: ignore[arg-type] # likewise
    sync.run(["a"], concurrency="many")  # type: ignore[call-overload] # a promise, too: this is refused
