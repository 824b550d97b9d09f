"""How a run since another goes: what is new first, with the canaries; then more of the rest, or none of it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from insideLLMs.api.preparation.begun import resumed
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import Ask
from insideLLMs.api.since.baseline import NOWHERE, StoredAnswers
from insideLLMs.api.since.selection import ReuseKind, ReusePlan, plan_reuse
from insideLLMs.compare.score_ranges import ScoreRanges
from insideLLMs.compare.statistics.canaries import ALARM_AT, ENOUGH, WIDEN_AT, capital
from insideLLMs.core import canonical
from insideLLMs.core.protocols import JudgedProbe
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.since import NOTE, Begun, SinceFacts, since_facts
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import JsonValue, Record, Response, Scores, SinceMark, Telemetry, Usage
from insideLLMs.execute.sink import SinkBefore, StoredAnswer
from insideLLMs.plan import Trial
from insideLLMs.store.journal import Answer, Journal
from insideLLMs.store.sealed_run import SealedRun

CANARY_SHARE = 0.02
"""Of what is unchanged; asked again where nobody says otherwise."""
_NAME_LIMIT = 200  # characters; a provider's word for itself is no text


@dataclass(frozen=True, slots=True, kw_only=True)
class SinceOptions:
    """Which run's answers are reused, which share of them is asked again, and by which seed it is drawn.

    Without a `seed` it is the day `today` and the run's own id, so that the share rotates. `say` is given a sentence
    where more is asked again than that share.
    """

    baseline: SealedRun
    today: str
    say: Callable[[str], None]
    canary: float | None = None
    seed: str | None = None
    resume: bool = False

    def begun(self, run_id: str) -> Begun:
        """Return how a new run begins."""
        seed = f"{self.today} {run_id}" if self.seed is None else self.seed
        share = CANARY_SHARE if self.canary is None else self.canary
        return Begun(run=self.baseline.manifest.records_root, canary=share, seed=seed)


class RunSince:
    """The rounds of a run since `baseline`."""

    def __init__(self, options: SinceOptions) -> None:
        self._options = options
        self._begun: Begun | None = None

    def begin(self, run_dir: Path, prepared: Prepared) -> Mapping[str, JsonValue]:
        """Return what the journal notes: a resumed run asks again what it drew at first. Raises PlanMismatchError."""
        options = self._options
        for _ in options.baseline.lines():  # a damaged one is refused before the folder is touched
            pass
        self._begun = options.begun(prepared.plan.run_id)
        if options.resume:
            self._begun = resumed(run_dir, self._begun, canary=options.canary, seed=options.seed)
        return {NOTE: msgspec.to_builtins(self._begun)}

    def preview(self, prepared: Prepared) -> ReusePlan:
        """Return what a new run would ask; nothing is asked."""
        with StoredAnswers(self._options.baseline) as stored:
            return plan_reuse(prepared, stored, self._options.begun(prepared.plan.run_id))

    async def rounds(self, prepared: Prepared, journal: Journal, ask: Ask) -> Mapping[str, JsonValue]:
        """Ask what is new and the canaries, more if they surprise, and take stored answers for the rest."""
        assert self._begun is not None
        stored = StoredAnswers(self._options.baseline)
        await asyncio.to_thread(stored.__enter__)
        with contextlib.closing(stored):
            reuse = await asyncio.to_thread(plan_reuse, prepared, stored, self._begun)
            stored.forget_names()
            look = _Looking(prepared, journal, stored, reuse)
            asked, surprise = await self._ask(journal, ask, look)
            reusing = _SinceJournal(journal, stored, reuse, asked, reuses=True)
            await ask(reusing, judged=_Judged(prepared, stored, reuse, asked))
            journal.flush()
            facts = await asyncio.to_thread(_facts, self._begun, journal, look, surprise)
        return {NOTE: msgspec.to_builtins(facts)}

    async def _ask(self, journal: Journal, ask: Ask, look: "_Looking") -> tuple[ReuseKind, str]:
        """Ask as long as the canaries surprise; return up to which kind was asked, and the last surprise."""
        asked, surprise = ReuseKind.CANARY, ""
        while True:
            await ask(_SinceJournal(journal, look.stored, look.reuse, asked))
            journal.flush()
            found = look.next(asked)
            if found is None:
                return asked, surprise
            asked, surprise = found
            self._options.say(surprise)


class _SinceJournal(SinkBefore):
    """The journal of a run since another: it marks records, and pretends to have what is not `asked` yet.

    Where it `reuses`, it has for those the baseline's answers instead.
    """

    def __init__(
        self, journal: Journal, stored: StoredAnswers, reuse: ReusePlan, asked: ReuseKind, *, reuses: bool = False
    ) -> None:
        super().__init__(journal)
        self._stored = stored
        self._reuse = reuse
        self._asked = asked
        self._reuses = reuses

    def _is_reused(self, index: int) -> bool:
        return self._reuse.kinds[index] > self._asked

    def is_done(self, index: int) -> bool:
        return super().is_done(index) or (not self._reuses and self._is_reused(index))

    def pending_answer(self, index: int) -> StoredAnswer | None:
        if not self._is_reused(index):
            return super().pending_answer(index)
        if not self._reuses:
            return None
        record = self._stored.record(self._reuse.answers[index])
        assert record.response is not None
        response = separate(record.response)
        usage = response.usage or Usage()
        told = Telemetry(cached=True, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
        return Answer(request=record.request or record.example.request(), response=response, telemetry=told)

    def append_record(self, index: int, record: bytes, telemetry: Telemetry, *, is_answer: bool = False) -> None:
        mark = self._mark(index)
        if mark is not None:
            record = canonical.line(msgspec.structs.replace(read_record(record, Record), since=mark))
        super().append_record(index, record, telemetry, is_answer=is_answer)

    def _mark(self, index: int) -> SinceMark | None:
        kind = self._reuse.kinds[index]
        if self._is_reused(index):
            answer = self._stored.record(self._reuse.answers[index])
            return SinceMark(answer="reused", run=self._stored.asked_by(answer))
        return (
            None
            if kind == ReuseKind.CHANGED
            else SinceMark(answer="retried" if kind == ReuseKind.RETRIED else "canary")
        )


class _Judged:
    """What judges said of reused answers: they need not be asked again where they and what they see are the same."""

    def __init__(self, prepared: Prepared, stored: StoredAnswers, reuse: ReusePlan, asked: ReuseKind) -> None:
        self._stored, self._reuse, self._asked = stored, reuse, asked
        self._probes = {name for name in prepared.probes if _judges_are_reusable(prepared, name)}

    def __call__(self, trial: Trial, response: Response) -> Scores | None:
        """Return the stored scores of a Trial whose answer is the very one that they are of; else None."""
        place = self._reuse.records[trial.index]
        is_reused = self._reuse.kinds[trial.index] > self._asked
        if place == NOWHERE or not is_reused or trial.probe not in self._probes:
            return None
        record = self._stored.record(place)
        same = record.response is not None and separate(record.response) == response
        return record.scores if same else None


def _judges_are_reusable(prepared: Prepared, probe: str) -> bool:
    """Whether the identity of a probe covers how it scores: it is ours, with no code of users, as are its judges."""
    made = prepared.probes[probe]
    identity = next(spec.identity for spec in prepared.probe_specs if spec.id == probe)
    is_ours = type(made).__module__.startswith("insideLLMs.probes.") and b'"code_sha256"' not in canonical.line(
        identity
    )
    return isinstance(made, JudgedProbe) and is_ours and all(one.reusable for one in prepared.judges[probe].values())


class _Looking:
    """Looks at the canaries that were asked, and says whether more are wanted."""

    def __init__(self, prepared: Prepared, journal: Journal, stored: StoredAnswers, reuse: ReusePlan) -> None:
        self._journal, self.stored, self.reuse = journal, stored, reuse
        self._ranges = ScoreRanges(declared={spec.id: spec.ranges() for spec in prepared.probe_specs})
        earlier = since_facts(stored.run.manifest.notes)
        self._earlier = (earlier.worse, earlier.better) if earlier is not None else (0, 0)
        self.worse, self.better = self._earlier

    def next(self, asked: ReuseKind) -> tuple[ReuseKind, str] | None:
        """Return up to which kind to ask now, and why; None where what was asked is enough."""
        if all(kind <= asked for kind in self.reuse.kinds):
            return None
        moved, served = self._count(asked)
        self.worse, self.better = self._earlier[0] + moved[0], self._earlier[1] + moved[1]
        grown = capital(self.worse, self.better)
        told = f"of the answers asked again {self.worse:,} got worse and {self.better:,} better (E = {grown:.3g})"
        if served:
            return ReuseKind.REST, f"answers are served by {served[:_NAME_LIMIT]!r} now: all of the rest is asked again"
        if grown >= ALARM_AT:
            return ReuseKind.REST, f"{told}, beyond chance: all of the rest is asked again"
        is_thin = any(moved) and self._requests(asked) < ENOUGH
        if asked is ReuseKind.CANARY and self.reuse.count(ReuseKind.WIDER) and (is_thin or grown >= WIDEN_AT):
            return ReuseKind.WIDER, f"{told}: more of the rest is asked again"
        return None

    def _requests(self, asked: ReuseKind) -> int:
        """Count the requests that were asked again, each with its repeats."""
        kinds = enumerate(self.reuse.kinds)
        return len({self.reuse.draws[index] for index, kind in kinds if ReuseKind.CANARY <= kind <= asked})

    def _count(self, asked: ReuseKind) -> tuple[tuple[int, int], str]:
        """Count the requests whose answers got worse and better; name a model that served none of the stored ones."""
        moves: Counter[float] = Counter()
        served = ""
        for index, kind in enumerate(self.reuse.kinds):
            line = self._journal.record(index) if ReuseKind.CANARY <= kind <= asked else None
            if line is None:
                continue
            after = read_record(line, Record)
            known, name = self.stored.served.get(after.model), after.response.model if after.response else None
            served = name if name and known and name not in known else served
            move = self._move(index, line)
            moves[self.reuse.draws[index]] += (move > 0.0) - (move < 0.0)
        return (sum(move < 0 for move in moves.values()), sum(move > 0 for move in moves.values())), served

    def _move(self, index: int, line: bytes) -> float:
        place = self.reuse.records[index]
        if place == NOWHERE:
            return 0.0
        before, after = self._ranges.quality(self.stored.facts(place)), self._ranges.quality(read_record(line, Facts))
        return 0.0 if before is None or after is None else after - before


def _facts(begun: Begun, journal: Journal, look: _Looking, surprise: str) -> SinceFacts:
    """Sum up what the records are marked as."""
    counts: Counter[str] = Counter()
    roots: Counter[str] = Counter()
    for entry in journal.entries():
        mark = read_record(entry.record, Facts).since
        counts["changed" if mark is None else mark.answer] += 1
        if mark is not None and mark.run is not None:
            roots[mark.run] += 1
    unchanged = counts["canary"] + counts["reused"]
    is_going_on = counts["reused"] > 0
    return SinceFacts(
        **msgspec.structs.asdict(begun),
        run_id=look.stored.run.manifest.run_id,
        changed=counts["changed"],
        canaries=counts["canary"],
        retried=counts["retried"],
        reused=counts["reused"],
        asked_again=counts["canary"] / unchanged if unchanged else 0.0,
        worse=look.worse if is_going_on else 0,
        better=look.better if is_going_on else 0,
        surprise=surprise,
        due=look.stored.due_after(roots.keys()),
        led=look.reuse.led or msgspec.UNSET,
        sources=tuple(look.stored.source(run, trials) for run, trials in sorted(roots.items(), key=_most_first)),
    )


def _most_first(source: tuple[str, int]) -> tuple[int, str]:
    run, trials = source
    return -trials, run
