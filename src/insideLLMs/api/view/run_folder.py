"""A folder of runs as the home page of `insidellms view` lists it: read again at each request where it changed."""

import os
from dataclasses import replace
from pathlib import Path

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report.telemetry import read_telemetry
from insideLLMs.report.viewer.home_page import ListedRun, RunState
from insideLLMs.store.labels import LABELS, read_labels
from insideLLMs.store.progress import JournalWatch
from insideLLMs.store.run_root import FoundRun, look, run_paths
from insideLLMs.store.sealed_run import TELEMETRY, SealedRun, State

_TELEMETRY_BYTES = 32 * 1024 * 1024
"""So much telemetry is read for costs at one request, about a second's worth; the next request goes on from there."""
_MOST_TELEMETRY_BYTES = 8 * _TELEMETRY_BYTES
"""The telemetry of a larger run is not read here at all."""
_STATES = {State.SEALED: RunState.FINISHED, State.UNFINISHED: RunState.UNFINISHED, State.EMPTY: RunState.EMPTY}

Signature = tuple[tuple[str, int, int], ...]
"""Name, size and time of change of each file of a run."""


class RunFolder:
    """The runs right below a folder. `verdicts` are those of the last comparisons, by the candidate's name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.verdicts: dict[str, str] = {}
        self._watches: dict[str, JournalWatch] = {}
        self._listed: dict[str, tuple[Signature, ListedRun]] = {}
        self._unread_bytes = 0

    def names(self) -> tuple[str, ...]:
        """Return the names of the runs, sorted."""
        return tuple(path.name for path in run_paths(self.root)) if self.root.is_dir() else ()

    def entries(self) -> list[ListedRun]:
        """Return what there is to say of each run; one that goes under our eyes is left out."""
        found = []
        self._unread_bytes = _TELEMETRY_BYTES
        for name in self.names():
            try:
                found.append(replace(self._entry(name), verdict=self.verdicts.get(name, "")))
            except FileNotFoundError:
                continue
        return found

    def _entry(self, name: str) -> ListedRun:
        signature = _signature(self.root / name)
        known = self._listed.get(name)
        if known is None or known[0] != signature:
            known = (signature, self._read(name))
        listed = known[1]
        if listed.is_pending and self._unread_bytes > 0:
            listed = self._with_cost(listed)
        self._listed[name] = (signature, listed)
        return listed

    def _with_cost(self, listed: ListedRun) -> ListedRun:
        """Add what a run cost, None where that is not known or cannot be read."""
        run = SealedRun.open(self.root / listed.name)
        self._unread_bytes -= (run.path / TELEMETRY).lstat().st_size
        try:
            costs = [model.cost_usd for model in read_telemetry(run).models]
        except InsideLLMsError as error:
            return replace(listed, is_pending=False, problem=error.message)
        return replace(listed, is_pending=False, cost_usd=None if None in costs else sum(filter(None, costs)))

    def _read(self, name: str) -> ListedRun:
        path = self.root / name
        facts = look(path, self._watches.setdefault(name, JournalWatch(path)))
        state = _STATES.get(facts.state, RunState.DAMAGED)
        listed = _listed(name, facts, RunState.DAMAGED if facts.problem else state)
        if listed.state is not RunState.FINISHED:
            return listed
        try:
            return _with_results(listed, SealedRun.open(path))
        except InsideLLMsError as error:
            return replace(listed, state=RunState.DAMAGED, problem=error.message)


def _signature(path: Path) -> Signature:
    with os.scandir(path) as files:
        stats = ((file.name, file.stat(follow_symlinks=False)) for file in files)
        return tuple(sorted((name, found.st_size, found.st_mtime_ns) for name, found in stats))


def _listed(name: str, facts: FoundRun, state: RunState) -> ListedRun:
    manifest = facts.manifest
    return ListedRun(
        name=name,
        state=state,
        changed_s=facts.changed_s,
        statuses=facts.statuses,
        problem=facts.problem,
        experiment=facts.name,
        run_id=manifest.run_id if manifest else "",
        trials=facts.trials,
        models=facts.models,
        prompts=tuple(prompt.id for prompt in manifest.prompts) if manifest else (),
        probes=tuple(probe.id for probe in manifest.probes) if manifest else (),
        datasets=tuple(dataset.name for dataset in manifest.datasets) if manifest else (),
        part=str(manifest.part) if manifest and manifest.part else "",
    )


def _with_results(listed: ListedRun, run: SealedRun) -> ListedRun:
    """Add what a finished run came to. Raises RunDirectoryError for one that is not what was sealed."""
    listed = replace(listed, results=run.summary.results, is_pending=_can_read_cost(run))
    try:
        labels = read_labels(run.path / LABELS)
    except InsideLLMsError as error:  # which are no part of the run
        return replace(listed, problem=error.message)
    return replace(listed, labellers=tuple(sorted({label.by for label in labels})))


def _can_read_cost(run: SealedRun) -> bool:
    return run.has_telemetry and (run.path / TELEMETRY).lstat().st_size <= _MOST_TELEMETRY_BYTES
