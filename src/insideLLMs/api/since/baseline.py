"""The run whose answers are reused: opened, held against what can be reused, and its records at hand."""

import contextlib
import re
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Self

import insideLLMs
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.since import ReusedFrom, since_facts
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Record, ResultStatus, Telemetry
from insideLLMs.execute.work import request_key
from insideLLMs.plan import FORMAT_VERSION
from insideLLMs.plugins import probe_registry
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.pool import LEDGER, read_pool
from insideLLMs.store.sealed_run import SealedRun, is_regular

_RUN_ALL = "run the whole experiment once, without --since, and give that run"
NOWHERE = -1
"""The place of what is not there."""
_DAY = len("2026-11-29")
_IS_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def open_baseline(path: Path) -> SealedRun:
    """Open a run, or the newest one of a pool, for its answers. Raises RunDirectoryError where none can be reused."""
    if is_regular(path / LEDGER):
        runs = read_pool(path).runs
        if not runs:
            raise RunDirectoryError(f"the pool {path} holds no run", fix=_RUN_ALL)
        path = runs[-1]
    run = SealedRun.open(path)
    run.require_whole()
    since_facts(run.manifest.notes)  # one that cannot be read is refused now
    if "imported" in run.manifest.notes:
        raise RunDirectoryError(f"{path} was imported: its answers come from another tool", fix=_RUN_ALL)
    library = run.manifest.library
    found, own = (library.get("version"), library.get("format")), (insideLLMs.__version__, str(FORMAT_VERSION))
    if found != own:
        raise RunDirectoryError(
            f"{path} was made by insidellms {found[0]} (format {found[1]}), and this is {own[0]} (format {own[1]}), "
            "which may ask in another way",
            fix=_RUN_ALL,
        )
    return run


class StoredAnswers:
    """The records of a baseline by what was asked, and by Trial; they are copied to a file without a name.

    Use as a context manager; entering it reads them. Raises RunDirectoryError.
    """

    def __init__(self, run: SealedRun) -> None:
        self.run = run
        self.root = run.manifest.records_root
        self.served: dict[str, set[str]] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        self._answers: dict[bytes, int] = {}
        self._failures: set[bytes] = set()
        self._trials: dict[bytes, int] = {}
        known = _known_sources(run.manifest)
        self._days = {one.run: (one.oldest, one.newest) for one in known if one.oldest and one.newest}
        self._run_ids = {one.run: one.run_id for one in known} | {self.root: run.manifest.run_id}
        facts = since_facts(run.manifest.notes)
        self._due_roots = facts.due if facts is not None else (self.root,)
        self._due: set[int] = set()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as on_error:
            on_error.enter_context(self._file)
            self._read()
            on_error.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the copy back."""
        self._file.close()

    def forget_names(self) -> None:
        """Give back the memory of what is found by name; places stay good."""
        self._answers, self._failures, self._trials, self._due = {}, set(), {}, set()

    def answer_at(self, key: str, subject: Subject) -> int:
        """Return the place of the answer to a request, asked of this subject; else NOWHERE."""
        return self._answers.get(_name(key, subject), NOWHERE)

    def has_failed(self, key: str, subject: Subject) -> bool:
        """Whether the request was asked, and failed."""
        return _name(key, subject) in self._failures

    def trial_at(self, key: str) -> int:
        """Return the place of the record of a Trial of the same subject, probe, example and repeat; else NOWHERE."""
        return self._trials.get(bytes.fromhex(key), NOWHERE)

    def record(self, place: int) -> Record:
        """Return a record."""
        return read_record(self._line(place), Record)

    def facts(self, place: int) -> Facts:
        """Return of a record what is compared."""
        return read_record(self._line(place), Facts)

    def asked_by(self, record: Record) -> str:
        """Return the root of the run that asked for the answer of one of these records."""
        return (record.since.run if record.since else None) or self.root

    def is_due(self, place: int) -> bool:
        """Whether the answer was not asked again yet since the others were."""
        return place in self._due

    def due_after(self, roots: Collection[str]) -> tuple[str, ...]:
        """Return, of a run that reuses answers of these `roots`, what its notes say of which are still due."""
        left = tuple(root for root in self._due_roots if root in roots)
        return left or tuple(sorted({*roots, self.root}))

    def source(self, run: str, trials: int) -> ReusedFrom:
        """Describe where answers come from."""
        days = self._days.get(run, (None, None))
        return ReusedFrom(run=run, run_id=self._run_ids.get(run, run), trials=trials, oldest=days[0], newest=days[1])

    def _line(self, place: int) -> bytes:
        self._file.seek(place)
        return self._file.readline()

    def _read(self) -> None:
        """Read all records. Raises RunDirectoryError where they are not those that were sealed."""
        manifest = self.run.manifest
        digests = {model.id: model.digest for model in manifest.models}
        is_independent = self.run.experiment.independent_answers
        place = 0
        telemetry = self.run.telemetry() if self.run.has_telemetry else iter(())
        for line in self.run.lines():
            record = read_record(line, Record)
            self._note_day(record, next(telemetry, None))
            has_request = _asks(manifest, record)
            key = self._key(record, digests[record.model], independent=is_independent) if has_request else None
            if key is not None and record.response is not None and record.status is ResultStatus.SUCCESS:
                self._answers.setdefault(_name(key, record.subject), place)
                if self.asked_by(record) in self._due_roots:
                    self._due.add(place)
                self._trials[bytes.fromhex(record.key)] = place
                if record.response.model:
                    self.served.setdefault(record.model, set()).add(record.response.model)
            elif key is not None:
                self._failures.add(_name(key, record.subject))
            place += self._file.write(line + b"\n")
        self._failures -= self._answers.keys()

    def _key(self, record: Record, digest: str, *, independent: bool) -> str:
        request = record.request or record.example.request()
        return request_key(digest, request, record.repeat, record if independent else None)

    def _note_day(self, record: Record, told: Telemetry | None) -> None:
        if told is not None and told.started_at and not told.cached and self.asked_by(record) == self.root:
            day = told.started_at[:_DAY]
            first, last = self._days.get(self.root, (day, day))
            if _IS_DAY.fullmatch(day):  # telemetry is not sealed
                self._days[self.root] = min(first, day), max(last, day)


def _name(key: str, subject: Subject) -> bytes:
    return bytes.fromhex(key) + "\0".join(subject.order).encode()


def _known_sources(manifest: Manifest) -> tuple[ReusedFrom, ...]:
    """Return the runs that the baseline itself took answers from."""
    facts = since_facts(manifest.notes)
    return facts.sources if facts is not None else ()


def _asks(manifest: Manifest, record: Record) -> bool:
    """Whether the record is of a probe that makes one request; of others the output may look like an answer.

    A record that says what was sent is; one that was sent its example's input says nothing, so there the probe must be
    known to be of that kind: one of ours.
    """
    if record.request is not None or record.shared_with:
        return True
    kind = next(probe.type for probe in manifest.probes if probe.id == record.probe)
    return ":" not in kind and kind in probe_registry and is_our_prompt_probe(probe_registry.get_factory(kind))


def is_our_prompt_probe(factory: object) -> bool:
    """Whether this makes a probe of ours that makes one request."""
    made = factory if isinstance(factory, type) else None
    if made is None or not issubclass(made, PromptProbe) or made.runs is not PromptProbe.runs:
        return False
    return made.__module__.startswith("insideLLMs.probes.")
