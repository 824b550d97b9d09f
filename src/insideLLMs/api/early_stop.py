"""Stop early: look at the run against a baseline at a quarter, a half and three quarters, and ask on only in doubt.

Four looks with group-sequential bounds keep the chance of a false alarm; a run that can hardly fail any more is
stopped too. What is not asked is recorded as skipped, so that `--resume` completes the run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from insideLLMs.api.compare import ComparisonSetup, assess_part, check_repeats, compare_runs
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import Ask
from insideLLMs.compare.one_run.verdict import State
from insideLLMs.compare.sides import RunView
from insideLLMs.compare.statistics.early_stop import LOOKS, look_at, schedule
from insideLLMs.core import canonical
from insideLLMs.core.types import Failure, JsonValue, Outcome, ResultStatus, Telemetry
from insideLLMs.execute.sink import SinkBefore
from insideLLMs.plan import record_of
from insideLLMs.store.journal import Journal
from insideLLMs.store.same_run import check_distinct
from insideLLMs.store.sealed_run import SealedRun

Decision = Literal["fail", "no_evidence", "go_on", "pass"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look saw: the share of items asked, the overall p of a drop and its size, and what follows."""

    share: float
    items: int
    p_worse: float
    delta: float | None
    decision: Decision


class _Part(SinkBefore):
    """A journal that pretends to have every Trial but those of the batches so far."""

    def __init__(self, journal: Journal, batch_of: bytearray) -> None:
        super().__init__(journal)
        self._batch_of = batch_of
        self.batch = 0

    def is_done(self, index: int) -> bool:
        return self._batch_of[index] > self.batch or super().is_done(index)


class EarlyStop:
    """The rounds of a run that stops once its comparison with `baselines` is decided; `say` is given each look.

    The looks and the decision go by the settings in `setup`, as those of `compare_runs` do. After the run, `looks` has
    what was seen, and `skipped` how many Trials were not asked. Raises CompareError for baselines that are no repeats,
    or one run twice.
    """

    def __init__(
        self, baselines: Sequence[SealedRun], say: Callable[[Look], None], setup: ComparisonSetup | None = None
    ) -> None:
        check_distinct(baselines)
        check_repeats(baselines)
        self._baselines = baselines
        self._say = say
        self._setup = setup or ComparisonSetup()
        self.looks: list[Look] = []
        self.skipped = 0

    async def rounds(self, prepared: Prepared, journal: Journal, ask: Ask) -> Mapping[str, JsonValue]:
        """Ask batch by batch, looking in between; record as skipped what is not asked. Raises InsideLLMsError."""
        part = _Part(journal, _batches(prepared))
        for place in range(len(LOOKS)):
            part.batch = place
            await ask(part)
            journal.flush()
            self.looks.append(self._look(prepared, journal, place))
            self._say(self.looks[-1])
            if self.looks[-1].decision != "go_on":
                break
        self.skipped = _skip_the_rest(prepared, journal)
        looks = [{"share": seen.share, "p_worse": seen.p_worse, "decision": seen.decision} for seen in self.looks]
        return {"early_stop": {"looks": looks, "skipped": self.skipped}}

    def _look(self, prepared: Prepared, journal: Journal, place: int) -> Look:
        seen = assess_part(self._baselines, _view_of(prepared, journal), prepared.experiment.gate, self._setup)
        if seen is None or not seen.overall.n_paired:
            n = 0 if seen is None else seen.overall.n_paired
            return Look(share=LOOKS[place], items=n, p_worse=1.0, delta=None, decision=_undecided(place))
        spec, overall = self._setup.policy(prepared.experiment.gate), seen.overall
        alpha = spec.alpha if len(seen.probes) <= 1 else spec.alpha / 2.0
        decision: Decision = look_at(place, overall, wanted_drop=spec.wanted_drop, alpha=alpha)
        if decision == "fail" and (overall.delta or 0.0) > -spec.min_effect:  # a drop as small as is allowed
            decision = _undecided(place)
        return Look(
            share=LOOKS[place], items=overall.n_paired, p_worse=overall.p_mean, delta=overall.delta, decision=decision
        )

    def decide(self, run: SealedRun) -> tuple[State, str]:
        """Return what the sealed run came to, and why: the gate's own verdict where all was asked or a drop was found.

        A run that stopped without finding a drop has not shown that there is none. Raises CompareError.
        """
        last = self.looks[-1].decision
        if self.skipped and last != "fail":
            return "inconclusive", ""
        verdict = compare_runs(self._baselines, [run], self._setup).verdict
        if self.skipped:
            return ("failed", "") if verdict.state == "failed" else ("inconclusive", verdict.reasons[0])
        return verdict.state, verdict.reasons[0]


def _undecided(place: int) -> Decision:
    return "go_on" if place < len(LOOKS) - 1 else "pass"


def _view_of(prepared: Prepared, journal: Journal) -> RunView:
    """Return what the journal has so far as a run that can be compared."""
    plan = prepared.plan
    datasets: dict[str, tuple[str, ...]] = {}
    for group in plan.groups:
        datasets[group.probe] = (*datasets.get(group.probe, ()), group.dataset)

    def records() -> Iterator[bytes]:
        return (entry.record for entry in journal.entries())

    return RunView(
        run_id=plan.run_id, label="this run", subjects=plan.subjects, datasets=datasets, records=records,
        score_ranges={spec.id: spec.ranges() for spec in prepared.probe_specs},
        shares_answers=lambda: prepared.sharing == "shared" and len(plan.groups) > 1,
    )  # fmt: skip


def _batches(prepared: Prepared) -> bytearray:
    """Return the batch of each Trial: examples are shuffled by their hash, in the same shares of every probe."""
    plan = prepared.plan
    ids: dict[str, list[str]] = {}
    for group in plan.groups:
        names = ids.setdefault(group.probe, [])
        names += [f"{group.source}\0{example.id}" for _, example in prepared.datasets[group.source].examples()]
    batch_of = {item: number for number, batch in enumerate(schedule(ids, seed=plan.run_id)) for item in batch}
    found = bytearray(plan.total)
    for group in plan.groups:
        for rank, example in prepared.datasets[group.source].examples():
            number = batch_of[group.probe, f"{group.source}\0{example.id}"]
            for index in plan.indexes(group, rank):
                found[index] = number
    return found


def _skip_the_rest(prepared: Prepared, journal: Journal) -> int:
    plan = prepared.plan
    failure = Failure(stage="plan", type="EarlyStop", message="not asked: the comparison was decided before")
    outcome = Outcome(status=ResultStatus.SKIPPED, failure=failure)
    skipped = 0
    for group in plan.groups:
        for rank, example in prepared.datasets[group.dataset].examples():
            for index in plan.indexes(group, rank):
                if not journal.is_done(index):
                    trial = plan.trial(group, index, example, example.digest())
                    journal.append_record(index, canonical.line(record_of(trial, outcome)), Telemetry())
                    skipped += 1
    journal.flush()
    return skipped
