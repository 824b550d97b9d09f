"""A sealed run with other answers in some places, in memory: what a run would be that differs in nothing else."""

from collections.abc import Iterator, Sequence

import msgspec

from insideLLMs.core.since import NOTE
from insideLLMs.store.sealed_run import SealedRun


class AlteredRun(SealedRun):
    """The run `whole` with these `records` as its lines, one for each of its own, called `name`.

    It is since no other run: what its answers are is said by the records alone.
    """

    def __init__(self, whole: SealedRun, records: Sequence[bytes], *, name: str) -> None:
        manifest = msgspec.structs.replace(
            whole.manifest,
            run_id=f"{whole.manifest.run_id}/{name}",
            records_root=f"{whole.manifest.records_root}/{name}",
            notes={note: value for note, value in whole.manifest.notes.items() if note != NOTE},
        )
        super().__init__(whole.path, manifest)
        self.summary, self.experiment = whole.summary, whole.experiment
        self._records = records
        self._name = name

    @property
    def label(self) -> str:
        """What it is called."""
        return self._name

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of its records."""
        return iter(self._records)
