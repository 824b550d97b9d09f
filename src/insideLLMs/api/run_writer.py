"""The one writer of runs: from what a run is and its journal to the files of its directory."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Self

import msgspec

import insideLLMs
from insideLLMs.config.resolved import resolved_yaml
from insideLLMs.core import canonical
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.record_views import SummedRecord, read_record
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.since import since_facts
from insideLLMs.core.steps import counted
from insideLLMs.core.types import JsonValue, Telemetry, expand
from insideLLMs.plan import FORMAT_VERSION
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.journal_line import JournalHeader
from insideLLMs.store.manifest import DatasetFacts, FileDigest, Manifest, MemberSpec, PromptFacts
from insideLLMs.store.sealed_run import CONFIG, REPORT, SUMMARY
from insideLLMs.store.unfinished_run import RunDescription

if TYPE_CHECKING:  # the first calls go out before these are imported
    from insideLLMs.api.run_pass import RunPass
    from insideLLMs.compare.one_run.summary import Summariser


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run beside its records: everything that its files say follows from these two."""

    run_id: str
    trials: int
    experiment: Experiment
    models: tuple[MemberSpec, ...]
    probes: tuple[MemberSpec, ...]
    datasets: tuple[DatasetFacts, ...]
    prompts: tuple[PromptFacts, ...] = ()

    def header(self, answers_id: str = "", notes: Mapping[str, JsonValue] | None = None) -> JournalHeader:
        """Return the first line of the run's journal; `notes` are those that the run begins with."""
        manifest = self.manifest(statuses={}, notes=notes)
        described = expand(RunDescription(manifest=manifest, config=self.config().decode()))
        return JournalHeader(run_id=self.run_id, trials=self.trials, answers_id=answers_id, described=described)

    def config(self) -> bytes:
        """Return `config.resolved.yaml`."""
        return resolved_yaml(self.experiment, {dataset.name: dataset.sha256 for dataset in self.datasets})

    def sum_up(self, summariser: "Summariser") -> Summary:
        """Return the summary of what `summariser` took, within the score ranges that the probes declare."""
        summary = summariser.result(
            run_id=self.run_id,
            confidence_level=self.experiment.confidence_level,
            ranges={probe.id: probe.ranges() for probe in self.probes},
        )
        part, skipped = self.experiment.part, {each.name: each.skipped for each in self.datasets if each.skipped}
        return msgspec.structs.replace(
            summary,
            part=msgspec.UNSET if part is None else str(part),
            skipped_rows=skipped or msgspec.UNSET,
        )

    def summary_of(self, lines: Iterable[bytes]) -> Summary:
        """Return the summary of records, given as their lines in order."""
        from insideLLMs.compare.one_run.summary import Summariser  # noqa: PLC0415 - see above

        summariser = Summariser()
        for line in lines:
            summariser.add(read_record(line, SummedRecord))
        return self.sum_up(summariser)

    def manifest(
        self,
        *,
        statuses: dict[str, int],
        root: str = "",
        files: Mapping[str, FileDigest] | None = None,
        notes: Mapping[str, JsonValue] | None = None,
    ) -> Manifest:
        """Return the manifest of a run whose records and files are these."""
        return Manifest(
            run_id=self.run_id,
            name=self.experiment.name,
            library={"name": "insidellms", "version": insideLLMs.__version__, "format": str(FORMAT_VERSION)},
            models=self.models,
            probes=self.probes,
            datasets=self.datasets,
            repeats=self.experiment.repeats,
            max_examples=self.experiment.max_examples,
            trials=self.trials,
            statuses=statuses,
            records_root=root,
            files=dict(files or {}),
            notes=dict(notes or {}),
            prompts=self.prompts,
            part=self.experiment.part or msgspec.UNSET,
        )


class RunWriter:
    """Writes the files of one run in one pass over its records, which may begin while the run goes on.

    Use as a context manager, within that of the directory.
    """

    def __init__(self, facts: RunFacts, directory: RunDirectory) -> None:
        if facts.experiment.execution.compress:
            from insideLLMs.store.run_draft import packer  # noqa: PLC0415 - see above

            packer()  # what is missing is said before anything is asked
        self._facts = facts
        self._directory = directory
        self._begun: RunPass | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def write_ahead(self, most: int) -> bool:
        """Write at most so many records of Trials that have none unfinished before them.

        False where the disk has no room for it: what was written is dropped, and `seal` begins again.
        """
        try:
            has_room = self._directory.has_room()
            if has_room:
                begun = self._begin()
                begun.take(begun.draft.take(most))
        except OSError:
            has_room = False
        if not has_room:
            self._drop()
        return has_room

    def seal(self, notes: Mapping[str, JsonValue] | None = None) -> tuple[Manifest, Summary]:
        """Write the rest, then all other files, and remove the journal.

        Raises StorageError, or RunDirectoryError where the records are not exactly those of the plan.
        """
        facts, experiment = self._facts, self._facts.experiment
        with self._directory.sealing():
            begun = self._begin()
            draft = begun.draft
            begun.take(counted(draft.take_rest(), "sealing", facts.trials - sum(draft.statuses.values())))
            since = since_facts(notes or {})
            summary = facts.sum_up(begun.summariser)
            if since is not None:
                summary = msgspec.structs.replace(summary, reused=since.words)
            draft.write(SUMMARY, canonical.pretty(summary))
            draft.write(CONFIG, facts.config())
            with draft.file(REPORT) as file, closing(begun.rows):
                head = {**expand(facts.manifest(statuses=draft.statuses)), "title": experiment.title}
                for line in self._directory.journal.records(begun.drawn()):
                    begun.rows.add(line)
                begun.rows.write(file, manifest=head, summary=expand(summary), sample=begun.sample)
            manifest = facts.manifest(statuses=draft.statuses, root=draft.root(), files=draft.digests(), notes=notes)
            draft.publish(manifest)
        self._begun = None
        return manifest, summary

    def _begin(self) -> "RunPass":
        if self._begun is None:
            from insideLLMs.api.run_pass import RunPass  # noqa: PLC0415 - see above

            self._begun = RunPass(self._directory, self._facts.experiment.execution, self._facts.trials)
        return self._begun

    def _drop(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.rows.close()
            begun.draft.drop()


class MemorySink:
    """Keeps every record's line and telemetry by Trial number."""

    durable = False

    def __init__(self) -> None:
        self._finished: dict[int, tuple[bytes, Telemetry]] = {}

    def is_done(self, index: int) -> bool:
        """Whether the Trial has a record."""
        return index in self._finished

    def pending_answer(self, index: int) -> None:  # noqa: ARG002 - the sink's contract
        """Nothing outlives the process here."""
        return

    def record(self, index: int) -> bytes | None:
        """Return the record of a Trial, if it has one."""
        return self._finished[index][0] if index in self._finished else None

    def append_answer(self, index: int, record: bytes, telemetry: Telemetry) -> None:
        """Keep nothing: the record follows."""

    def append_record(
        self,
        index: int,
        record: bytes,
        telemetry: Telemetry,
        *,
        is_answer: bool = False,  # noqa: ARG002 - the sink's contract
    ) -> None:
        """Keep a finished Trial."""
        self._finished[index] = (record, telemetry)

    def flush(self) -> None:
        """There is nothing to write."""

    def sync(self) -> None:
        """There is nothing to keep."""

    def entries(self) -> Iterator[tuple[int, bytes, Telemetry]]:
        """Yield number, record line and telemetry in the order of the numbers."""
        for index in sorted(self._finished):
            yield index, *self._finished[index]
