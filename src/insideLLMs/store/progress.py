"""How far a run is that somebody else is writing, read from its journal without its lock."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.types import JsonValue
from insideLLMs.store.journal_line import JournalHeader, read_body
from insideLLMs.store.sealed_run import JOURNAL, open_regular

_PIECE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """`statuses` counts the finished Trials, of `trials` in all; `described` is what the journal says of the run.

    `holds_answers` where there is anything in the journal but headers, readable or not.
    """

    run_id: str
    trials: int
    statuses: dict[str, int]
    described: Mapping[str, JsonValue] | None
    holds_answers: bool

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
        self._position = self._size = self._headers_size = 0
        self._statuses: Counter[str] = Counter()
        self._seen: set[int] = set()

    def look(self) -> RunProgress:
        """Return how far the run is now. Raises RunDirectoryError if there is no journal (any more)."""
        try:
            with open_regular(self._path) as file:
                size = file.seek(0, 2)
                if size < self._position:
                    self._forget()
                self._size = size
                file.seek(self._position)
                while lines := file.readlines(_PIECE_BYTES):
                    self._read(lines)
        except OSError as error:
            raise RunDirectoryError(
                f"cannot read {self._path}: {error.strerror}", fix="the run may have just finished"
            ) from error
        statuses = dict(sorted(self._statuses.items()))
        return RunProgress(
            run_id=self._header.run_id,
            trials=self._header.trials,
            statuses=statuses,
            described=self._header.described,
            holds_answers=self._size > self._headers_size,
        )

    def _read(self, lines: list[bytes]) -> None:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            self._position += len(line)
            body = read_body(line)
            if body is None:
                continue
            if body.header is not None:
                self._header = body.header
                self._headers_size += len(line)
            status = body.status()
            if status is not None and body.index not in self._seen:
                self._seen.add(body.index)
                self._statuses[status] += 1
