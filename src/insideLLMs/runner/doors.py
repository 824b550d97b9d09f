"""ProbeRunner and AsyncProbeRunner: one model, one probe; prompts in, results in input order out."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from insideLLMs.api.run import example_data
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.execute.adapt import as_async_model
from insideLLMs.execute.threads import AbandonableThreads
from insideLLMs.runner.blocking import run_blocking
from insideLLMs.runner.job import Job, run_job
from insideLLMs.runner.options import RunConfig, RunKeywords, derive
from insideLLMs.runner.prompts import Prompt, Prompts, as_items
from insideLLMs.runner.results import ExperimentResult, ProbeResult
from insideLLMs.runner.subject import as_probe, data_for, experiment_of, experiment_result, name_of, parts_of

Results = list[ProbeResult] | ExperimentResult


class AsyncProbeRunner:
    """Runs `probe` on `model` over prompts, from a coroutine.

    A model is anything with `generate(prompt)`, sync or async, or a function of the prompt; a probe anything
    with `run(model, data)`, or a PromptProbe. Raises InsideLLMsError for what is neither.
    """

    def __init__(self, model: Any, probe: Any) -> None:  # Any: users' models and probes are duck-typed
        as_async_model(model, AbandonableThreads())
        as_probe(probe, {})
        self.model = model
        self.probe = probe

    @overload
    async def run(
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: Literal[True],
        config: RunConfig | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> ExperimentResult: ...
    @overload
    async def run(
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: Literal[False] | None = None,
        config: RunConfig | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> list[ProbeResult]: ...
    async def run(
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: bool | None = None,
        config: RunConfig | None = None,
        **keywords: Any,  # RunKeywords, and what the probe's own run() takes
    ) -> Results:
        """Run every prompt; the settings are those of RunConfig, where a keyword wins over `config`.

        Raises OptionError (a ValueError) before anything is spent; under `stop_on_error` ProbeExecutionError, or
        TrialTimeoutError, which is a TimeoutError too. Otherwise a failure is a result with its status.
        """
        return await _run(self.model, self.probe, prompts, settings(self.probe, config, return_experiment, keywords))


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
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: Literal[True],
        config: RunConfig | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> ExperimentResult: ...
    @overload
    def run(
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: Literal[False] | None = None,
        config: RunConfig | None = None,
        **keywords: Unpack[RunKeywords],
    ) -> list[ProbeResult]: ...
    def run(
        self,
        prompts: Iterable[Prompt],
        *,
        return_experiment: bool | None = None,
        config: RunConfig | None = None,
        **keywords: Any,  # RunKeywords, and what the probe's own run() takes
    ) -> Results:
        """Do what `AsyncProbeRunner.run` does, and wait for it."""
        wanted = settings(self.probe, config, return_experiment, keywords)
        return run_blocking(_run(self.model, self.probe, prompts, wanted))


def run_probe(model: Any, probe: Any, prompts: Iterable[Prompt], **keywords: Unpack[RunKeywords]) -> list[ProbeResult]:
    """Run `probe` on `model` over `prompts`, in one call."""
    return ProbeRunner(model, probe).run(prompts, **keywords)


async def run_probe_async(
    model: Any, probe: Any, prompts: Iterable[Prompt], **keywords: Unpack[RunKeywords]
) -> list[ProbeResult]:
    """Run `probe` on `model` over `prompts`, in one awaited call."""
    return await AsyncProbeRunner(model, probe).run(prompts, **keywords)


def settings(
    probe: Any, config: RunConfig | None, return_experiment: bool | None, keywords: dict[str, Any]
) -> RunConfig:
    """Join a config and keywords; see `derive`."""
    if return_experiment is not None:
        keywords = {**keywords, "return_experiment": return_experiment}
    return derive(config, keywords, probe)


async def _run(model: Any, probe: Any, given: Iterable[Prompt], config: RunConfig) -> Results:
    usable = as_probe(probe, config.probe_options)
    # reading many prompts takes a while, which is not the loop's
    prompts = await asyncio.to_thread(Prompts, as_items(given), any_json=not isinstance(usable, PromptProbe))
    experiment = experiment_of(model, probe, config)
    job = Job(
        experiment=experiment,
        folder=Path(),
        parts=parts_of(model, usable, prompts),
        given=lambda record: prompts.item(record.example_id),
        data_of=data_for(prompts, example_data),
    )
    done = await run_job(job, config)
    results = done.results[name_of(model), name_of(probe)]
    if not config.return_experiment:
        return list(results)
    return await asyncio.to_thread(experiment_result, model, probe, results, done, config, experiment.name)
