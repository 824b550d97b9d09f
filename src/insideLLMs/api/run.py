"""Run an Experiment: prepare, execute, journal, seal."""

import asyncio
import contextlib
import functools
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from insideLLMs.api.answers import AnswerOptions, open_answers
from insideLLMs.api.budget import count_spent, make_budget
from insideLLMs.api.prepare import Parts, Prepared, prepare
from insideLLMs.api.seal import Sealer
from insideLLMs.compare.summary import Summary
from insideLLMs.core.errors import InsideLLMsError, InterruptedRunError
from insideLLMs.core.types import Experiment, JsonValue, expand
from insideLLMs.execute.answers import AnswerStore
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.engine import SLOW_FLUSH_S, Engine, Sink, Work
from insideLLMs.execute.progress import Progress, ProgressCallback
from insideLLMs.plan import Trial
from insideLLMs.store.directory import RunDirectory, State, state_of
from insideLLMs.store.manifest import Manifest

logger = logging.getLogger(__name__)
_AHEAD_EVERY_S = 0.005
_AHEAD_RECORDS = 16
"""At most so many records at a time, which take less than a millisecond of the loop's."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run is stored, and what may happen to what is there already.

    `salvage` lets a resume leave out damaged journal lines. `handle_signals` makes SIGINT and SIGTERM finish
    what is in flight, and a second one stop at once; it needs the main thread.
    """

    run_dir: Path | None = None
    run_root: Path = Path("runs")
    resume: bool = False
    overwrite: bool = False
    salvage: bool = False
    handle_signals: bool = False
    notes: Mapping[str, JsonValue] | None = None
    answers: AnswerOptions = msgspec.field(default_factory=AnswerOptions)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed run."""

    path: Path
    manifest: Manifest
    summary: Summary
    warnings: tuple[str, ...] = ()


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """What a run draws on beside its models: answers that need no call, and what it may spend."""

    answers: AnswerStore | None = None
    budget: Budget | None = None


async def arun(
    experiment: Experiment,
    *,
    folder: Path,
    options: RunOptions | None = None,
    parts: Parts | None = None,
    progress: ProgressCallback | None = None,
) -> Run:
    """Run `experiment`, whose relative names are looked up in `folder`, into a run directory and seal it.

    Raises InsideLLMsError; the run directory can then be resumed.
    """
    options = options or RunOptions()
    recorded = await asyncio.to_thread(options.answers.recorded)
    prepared = await asyncio.to_thread(prepare, experiment, folder=folder, parts=parts, recorded=recorded)
    try:
        return await run_prepared(prepared, options, progress)
    finally:
        await prepared.aclose()


async def run_prepared(
    prepared: Prepared,
    options: RunOptions,
    progress: ProgressCallback | None,
    *,
    data_of: Callable[[Trial], Any] | None = None,
    probe_options: Mapping[str, Any] | None = None,
) -> Run:
    """Execute and seal what was prepared."""
    plan = prepared.plan
    budget = make_budget(prepared)
    path = options.run_dir or free_run_dir(options.run_root, prepared.experiment.name, plan.run_id)
    directory = await asyncio.to_thread(
        RunDirectory.open,
        path,
        run_id=plan.run_id,
        total=plan.total,
        resume=options.resume,
        overwrite=options.overwrite,
        salvage=options.salvage,
    )
    with directory, contextlib.closing(WriteAhead(functools.partial(Sealer, prepared, directory))) as ahead:
        for warning in directory.journal.warnings:
            logger.warning("%s", warning)
        logger.info(
            "run started", extra={"run_id": plan.run_id, "trials": plan.total, "resumed": directory.journal.resumed}
        )
        try:
            with open_answers(options.answers, prepared.asked, is_resumed=options.resume) as answers:
                supply = Supply(answers=answers, budget=await asyncio.to_thread(count_spent, budget, directory.journal))
                async with ahead.while_running():
                    await execute(
                        prepared,
                        directory.journal,
                        progress,
                        resumed=directory.journal.resumed,
                        data_of=data_of,
                        probe_options=probe_options,
                        handle_signals=options.handle_signals,
                        supply=supply,
                    )
        except InsideLLMsError as error:
            error.run_dir = path
            raise
        manifest, summary = await asyncio.to_thread(ahead.seal, dict(options.notes or {}))
        logger.info("run sealed", extra={"run_id": plan.run_id})
    return Run(path=path, manifest=manifest, summary=summary, warnings=tuple(directory.journal.warnings))


class WriteAhead:
    """Seals a run, and writes what is final while models think, so that little is left after the last answer.

    Where the disk is slow or nearly full, all that is left is written at the end.
    """

    def __init__(self, make_sealer: Callable[[], Sealer]) -> None:
        self._make_sealer = make_sealer
        self._sealer = make_sealer()

    @contextlib.asynccontextmanager
    async def while_running(self) -> AsyncIterator[None]:
        """Write for as long as the block runs; an error of the writing is raised at its end."""
        writing = asyncio.create_task(self._write())
        try:
            yield
        finally:
            writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing

    def seal(self, notes: dict[str, JsonValue]) -> tuple[Manifest, Summary]:
        """Write the rest and seal. Raises StorageError."""
        return self._sealer.finish(notes)

    def close(self) -> None:
        """Give back what is held."""
        self._sealer.close()

    async def _write(self) -> None:
        now = asyncio.get_running_loop().time
        started = now()
        while now() - started < SLOW_FLUSH_S:
            await asyncio.sleep(_AHEAD_EVERY_S)
            started = now()
            if not self._sealer.write_ahead(_AHEAD_RECORDS):
                logger.info("the disk has little room: all is written once all is answered")
                self._sealer.close()
                self._sealer = self._make_sealer()
                return
        logger.info("the disk is slow: the rest is written once all is answered")


async def execute(  # noqa: PLR0913 - each says another thing of the run
    prepared: Prepared,
    sink: Sink,
    progress: ProgressCallback | None,
    *,
    resumed: int = 0,
    data_of: Callable[[Trial], Any] | None = None,
    probe_options: Mapping[str, Any] | None = None,
    handle_signals: bool = False,
    supply: Supply | None = None,
) -> None:
    """Let the engine run every missing Trial into `sink`. Raises InterruptedRunError after a signal."""
    work = Work(
        plan=prepared.plan,
        models=prepared.members,
        probes=prepared.probes,
        datasets=prepared.datasets,
        execution=prepared.experiment.execution,
        data_of=data_of or example_data,
        probe_options=probe_options or {},
        answers=supply.answers if supply else None,
        budget=supply.budget if supply else make_budget(prepared),
        judges=prepared.judges,
    )
    counts = Progress(progress, total=prepared.plan.total, resumed=resumed, clock=time.monotonic)
    engine = Engine(work, sink, counts, prepared.threads)
    if not handle_signals:
        await engine.run()
        return
    with _Signals(engine):
        await engine.run()


class _Signals:
    """SIGINT and SIGTERM: the first lets what is in flight finish, the second cancels."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._received)

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)

    def _received(self) -> None:
        if self._engine.stopping:
            assert self._task is not None
            self._task.cancel()
        else:
            logger.warning("stopping: waiting for the calls in flight; interrupt again to stop at once")
            self._engine.stop(InterruptedRunError("interrupted"))


def example_data(trial: Trial) -> object:
    """Return what a simple-contract probe is given: the input alone, or the example under all its usual names."""
    example = trial.example
    if not example.expected and not example.fields:
        return example.input if isinstance(example.input, str) else _chat(trial)
    data: dict[str, JsonValue] = {"id": example.id, "example_id": example.id}
    for name in ("input", "prompt", "question"):
        data[name] = example.text
    if not isinstance(example.input, str):
        data["messages"] = _chat(trial)
    if example.expected:
        only = example.expected[0] if len(example.expected) == 1 else list(example.expected)
        data.update(dict.fromkeys(("expected", "answer", "ideal", "reference", "reference_answer"), only))
    return {**data, **example.fields}


def _chat(trial: Trial) -> list[dict[str, JsonValue]]:
    assert not isinstance(trial.example.input, str)
    return [expand(message) for message in trial.example.input]


def free_run_dir(root: Path, name: str, run_id: str) -> Path:
    """Return ``root/NAME-RUNID``, or the first of ``-2``, ``-3``, ... that is not taken."""
    base = root / f"{_file_name(name)}-{run_id[:12]}"
    path, number = base, 1
    while state_of(path) not in {State.ABSENT, State.EMPTY}:
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path


def _file_name(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name).strip("-")
    return kept[:60] or "run"
