"""An experiment file, or the same as a mapping, run from Python."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import msgspec

from insideLLMs.config import load_experiment, parse_experiment
from insideLLMs.core.types import Experiment, JsonValue
from insideLLMs.runner.blocking import run_blocking
from insideLLMs.runner.job import Job, run_job
from insideLLMs.runner.options import RunConfig, RunKeywords, derive
from insideLLMs.runner.results import ExperimentResult, ProbeResult
from insideLLMs.runner.subject import experiment_result

Source = str | os.PathLike[str] | Mapping[str, JsonValue]


@overload
def run_experiment_from_config(
    source: Source,
    *,
    return_experiment: Literal[True],
    config: RunConfig | None = None,
    **keywords: Unpack[RunKeywords],
) -> list[ExperimentResult]: ...
@overload
def run_experiment_from_config(
    source: Source,
    *,
    return_experiment: Literal[False] | None = None,
    config: RunConfig | None = None,
    **keywords: Unpack[RunKeywords],
) -> list[ProbeResult]: ...
def run_experiment_from_config(
    source: Source,
    *,
    return_experiment: bool | None = None,
    config: RunConfig | None = None,
    **keywords: Any,  # RunKeywords; anything else is refused
) -> list[ProbeResult] | list[ExperimentResult]:
    """Run an experiment file, or a mapping of the same shape (its paths relative to the working folder).

    Returns all results, by model and probe in the order of the file, then in input order; or, with
    `return_experiment`, one ExperimentResult for each model and probe. What is set here wins over the file.
    Without `run_dir` and `run_root` nothing is stored.
    """
    if return_experiment is not None:
        keywords = {**keywords, "return_experiment": return_experiment}
    settings = derive(config, keywords, None)
    experiment, folder = _load(source)
    return run_blocking(_run(_with(experiment, settings), folder, settings))


def _load(source: Source) -> tuple[Experiment, Path]:
    if isinstance(source, Mapping):
        return parse_experiment(source, folder=Path.cwd()), Path.cwd()
    path = Path(source)
    return load_experiment(path), path.resolve().parent


def _with(experiment: Experiment, config: RunConfig) -> Experiment:
    return msgspec.structs.replace(
        experiment,
        execution=config.execution(experiment.execution),
        repeats=config.repeats or experiment.repeats,
    )


async def _run(experiment: Experiment, folder: Path, config: RunConfig) -> list[ProbeResult] | list[ExperimentResult]:
    done = await run_job(Job(experiment=experiment, folder=folder), config)
    if not config.return_experiment:
        return [result for results in done.results.values() for result in results]
    return [
        experiment_result(done.models[model], done.probes[probe], results, done, config, experiment.name)
        for (model, probe), results in done.results.items()
    ]
