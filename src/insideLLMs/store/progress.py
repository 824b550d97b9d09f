"""How far a run is that somebody else is writing, read from its journal without its lock."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.store.journal_line import JournalHeader, read_body
from insideLLMs.store.sealed_run import JOURNAL, open_regular

_PIECE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """`statuses` counts the finished Trials, of `trials` in all."""

    run_id: str
    trials: int
    statuses: dict[str, int]

    @property
    def done(self) -> int:
        """How many Trials are finished."""
        return sum(self.statuses.values())


class JournalWatch:
    """Follows one journal; each look reads only what came since the last.

    Lines that cannot be read are left out: showing progress needs no proof, resuming does.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / JOURNAL
        self._header = JournalHeader(run_id="", trials=0)
        self._forget()

    def _forget(self) -> None:
        self._position = 0
        self._statuses: Counter[str] = Counter()
        self._seen: set[int] = set()

    def look(self) -> RunProgress:
        """Return how far the run is now. Raises RunDirectoryError if there is no journal (any more)."""
        try:
            with open_regular(self._path) as file:
                if file.seek(0, 2) < self._position:
                    self._forget()
                file.seek(self._position)
                while lines := file.readlines(_PIECE_BYTES):
                    self._read(lines)
        except OSError as error:
            raise RunDirectoryError(
                f"cannot read {self._path}: {error.strerror}", fix="the run may have just finished"
            ) from error
        statuses = dict(sorted(self._statuses.items()))
        return RunProgress(run_id=self._header.run_id, trials=self._header.trials, statuses=statuses)

    def _read(self, lines: list[bytes]) -> None:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            self._position += len(line)
            body = read_body(line)
            if body is None:
                continue
            self._header = body.header or self._header
            status = body.status()
            if status is not None and body.index not in self._seen:
                self._seen.add(body.index)
                self._statuses[status] += 1
