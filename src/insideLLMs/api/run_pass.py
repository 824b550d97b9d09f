"""One pass over the records of a run, which fills everything that is made of them."""

from collections.abc import Iterable

from insideLLMs.compare.one_run.summary import Summariser
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.record_views import RecordIdentity, SummedRecord, ViewedRecord
from insideLLMs.report.viewer import tables
from insideLLMs.report.viewer.run_page import RunRows
from insideLLMs.report.viewer.sampling import needs_sample, sample_of
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.run_draft import RunDraft


class RunPass:
    """What one pass over the records fills: their files, the summary, and the table of the page, or its sample."""

    def __init__(self, directory: RunDirectory, execution: ExecutionSpec, trials: int) -> None:
        self.sample = sample_of(()) if needs_sample(trials) else None
        self.draft = RunDraft(
            directory,
            view=ViewedRecord if self.sample is None else SummedRecord,
            has_telemetry=execution.telemetry,
            compress=execution.compress,
        )
        self.summariser = Summariser()
        self.rows = RunRows()

    def take(self, records: Iterable[RecordIdentity]) -> None:
        """Take the next records, as they are written."""
        for record in records:
            if isinstance(record, ViewedRecord):
                self._show(record)
            elif isinstance(record, SummedRecord) and self.sample is not None:
                self.summariser.add(record)
                self.sample.add_record(record)

    def _show(self, record: ViewedRecord) -> None:
        response, scores = tables.response_of(record), tables.scores_of(record)
        self.summariser.count(record, scores, response.usage, is_shared=record.shared_with is not None)
        self.rows.show(record, response, scores)

    def drawn(self) -> list[int]:
        """Return the numbers of the Trials that the page lacks yet."""
        return [] if self.sample is None else self.sample.numbers()
