"""One run for a Python caller: prepare, execute or resume, and read the results back in input order."""

import asyncio
import datetime as dt
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.api.preparation.prepared import Parts, Prepared
from insideLLMs.api.run import RunOptions, run_in_memory, run_prepared
from insideLLMs.compare.one_run.verdict import RunVerdict
from insideLLMs.core.errors import OptionError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.protocols import AsyncModel
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import JsonValue, Record
from insideLLMs.execute.adapt import UserModel
from insideLLMs.plan import Trial
from insideLLMs.remote.url import RemoteUrl, parse_place
from insideLLMs.runner.prompts import stored_input
from insideLLMs.runner.results import Lines, ProbeResult, lines_in_directory, lines_in_memory, result_of, verdict_of
from insideLLMs.runner.run_config import DEFAULT_ROOT, RunConfig
from insideLLMs.store.directory import free_run_dir, run_name
from insideLLMs.store.remote.upload import free_place

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run. `given` says what the caller gave for a record, `data_of` what a simple-contract probe gets."""

    experiment: Experiment
    folder: Path
    parts: Parts = field(default_factory=Parts)
    given: Callable[[Record], JsonValue] = lambda record: stored_input(record.example)
    data_of: Callable[[Trial], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A finished run: `results` by subject and probe id, each in input order; the made objects likewise."""

    run_id: str
    run_dir: Path | None
    results: Mapping[tuple[Subject, str], tuple[ProbeResult, ...]]
    summary: Summary
    verdict: RunVerdict | None
    models: Mapping[str, Any]
    probes: Mapping[str, Any]
    started_at: str
    ended_at: str


async def run_job(job: Job, config: RunConfig) -> Done:
    """Run, and give back everything. Raises InsideLLMsError; a run directory can then be resumed."""
    started_at = _now()
    recorded = await asyncio.to_thread(config.answers.recorded)
    prepared = await asyncio.to_thread(prepare, job.experiment, folder=job.folder, parts=job.parts, recorded=recorded)
    try:
        path = await asyncio.to_thread(place_of, config, prepared) if config.is_stored else None
        options = _options(job, config, path)
        lines, summary, run_dir = await (_in_memory if path is None else _stored)(prepared, options)
        results = await asyncio.to_thread(_results, job, prepared, lines, validate=config.validate_output)
        return Done(
            run_id=prepared.plan.run_id,
            run_dir=run_dir,
            results=results,
            summary=summary,
            verdict=await asyncio.to_thread(verdict_of, lines, prepared, summary),
            models={name: user_model(ready.model) for name, ready in prepared.models.items()},
            probes=prepared.probes,
            started_at=started_at,
            ended_at=_now(),
        )
    finally:
        await prepared.aclose()


def user_model(model: AsyncModel) -> Any:
    """Return the model as it was before it was adapted."""
    return model.model if isinstance(model, UserModel) else model


def place_of(config: RunConfig, prepared: Prepared) -> Path | RemoteUrl:
    """Choose the run directory. A resume by root alone goes on with the latest run of this name."""
    if config.run_dir is not None:
        return parse_place(os.fspath(config.run_dir))
    root = parse_place(os.fspath(config.run_root)) if config.run_root is not None else DEFAULT_ROOT
    if config.run_id is not None:
        return root / config.run_id
    name, run_id = prepared.experiment.name, prepared.plan.run_id
    if isinstance(root, RemoteUrl):
        if config.resume or config.overwrite:
            raise OptionError("run_root is a URL, below which no latest run is looked for", fix="give run_dir")
        return free_place(root, run_name(name, run_id))
    free = free_run_dir(root, name, run_id)
    return _latest_before(free, run_id) if config.resume or config.overwrite else free


def _latest_before(free: Path, run_id: str) -> Path:
    """Return the last taken name of the row ``x``, ``x-2``, ``x-3`` that `free` comes next in."""
    stem, short, tail = free.name.rpartition(run_id[:12])
    if not tail:
        return free
    number = int(tail.removeprefix("-")) - 1
    return free.with_name(f"{stem}{short}" + (f"-{number}" if number > 1 else ""))


def _options(job: Job, config: RunConfig, path: Path | RemoteUrl | None) -> RunOptions:
    return RunOptions(
        run_dir=path,
        resume=config.resume,
        overwrite=config.overwrite,
        answers=config.answers,
        progress=config.progress_callback,
        data_of=job.data_of,
        probe_options=dict(config.probe_options),
    )


async def _in_memory(prepared: Prepared, options: RunOptions) -> tuple[Lines, Summary, Path | None]:
    sink, summary = await run_in_memory(prepared, options)
    return lines_in_memory(sink), summary, None


async def _stored(prepared: Prepared, options: RunOptions) -> tuple[Lines, Summary, Path | None]:
    try:
        run = await run_prepared(prepared, options)
    except asyncio.CancelledError:
        logger.warning("interrupted; to continue, run the same with run_dir=%r and resume=True", str(options.run_dir))
        raise
    return await asyncio.to_thread(lines_in_directory, run.path), run.summary, run.path


def _results(
    job: Job, prepared: Prepared, lines: Lines, *, validate: bool
) -> dict[tuple[Subject, str], tuple[ProbeResult, ...]]:
    """Order by model, prompt and probe as the experiment names them, then dataset, input order, repeat."""
    finished = lines.decode(validate=validate)
    plan = prepared.plan
    groups = {(group.probe, group.dataset): group for group in plan.groups}
    results: dict[tuple[Subject, str], tuple[ProbeResult, ...]] = {}
    for subject in job.experiment.subjects:
        for probe in job.experiment.probes:
            indexes = [
                plan.index_of(groups[probe.id, dataset], rank, subject, repeat)
                for dataset in probe.datasets
                for rank, _ in prepared.datasets[dataset].examples()
                for repeat in range(plan.repeats)
            ]
            results[subject, probe.id] = tuple(
                result_of(record, telemetry, job.given(record))
                for record, telemetry in map(finished.__getitem__, indexes)
            )
    return results


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
