"""One pass over the records of a run, which fills everything that is made of them."""

from collections.abc import Iterable

from insideLLMs.compare.one_run.summary import Summariser
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.report.viewer.run_page import RunRows
from insideLLMs.report.viewer.sampling import needs_sample, sample_of
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.run_draft import RunDraft


class RunPass:
    """What one pass over the records fills: their files, the summary, and the table of the page, or its sample."""

    def __init__(self, directory: RunDirectory, execution: ExecutionSpec, trials: int) -> None:
        self.draft = RunDraft(directory, has_telemetry=execution.telemetry, compress=execution.compress)
        self.summariser = Summariser()
        self.rows = RunRows()
        self.sample = sample_of(()) if needs_sample(trials) else None

    def take(self, lines: Iterable[bytes]) -> None:
        """Take the next records, as they are written."""
        show = self.rows.add if self.sample is None else self.sample.add_record
        for line in lines:
            self.summariser.add(line)
            show(line)

    def drawn(self) -> list[int]:
        """Return the numbers of the Trials that the page lacks yet."""
        return [] if self.sample is None else self.sample.numbers()
