"""Fakes for the engine: models with a script, a dataset in memory, and one call that runs them."""

import asyncio
import time

from insideLLMs.api.run_writer import MemorySink
from insideLLMs.core.experiment import DatasetSpec, ExecutionSpec, Experiment, ModelSpec, ProbeSpec
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.record_views import read_record
from insideLLMs.core.types import Example, Record, Response, Scores
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.adapt import as_async_model
from insideLLMs.execute.engine import Engine
from insideLLMs.execute.progress import ProgressCounter
from insideLLMs.execute.ready_prompt import ReadyPrompt
from insideLLMs.execute.work import EngineOptions, ReadyModel, Work
from insideLLMs.plan import Selection, make_plan


class Inputs:
    """A dataset of numbered inputs, or of examples as they are."""

    def __init__(self, *inputs):
        self.inputs = inputs

    def examples(self):
        for rank, text in enumerate(self.inputs):
            is_text = isinstance(text, str)
            yield rank, Example(id=f"{rank:06}", input=text, expected=("yes",)) if is_text else text


class YesProbe(PromptProbe):
    """Passes an answer that is "yes"."""

    scores_in_place = True

    def score(self, example, response):
        return Scores.of(response.text == "yes")


class ScriptedModel:
    """Answers, raises or hangs by its script: a function of the last message's text and the attempt's number."""

    def __init__(self, script):
        self.script = script
        self.calls = []

    def identity(self):
        return {"scripted": True}

    async def respond(self, request, *, repeat=0):
        text = request.messages[-1].content
        self.calls.append(text)
        result = self.script(text, self.calls.count(text))
        if asyncio.iscoroutine(result):
            result = await result
        if isinstance(result, Exception):
            raise result
        return Response(text=result)

    async def aclose(self):
        pass


def work_of(models, inputs, *, probe=None, prompts=(), repeats=1, threads=None, own=None, **execution):
    """Plan a Work over `models` (by id) and a probe, or several by name; `own` are the models that the probe asks."""
    probes = probe if isinstance(probe, dict) else {"probe": probe or YesProbe()}
    experiment = Experiment(
        name="test",
        models=tuple(ModelSpec(type="scripted", id=name) for name in models),
        prompts=tuple(prompts),
        probes=tuple(ProbeSpec(type="probe", id=name, datasets=("d",)) for name in probes),
        datasets=(DatasetSpec(name="d", format="inline"),),
        repeats=repeats,
        execution=ExecutionSpec(**execution),
    )
    plan = make_plan(
        experiment,
        selections={"d": Selection(sha256="0" * 64, count=len(inputs), rule={})},
        model_identities={name: {"name": name} for name in models},
        probe_identities={name: {} for name in probes},
    )
    threads = threads or AbandonableThreads()
    return Work(
        plan=plan,
        models={name: ReadyModel(model=as_async_model(model, threads)) for name, model in models.items()},
        prompts={spec.id: ReadyPrompt.of(spec) for spec in prompts},
        probes=probes,
        datasets={"d": Inputs(*inputs)},
        execution=experiment.execution,
        threads=threads,
        judges={"probe": {name: ReadyModel(model=model) for name, model in own.items()}} if own else {},
    )


def run_engine(model, inputs, *, callback=None, sink=None, run=asyncio.run, options=None, **settings):
    """Run `model` (or a dict of models) over `inputs`; return the records in order, and the sink.

    `run` runs a coroutine: on a loop of its own, by default in real time.
    """
    models = model if isinstance(model, dict) else {"m": model}
    work = work_of(models, inputs, **settings)
    sink = sink or MemorySink()
    progress = ProgressCounter(callback, total=work.plan.total, resumed=0, clock=time.monotonic)
    run(Engine(work, sink, progress, options or EngineOptions()).run())
    return [read_record(line, Record) for _, line, _ in sink.entries()], sink
