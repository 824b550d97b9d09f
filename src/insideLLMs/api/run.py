"""Run an Experiment: prepare, ask, journal, seal."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from insideLLMs.api.answers import AnswerOptions, open_answers
from insideLLMs.api.preparation.begun import check_alone
from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.api.preparation.prepared import Parts, Prepared
from insideLLMs.api.run_upload import uploading, working
from insideLLMs.api.run_writer import MemorySink, RunWriter
from insideLLMs.core.errors import CassetteMissError, OptionError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.ray_options import RayOptions
from insideLLMs.core.record_views import read_record
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.types import JsonValue, Record, Request, Response, Scores, Telemetry, Usage
from insideLLMs.execute.adapt import example_data
from insideLLMs.execute.budget import Budget
from insideLLMs.execute.engine import Engine
from insideLLMs.execute.progress import ProgressCallback, ProgressCounter
from insideLLMs.execute.signals import obeying_signals
from insideLLMs.execute.sink import SLOW_FLUSH_S, Sink
from insideLLMs.execute.wanted import WantedAnswers
from insideLLMs.execute.work import AnswerStore, EngineOptions
from insideLLMs.plan import Plan, Trial
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.directory import RunDirectory, free_run_dir, run_name
from insideLLMs.store.journal import Journal
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.sealed_run import BATCHES
from insideLLMs.store.working_run import check_in_one_piece

if TYPE_CHECKING:  # what few runs need is imported by these
    from insideLLMs.api.preparation.cassette_check import CassetteCheck
    from insideLLMs.execute.remote.crews import OpenCrews
    from insideLLMs.execute.remote.dispatcher import Dispatcher

logger = logging.getLogger(__name__)
_AHEAD_EVERY_S = 0.01
_AHEAD_RECORDS = 32
"""At most so many records at a time, which take less than a millisecond of the loop's."""


Judged = Callable[[Trial, Response], Scores | None]
"""Returns what judges said of a Trial's answer before; None where they are to be asked."""


class Ask(Protocol):
    """Asks every Trial that the sink lacks; of `answers`, else of those of the run, and into `wanted` if there is.

    `judged` is what EngineOptions has by that name. Raises BudgetSpentError where models are to be asked, and nothing
    of the `budget` is left.
    """

    @property
    def budget(self) -> Budget | None: ...

    async def __call__(
        self,
        sink: Sink,
        *,
        answers: AnswerStore | None = None,
        wanted: WantedAnswers | None = None,
        judged: Judged | None = None,
    ) -> None: ...


Rounds = Callable[[Prepared, Journal, Ask], Awaitable[Mapping[str, JsonValue]]]
"""Asks a run in several rounds, and returns notes for its manifest."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run is stored, what may happen to what is there already, and how the run goes on.

    `salvage` lets a resume leave out damaged journal lines. `handle_signals` makes SIGINT and SIGTERM finish
    what is in flight, and a second one stop at once; only the main thread hears of them. `data_of` says what a
    simple-contract probe is given for a Trial, `probe_options` go to its `run`. Without `rounds` all is asked at
    once. `ray` says where a cluster is that asks the models; `open_crews` are its workers. `check` raises
    InsideLLMsError for what such rounds cannot take, before anything is written. `begin` is given the folder, and
    returns what the journal notes of the run from its first line on.
    """

    run_dir: Path | RemoteUrl | None = None
    run_root: Path | RemoteUrl = Path("runs")
    resume: bool = False
    overwrite: bool = False
    salvage: bool = False
    handle_signals: bool = False
    notes: Mapping[str, JsonValue] = {}
    answers: AnswerOptions = msgspec.field(default_factory=AnswerOptions)
    progress: ProgressCallback | None = None
    data_of: Callable[[Trial], object] | None = None
    probe_options: Mapping[str, object] = {}
    rounds: Rounds | None = None
    ray: RayOptions | None = None
    open_crews: "OpenCrews | None" = None
    check: Callable[[Prepared], object] | None = None
    begin: Callable[[Path, Prepared], Mapping[str, JsonValue]] | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed run."""

    path: Path
    manifest: Manifest
    summary: Summary


async def arun(
    experiment: Experiment, *, folder: Path, options: RunOptions | None = None, parts: Parts | None = None
) -> Run:
    """Run `experiment`, whose relative names are looked up in `folder`, into a run directory and seal it.

    Raises InsideLLMsError; the run directory can then be resumed.
    """
    options = options or RunOptions()
    recorded = await asyncio.to_thread(options.answers.recorded)
    prepared = await asyncio.to_thread(prepare, experiment, folder=folder, parts=parts, recorded=recorded)
    try:
        if options.ray is None:
            return await run_prepared(prepared, options)
        check_fits(options, parts)
        from insideLLMs.api.workers.kit import RunSite  # noqa: PLC0415
        from insideLLMs.api.workers.ray_crews import ray_crews  # noqa: PLC0415 - few runs have a cluster

        site = RunSite(folder=folder, is_resumed=options.resume, recorded=recorded)
        async with ray_crews(prepared, options.ray, site) as open_crews:
            return await run_prepared(prepared, msgspec.structs.replace(options, open_crews=open_crews))
    finally:
        await prepared.aclose()


def check_fits(options: RunOptions, parts: Parts | None) -> None:
    """Raise OptionError for what cannot travel to the workers of a cluster."""
    if parts is not None or options.data_of is not None or options.probe_options:
        raise OptionError(
            "objects of this process cannot travel to the workers of a cluster",
            fix="name models and probes by their type in an experiment file",
        )


async def run_prepared(prepared: Prepared, options: RunOptions) -> Run:
    """Ask, store and seal what was prepared."""
    if options.check is not None:
        options.check(prepared)
    budget = make_budget(prepared)
    async with working(await asyncio.to_thread(place_of, prepared, options)) as work:
        if options.resume:
            check_in_one_piece(work.place)
            if options.begin is None:
                check_alone(work.path)
        notes = {} if options.begin is None else await asyncio.to_thread(options.begin, work.path, prepared)
        with open_answers(options.answers, prepared) as answers:
            directory = await asyncio.to_thread(
                RunDirectory.open,
                work.path,
                prepared.facts.header(prepared.plan.answers_id, notes),
                resume=options.resume,
                overwrite=options.overwrite,
                salvage=options.salvage,
            )
            explained = explaining_misses(prepared, options.answers)
            with directory, RunWriter(prepared.facts, directory) as writer, explained:
                async with uploading(work.upload, directory.journal):
                    return await _run_in(directory, writer, prepared, options, answers, budget)


def place_of(prepared: Prepared, options: RunOptions) -> Path | RemoteUrl:
    """Return where the run is to lie."""
    name, run_id, root = prepared.experiment.name, prepared.plan.run_id, options.run_root
    if options.run_dir is not None:
        return options.run_dir
    if isinstance(root, Path):
        return free_run_dir(root, name, run_id)
    from insideLLMs.store.remote.upload import free_place  # noqa: PLC0415 - only for a URL

    return free_place(root, run_name(name, run_id))


async def _run_in(
    directory: RunDirectory,
    writer: RunWriter,
    prepared: Prepared,
    options: RunOptions,
    answers: AnswerStore | None,
    budget: Budget | None,
) -> Run:
    plan, journal = prepared.plan, directory.journal
    for warning in journal.warnings:
        logger.warning("%s", warning)
    logger.info("run started", extra={"run_id": plan.run_id, "trials": plan.total, "resumed": journal.resumed})
    try:
        async with writing_ahead(writer):
            notes = await _ask(prepared, journal, options, answers, budget)
    except CassetteMissError:
        if not journal.resumed:  # nothing was paid, so nothing is kept that would be in the way of the next run
            await asyncio.to_thread(directory.clear)
        raise
    manifest, summary = await asyncio.to_thread(writer.seal, {**options.notes, **notes})
    logger.info("run sealed", extra={"run_id": plan.run_id})
    return Run(path=directory.path, manifest=manifest, summary=summary)


async def run_in_memory(prepared: Prepared, options: RunOptions) -> tuple[MemorySink, Summary]:
    """Ask what was prepared, and store nothing."""
    sink = MemorySink()
    budget = make_budget(prepared)
    with open_answers(options.answers, prepared) as answers, explaining_misses(prepared, options.answers):
        await execute(prepared, sink, options, EngineOptions(answers=answers, budget=budget))
    return sink, prepared.facts.summary_of(line for _, line, _ in sink.entries())


@contextlib.contextmanager
def explaining_misses(prepared: Prepared, answers: AnswerOptions) -> Iterator[None]:
    """Say of a cassette that lacks an answer how many it lacks, what changed, and how to record them."""
    try:
        yield
    except CassetteMissError as error:
        from insideLLMs.api.preparation.cassette_check import check_cassette  # noqa: PLC0415 - few runs miss one

        assert answers.replay is not None
        found = check_cassette(prepared, answers.replay)
        more = f"; {found.words}" if found.missing else ""
        raise CassetteMissError(
            f"{error.message}{more}",
            fix=f"record what is missing, where the model can be asked: --record {answers.replay} --missing",
        ) from error


async def acheck_cassette(experiment: Experiment, *, folder: Path, cassette: Path) -> "CassetteCheck":
    """Say what a replay of `experiment` would miss. Judges and such are replayed in memory; no model is asked."""
    from insideLLMs.api.preparation.cassette_check import check_cassette  # noqa: PLC0415 - few runs have one

    answers = AnswerOptions(replay=cassette)
    recorded = await asyncio.to_thread(answers.recorded)
    prepared = await asyncio.to_thread(prepare, experiment, folder=folder, recorded=recorded)
    try:
        found = await asyncio.to_thread(check_cassette, prepared, cassette)
        if found.whole or found.missing:
            return found
        try:
            await run_in_memory(prepared, RunOptions(answers=answers))
        except CassetteMissError as error:
            return msgspec.structs.replace(found, missing=1, first=error.message)
        return found
    finally:
        await prepared.aclose()


async def _ask(
    prepared: Prepared, journal: Journal, options: RunOptions, answers: AnswerStore | None, budget: Budget | None
) -> Mapping[str, JsonValue]:
    """Ask every Trial that the journal lacks; return what the manifest notes of it."""
    if budget is not None:
        await asyncio.to_thread(count_spent, budget, journal, prepared.plan)
    ask = _Asking(prepared=prepared, journal=journal, options=options, answers=answers, budget=budget)
    if options.rounds is not None:
        return await options.rounds(prepared, journal, ask)
    if not journal.path.with_name(BATCHES).exists():
        await ask(journal)
        return {}
    from insideLLMs.store.batch_log import BatchLog  # noqa: PLC0415 - few runs were begun in batches

    with BatchLog.beside(journal) as earlier:
        await ask(journal, answers=earlier if answers is None else answers)
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """See Ask."""

    prepared: Prepared
    journal: Journal
    options: RunOptions
    answers: AnswerStore | None
    budget: Budget | None

    async def __call__(
        self,
        sink: Sink,
        *,
        answers: AnswerStore | None = None,
        wanted: WantedAnswers | None = None,
        judged: Judged | None = None,
    ) -> None:
        spent = self.budget.reached() if self.budget is not None and wanted is None else None
        if spent is not None:
            raise spent
        found = self.answers if answers is None else answers
        means = EngineOptions(answers=found, wanted=wanted, budget=self.budget)
        means = means if judged is None else msgspec.structs.replace(means, judged=judged)
        await execute(self.prepared, sink, self.options, means, resumed=self.journal.count_done())


@contextlib.asynccontextmanager
async def writing_ahead(writer: RunWriter) -> AsyncIterator[None]:
    """Write what is final while models think; an error of the writing is raised at the block's end."""
    writing = asyncio.create_task(_write_ahead(writer))
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.wait([writing])
    if not writing.cancelled():
        writing.result()


async def _write_ahead(writer: RunWriter) -> None:
    now = asyncio.get_running_loop().time
    started = now()
    while now() - started < SLOW_FLUSH_S:
        await asyncio.sleep(_AHEAD_EVERY_S)
        started = now()
        if not writer.write_ahead(_AHEAD_RECORDS):
            logger.info("the disk has little room: records are written once all trials are answered")
            return
    logger.info("the disk is slow: the other records are written once all trials are answered")


async def execute(
    prepared: Prepared,
    sink: Sink,
    options: RunOptions,
    means: EngineOptions,
    *,
    resumed: int = 0,
) -> None:
    """Let the engine run every missing Trial into `sink`. Raises InterruptedRunError after a signal."""
    counts = ProgressCounter(options.progress, total=prepared.plan.total, resumed=resumed, clock=time.monotonic)
    means = msgspec.structs.replace(
        means,
        is_resumed=options.resume,
        data_of=options.data_of or example_data,
        probe_options=options.probe_options,
    )
    engine = _engine(prepared, sink, counts, means, options.open_crews)
    obeys = options.handle_signals and threading.current_thread() is threading.main_thread()
    async with obeying_signals(engine, sink.flush) if obeys else contextlib.nullcontext():
        await engine.run()


def _engine(
    prepared: Prepared, sink: Sink, counts: ProgressCounter, means: EngineOptions, open_crews: "OpenCrews | None"
) -> "Engine | Dispatcher":
    if open_crews is None:
        return Engine(prepared, sink, counts, means)
    if means.wanted is not None:
        raise OptionError("a batch is asked in rounds, not by the workers of a cluster", fix="leave --executor ray out")
    from insideLLMs.execute.remote.dispatcher import Dispatcher  # noqa: PLC0415 - few runs have a cluster

    return Dispatcher(prepared, sink, counts, means, open_crews)


def make_budget(prepared: Prepared) -> Budget | None:
    """Return the run's budget, None if nothing bounds it. Raises OptionError if a price is needed and not known."""
    execution = prepared.execution
    if execution.max_tokens is None and execution.max_cost_usd is None:
        return None
    return Budget(execution, prepared.identities)


def count_spent(budget: Budget, journal: Journal, plan: Plan) -> None:
    """Count what the journal's answers cost, scored or not."""
    for index, answer in journal.pending_answers():
        if not answer.telemetry.cached:
            model = plan.subject_at(index).model
            budget.spend(model, answer.request, answer.response, batched=answer.telemetry.batched)
        _count_own_calls(budget, answer.telemetry, answer.request, answer.response)
    for entry in journal.entries():
        record = read_record(entry.record, Record)
        if record.response is None:
            continue
        request = record.request or record.example.request()
        telemetry = msgspec.json.decode(entry.telemetry, type=Telemetry)
        if not (telemetry.cached or telemetry.shared):
            budget.spend(record.model, request, record.response, batched=telemetry.batched)
        _count_own_calls(budget, telemetry, request, record.response)


def _count_own_calls(budget: Budget, telemetry: Telemetry, request: Request, response: Response) -> None:
    """Count what the models cost that the probe asked; one that counts no tokens has read the answer at least."""
    for call in telemetry.judges:
        if not call.cached:
            usage = Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens)
            read = msgspec.structs.replace(response, usage=usage)
            budget.spend(call.model, request, read, batched=call.batched)
