"""Run an experiment as shards in several processes of this machine, and merge them into the one run.

The shards lie in the run directory, or below its URL, until the run is sealed, so that it can be resumed however it
ended, also on another machine.
"""

import asyncio
import contextlib
import logging
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

import msgspec

from insideLLMs.api.preparation.prepare import prepare
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import Run, RunOptions, place_of
from insideLLMs.api.run_upload import uploading, working
from insideLLMs.api.run_writer import RunWriter
from insideLLMs.api.shards.merging import open_shards, write_merged
from insideLLMs.api.shards.shard_process import Advanced, Logged, ShardJob, Stopped, job_line, read_said
from insideLLMs.core.errors import BudgetSpentError, ExitCode, InsideLLMsError, InterruptedRunError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.shard import Shard
from insideLLMs.execute.progress import ProgressInfo
from insideLLMs.execute.signals import obeying_signals
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.remote.run import fetch_run, local_run
from insideLLMs.store.sealed_run import SealedRun, State, state_of
from insideLLMs.store.shard_folders import make_shard_folders, remove_shards, shard_place
from insideLLMs.store.working_run import WorkingRun

logger = logging.getLogger(__name__)
MOST_KILLS = 3
_LONGEST_LINE_BYTES = 16 * 1024 * 1024
_MODULE = "insideLLMs.api.shards.shard_process"
_START = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {_MODULE} import main; main()"
"""Finds modules where this process does: not in the working folder, unless this process looks there too."""


async def run_in_processes(experiment: Experiment, *, folder: Path, options: RunOptions, count: int) -> Run:
    """Run `experiment` in `count` processes into one run directory, and seal it.

    A run that is resumed goes on in as many as it began with. Raises InsideLLMsError; the run directory can then be
    resumed.
    """
    recorded = await asyncio.to_thread(options.answers.recorded)
    prepared = await asyncio.to_thread(prepare, experiment, folder=folder, recorded=recorded)
    await prepared.aclose()
    place = await asyncio.to_thread(place_of, prepared, options)
    async with working(place) as work:
        with await _opened(work.path, prepared, options) as directory, RunWriter(prepared.facts, directory) as writer:
            crew = _Crew(prepared, work, folder, options, count)
            async with uploading(work.upload, directory.journal, processes=count):
                await asyncio.to_thread(_make_places, work, crew.shards, resume=options.resume)
                with _keeping_shards(work):
                    async with obeying_signals(crew, directory.journal.flush):
                        await crew.run()
                shards = await asyncio.to_thread(open_shards, [local_run(str(each)) for each in crew.places.values()])
                manifest, summary = await asyncio.to_thread(write_merged, shards, directory, writer)
            remove_shards(work.path)
    return Run(path=work.path, manifest=manifest, summary=summary)


def _opened(path: Path, prepared: Prepared, options: RunOptions) -> Awaitable[RunDirectory]:
    return asyncio.to_thread(
        RunDirectory.open,
        path,
        prepared.facts.header(prepared.plan.answers_id),
        resume=options.resume,
        overwrite=options.overwrite,
        salvage=options.salvage,
    )


def _make_places(work: WorkingRun, shards: Sequence[Shard], *, resume: bool) -> None:
    """Make where the shards lie; at a URL what a run left there that this one replaces is removed."""
    make_shard_folders(work.path, shards)
    if work.upload is not None and not resume:
        from insideLLMs.store.remote.upload import remove_shard_objects  # noqa: PLC0415 - only for a URL

        remove_shard_objects(work.upload.url)


@contextlib.contextmanager
def _keeping_shards(work: WorkingRun) -> Iterator[None]:
    """Where the run stops before a process has uploaded anything, leave nothing that says that there are shards."""
    try:
        yield
    except InsideLLMsError:
        if work.upload is not None and not work.upload.has_shards():
            remove_shards(work.path)
        raise


class _Crew:
    """The processes of one run. `stop` lets them finish what is in flight; cancelling `run` kills them."""

    def __init__(self, prepared: Prepared, work: WorkingRun, folder: Path, options: RunOptions, count: int) -> None:
        self.shards = Shard.all_of(count)
        self.places = {shard: shard_place(work.place, shard) for shard in self.shards}
        self.stopping = False
        self._prepared = prepared
        self._folder = folder
        self._options = options
        self._error: Exception | None = None
        self._running: set[Process] = set()
        self._advanced: dict[Shard, Advanced] = {}
        self._said: set[str] = set()
        self._started_s = time.monotonic()

    def stop(self, error: Exception | None = None) -> None:
        """Start nothing more; `error` is raised once all processes have ended."""
        self.stopping = True
        self._error = self._error or error
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):  # it has ended just now
                process.terminate()

    async def run(self) -> None:
        """Run every shard until it is sealed. Raises the error that stopped the run."""
        async with asyncio.TaskGroup() as group:
            for shard in self.shards:
                if not await asyncio.to_thread(_is_done, self.places[shard]):
                    group.create_task(self._run_shard(shard))
        if self._error is not None:
            raise self._error

    async def _run_shard(self, shard: Shard) -> None:
        """Run one shard; where its process is killed, another goes on from its journal."""
        for _ in range(MOST_KILLS):
            if self.stopping:
                return
            code = await self._run_process(shard)
            if code >= 0 and code != ExitCode.INTERRUPTED:
                return
            if not self.stopping:
                logger.warning("shard %s: its process was killed (%d); another goes on from its journal", shard, code)
        self.stop(
            InsideLLMsError(
                f"shard {shard}: {MOST_KILLS} processes were killed, one after the other",
                fix="is there enough memory for so many processes? Resume, or start again with fewer",
            )
        )

    async def _run_process(self, shard: Shard) -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _START, msgspec.json.encode(sys.path).decode()),
            stdin=PIPE, stdout=PIPE, start_new_session=True, limit=_LONGEST_LINE_BYTES,
        )  # fmt: skip
        self._running.add(process)
        try:
            if self.stopping:  # since it was asked for
                process.terminate()
            return await self._listen(shard, process)
        finally:
            self._running.discard(process)
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _listen(self, shard: Shard, process: Process) -> int:
        """Give a process its job, and take what it says until it ends."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(job_line(self._job(shard)))  # and left open: its end is ours
        is_said = False
        while line := await process.stdout.readline():
            is_said = self._take(shard, line) or is_said
        code = await process.wait()
        if code > 0 and not is_said and not self.stopping:
            self.stop(_ended(shard, code))
        return code

    def _take(self, shard: Shard, line: bytes) -> bool:
        """Take a line; True for the error that ended the process."""
        match read_said(line):
            case Advanced() as advanced:
                self._advanced[shard] = advanced
                self._show()
            case Logged() as logged:
                if logged.message not in self._said:  # most warnings are those of every shard
                    self._said.add(logged.message)
                    logging.getLogger(logged.name).log(logged.level, "%s", logged.message)
            case Stopped() as stopped:
                self._end(stopped)
                return True
        return False

    def _end(self, stopped: Stopped) -> None:
        """Note why a process ended; the others go on only where it has spent its share of the budget."""
        error = InsideLLMsError(stopped.message, fix=stopped.fix)
        if stopped.error == BudgetSpentError.__name__:
            self._error = self._error or error
        elif stopped.error != InterruptedRunError.__name__ and not self.stopping:
            self.stop(error)

    def _job(self, shard: Shard) -> ShardJob:
        place = self.places[shard]
        return ShardJob(
            experiment=msgspec.structs.replace(self._prepared.experiment, shard=shard),
            folder=self._folder,
            place=str(place.absolute() if isinstance(place, Path) else place),
            answers=self._options.answers,
            resume=not isinstance(place, Path) or state_of(place) in {State.UNFINISHED, State.SEALED},
            salvage=self._options.salvage,
            log_level=logging.getLogger("insideLLMs").getEffectiveLevel(),
        )

    def _show(self) -> None:
        if self._options.progress is None:
            return
        found = self._advanced.values()
        self._options.progress(
            ProgressInfo(
                current=sum(each.current for each in found),
                total=self._prepared.plan.total,
                failed=sum(each.failed for each in found),
                resumed=sum(each.resumed for each in found),
                elapsed_s=time.monotonic() - self._started_s,
            )
        )


def _ended(shard: Shard, code: int) -> Exception:
    """Return the error for a process that ended without a word: a bug, or something in it that ended it."""
    told = f"the process of shard {shard} ended with code {code}"
    if code == ExitCode.UNEXPECTED:
        return RuntimeError(told)
    return InsideLLMsError(
        told, fix="does a model, probe or scorer of yours call os._exit? Then raise an error instead"
    )


def _is_done(place: Path | RemoteUrl) -> bool:
    """Whether a shard is sealed, and no trial of it failed."""
    path = fetch_run(place) if isinstance(place, RemoteUrl) else place
    if path is None or state_of(path) is not State.SEALED:
        return False
    manifest = SealedRun.open(path).manifest
    return manifest.statuses.get("success", 0) == manifest.trials
