"""The Python calls: run a probe or an experiment file, results in input order; compare runs."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import msgspec

from insideLLMs.api.compare import ComparisonSetup, DecidedComparison, GateOverrides
from insideLLMs.api.compare import compare_runs as compare_sealed
from insideLLMs.compare.comparing import CompareOptions
from insideLLMs.config.load import parse_experiment, read_experiment
from insideLLMs.core.errors import OptionError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.run_blocking import run_blocking
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import JsonValue
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.adapt import as_async_model, example_data
from insideLLMs.runner.as_experiment import as_probe, data_for, experiment_of, experiment_result, name_of, parts_of
from insideLLMs.runner.prompts import Prompt, Prompts, as_items
from insideLLMs.runner.results import ExperimentResult, ProbeResults
from insideLLMs.runner.run_config import Folder, RunConfig, RunKeywords, as_path, derive
from insideLLMs.runner.run_to_results import Job, run_job
from insideLLMs.store.remote.run import local_run
from insideLLMs.store.sealed_run import SealedRun

Results = ProbeResults | ExperimentResult
Source = str | os.PathLike[str] | Mapping[str, JsonValue]


class AsyncProbeRunner:
    """Runs `probe` on `model` over prompts, from a coroutine.

    A model is anything with `generate(prompt)`, sync or async, or a function of the prompt; a probe anything
    with `run(model, data)`, or a PromptProbe. Raises InsideLLMsError for what is neither.
    """

    def __init__(self, model: Any, probe: Any) -> None:  # Any: users' models and probes are duck-typed
        for what, given in (("model", model), ("probe", probe)):
            if isinstance(given, type):
                raise OptionError(f"the {what} is the class {given.__name__}", fix=f"make one: {given.__name__}(...)")
        as_async_model(model, AbandonableThreads())
        as_probe(probe, {})
        self.model = model
        self.probe = probe

    @overload
    async def run(
        self, prompts: Iterable[Prompt], *, return_experiment: Literal[True], **keywords: Unpack[RunKeywords]
    ) -> ExperimentResult: ...
    @overload
    async def run(
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: Literal[False] | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> ProbeResults: ...
    async def run(
        self,
        prompts: Iterable[Prompt],
        **keywords: Any,  # RunKeywords, and what the probe's own run() takes
    ) -> Results:
        """Run every prompt; the settings are those of RunConfig, where a keyword wins over `config`.

        Raises OptionError (a ValueError) before anything is spent; under `stop_on_error` ProbeExecutionError, or
        TrialTimeoutError, which is a TimeoutError too. Otherwise a failure is a result with its status.
        """
        return await _run(self.model, self.probe, prompts, derive(keywords, self.probe))


class ProbeRunner:
    """Runs `probe` on `model` over prompts, from plain code: the same engine as AsyncProbeRunner's.

    Inside a running event loop (a notebook) it runs on a thread of its own, and blocks the caller's.
    """

    def __init__(self, model: Any, probe: Any) -> None:  # Any: users' models and probes are duck-typed
        self._runner = AsyncProbeRunner(model, probe)
        self.model = model
        self.probe = probe

    @overload
    def run(
        self, prompts: Iterable[Prompt], *, return_experiment: Literal[True], **keywords: Unpack[RunKeywords]
    ) -> ExperimentResult: ...
    @overload
    def run(
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: Literal[False] | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> ProbeResults: ...
    def run(
        self,
        prompts: Iterable[Prompt],
        **keywords: Any,  # RunKeywords, and what the probe's own run() takes
    ) -> Results:
        """Do what `AsyncProbeRunner.run` does, and wait for it."""
        wanted = derive(keywords, self.probe)
        return run_blocking(_run(self.model, self.probe, prompts, wanted))


def run_probe(model: Any, probe: Any, prompts: Iterable[Prompt], **keywords: Unpack[RunKeywords]) -> ProbeResults:
    """Run `probe` on `model` over `prompts`, in one call."""
    return ProbeRunner(model, probe).run(prompts, **keywords)


async def run_probe_async(
    model: Any, probe: Any, prompts: Iterable[Prompt], **keywords: Unpack[RunKeywords]
) -> ProbeResults:
    """Run `probe` on `model` over `prompts`, in one awaited call."""
    return await AsyncProbeRunner(model, probe).run(prompts, **keywords)


@overload
def run_experiment_from_config(
    source: Source, *, return_experiment: Literal[True], **keywords: Unpack[RunKeywords]
) -> list[ExperimentResult]: ...
@overload
def run_experiment_from_config(
    source: Source, *, return_experiment: Literal[False] | None = None, **keywords: Unpack[RunKeywords]
) -> ProbeResults: ...
def run_experiment_from_config(
    source: Source,
    **keywords: Any,  # RunKeywords; anything else is refused
) -> ProbeResults | list[ExperimentResult]:
    """Run an experiment file, or a mapping of the same shape (its paths relative to the working folder).

    Returns all results, by model and probe in the order of the file, then in input order; or, with
    `return_experiment`, one ExperimentResult for each model and probe. What is set here wins over the file.
    Without `run_dir` and `run_root` nothing is stored.
    """
    wanted = derive(keywords, None)
    if isinstance(source, Mapping):
        experiment = parse_experiment(source, folder=Path.cwd())
        return run_blocking(_run_experiment(_with_config(experiment, wanted), Path.cwd(), wanted))
    path = as_path("source", source)
    loaded = read_experiment(path)
    with loaded.placing_errors():
        experiment = _with_config(loaded.experiment, wanted)
        return run_blocking(_run_experiment(experiment, path.resolve().parent, wanted))


def _with_config(experiment: Experiment, config: RunConfig) -> Experiment:
    return msgspec.structs.replace(
        experiment, execution=config.execution(experiment.execution), repeats=config.repeats or experiment.repeats
    )


async def _run_experiment(
    experiment: Experiment, folder: Path, config: RunConfig
) -> ProbeResults | list[ExperimentResult]:
    done = await run_job(Job(experiment=experiment, folder=folder), config)
    if not config.return_experiment:
        return ProbeResults(result for results in done.results.values() for result in results)
    return [
        replace(
            experiment_result(done.models[subject.model], done.probes[probe], results, done, config, experiment.name),
            prompt=subject.prompt,
        )
        for (subject, probe), results in done.results.items()
    ]


async def _run(model: Any, probe: Any, given: Iterable[Prompt], config: RunConfig) -> Results:
    usable = as_probe(probe, config.probe_options)
    # reading many prompts takes a while, which is not the loop's
    prompts = await asyncio.to_thread(Prompts, as_items(given), any_json=not isinstance(usable, PromptProbe))
    experiment = experiment_of(model, probe, config)
    job = Job(
        experiment=experiment,
        folder=Path(),
        parts=parts_of(model, usable, prompts),
        given=prompts.given,
        data_of=data_for(prompts, example_data),
    )
    done = await run_job(job, config)
    results = done.results[Subject(name_of(model)), name_of(probe)]
    if not config.return_experiment:
        return ProbeResults(results)
    return await asyncio.to_thread(experiment_result, model, probe, results, done, config, experiment.name)


def compare_runs(
    baseline: Folder | Sequence[Folder],
    candidate: Folder,
    *,
    fail_on: str | None = None,
    tolerance: int | None = None,
    options: CompareOptions | None = None,
) -> DecidedComparison:
    """Compare two sealed run directories: what changed, and the gate's verdict.

    Of several baseline runs, oldest first, the last is shown trial by trial and the statistics read all.
    The policy is the one in the candidate's experiment; `fail_on` and `tolerance` override it. Raises
    RunDirectoryError or CompareError.
    """
    gate = GateOverrides(settings={"fail_on": fail_on, "tolerance": tolerance})
    folders = baseline if isinstance(baseline, list | tuple) else (baseline,)
    if not folders:
        raise OptionError("baseline is empty", fix="give a run directory, or several, oldest first")
    runs = [SealedRun.open(local_run(as_path("baseline", folder))) for folder in folders]
    setup = ComparisonSetup(options=options or CompareOptions(), gate=gate)
    return compare_sealed(runs, [SealedRun.open(local_run(as_path("candidate", candidate)))], setup)
