"""How many calls the answers of a run took: those of its models, of judges, and of every turn of a conversation."""

from collections.abc import Iterable

from insideLLMs.core.conversation import Conversation
from insideLLMs.core.record_views import RecordIdentity
from insideLLMs.core.types import Response
from insideLLMs.store.sealed_run import SealedRun


class _Answered(RecordIdentity, frozen=True, kw_only=True, gc=False):
    """What says how many calls an answer took: a conversation has one for each turn."""

    response: Response | None = None


class CountedCalls:
    """Counts the calls of runs, and learns from them how many an answer of a probe takes."""

    def __init__(self, runs: Iterable[SealedRun] = ()) -> None:
        self._most: dict[str, int] = {}
        for run in runs:
            self.count(run)

    def count(self, run: SealedRun) -> int:
        """Count a run's calls. An answer that was at hand took none, and retries are not counted."""
        total = 0
        for record, told in run.measured_records(_Answered):
            talk = Conversation.of(record.response)
            own = 1 if talk is None else len(talk.turns)
            judges = () if told is None else told.judges
            self._most[record.probe] = max(self._most.get(record.probe, 1), own + len(judges))
            total += 0 if told is not None and (told.cached or told.shared) else own
            total += sum(not call.cached for call in judges)
        return total

    def most(self, probe: str) -> int:
        """Return the most calls that an answer of a probe took so far."""
        return self._most.get(probe, 1)
