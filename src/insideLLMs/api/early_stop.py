"""Stop early: look at the run against a baseline at a quarter, a half and three quarters, and ask on only in doubt.

Four looks with group-sequential bounds keep the chance of a false alarm; a run that can hardly fail any more is
stopped too. What is not asked is recorded as skipped, so that `--resume` completes the run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from insideLLMs.api.compare import compare_views
from insideLLMs.api.prepare import Prepared
from insideLLMs.api.run import Ask
from insideLLMs.compare.sides import RunView
from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.early_stop import LOOKS, look_at, schedule
from insideLLMs.core import canonical
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.types import Failure, JsonValue, Outcome, Record, ResultStatus, Telemetry
from insideLLMs.plan import record_of
from insideLLMs.store.journal import Answer, Journal

Decision = Literal["fail", "no_evidence", "go_on", "pass", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look saw: the share of items asked, the overall p of a drop and its size, and what follows."""

    share: float
    items: int
    p_worse: float
    delta: float | None
    decision: Decision


class _Part:
    """A journal that pretends to have every Trial but those of the batches so far."""

    durable = True

    def __init__(self, journal: Journal, batch_of: bytearray) -> None:
        self._journal = journal
        self._batch_of = batch_of
        self.batch = 0

    def is_done(self, index: int) -> bool:
        return self._batch_of[index] > self.batch or self._journal.is_done(index)

    def pending_answer(self, index: int) -> Answer | None:
        return self._journal.pending_answer(index)

    def record(self, index: int) -> bytes | None:
        return self._journal.record(index)

    def append_answer(self, index: int, record: Record, telemetry: Telemetry) -> None:
        self._journal.append_answer(index, record, telemetry)

    def append_record(self, index: int, record: bytes, telemetry: Telemetry) -> None:
        self._journal.append_record(index, record, telemetry)

    def flush(self) -> None:
        self._journal.flush()

    def sync(self) -> None:
        self._journal.sync()


class EarlyStop:
    """The rounds of a run that stops once its comparison with `baselines` is decided; `say` is given each look.

    After the run, `looks` has what was seen, and `skipped` how many Trials were not asked.
    """

    def __init__(self, baselines: tuple[RunView, ...], say: Callable[[Look], None]) -> None:
        self._baselines = baselines
        self._say = say
        self.looks: list[Look] = []
        self.skipped = 0

    async def rounds(self, prepared: Prepared, journal: Journal, ask: Ask) -> Mapping[str, JsonValue]:
        """Ask batch by batch, looking in between; record as skipped what is not asked. Raises InsideLLMsError."""
        part = _Part(journal, _batches(prepared))
        for place in range(len(LOOKS)):
            part.batch = place
            await ask(part)
            journal.flush()
            self.looks.append(_look(prepared, journal, self._baselines, place))
            self._say(self.looks[-1])
            if self.looks[-1].decision != "go_on":
                break
        self.skipped = _skip_the_rest(prepared, journal)
        looks = [{"share": seen.share, "p_worse": seen.p_worse, "decision": seen.decision} for seen in self.looks]
        return {"early_stop": {"looks": looks, "skipped": self.skipped}}

    @property
    def state(self) -> Literal["passed", "failed", "inconclusive"]:
        """What the last look came to; a run that stopped without finding a drop has not shown that there is none."""
        last = self.looks[-1].decision
        return "failed" if last == "fail" else "passed" if last == "pass" else "inconclusive"


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


def _look(prepared: Prepared, journal: Journal, baselines: tuple[RunView, ...], place: int) -> Look:
    plan = prepared.plan
    spec = prepared.experiment.gate
    seen = _assess(prepared, journal, baselines)
    overall = seen.overall
    alpha = spec.alpha if len(seen.probes) <= 1 else spec.alpha / 2.0
    decision: Decision = look_at(place, overall, wanted_drop=spec.wanted_drop, alpha=alpha)
    if decision == "pass" and seen.verdict == "failed":  # only the whole run is tested probe by probe
        decision = "fail"
    if decision == "pass" and seen.verdict == "inconclusive":
        decision = "unclear"
    if not overall.n_paired and place == len(LOOKS) - 1:
        raise InsideLLMsError(
            f"run {plan.run_id[:12]} and its baseline have no trial in common",
            fix="give --baseline a run of the same probes and examples",
        )
    if not overall.n_paired:
        decision = "go_on"
    return Look(
        share=LOOKS[place], items=overall.n_paired, p_worse=overall.p_mean, delta=overall.delta, decision=decision
    )


def _assess(prepared: Prepared, journal: Journal, baselines: tuple[RunView, ...]) -> Assessment:
    plan = prepared.plan
    datasets: dict[str, tuple[str, ...]] = {}
    for group in plan.groups:
        datasets[group.probe] = (*datasets.get(group.probe, ()), group.dataset)

    def records() -> Iterator[bytes]:
        return (entry.record for entry in journal.entries())

    candidate = RunView(
        run_id=plan.run_id, label="this run", subjects=plan.subjects, datasets=datasets, records=records,
        score_ranges={spec.id: spec.ranges() for spec in prepared.probe_specs},
        shares_answers=prepared.sharing == "shared" and len(plan.groups) > 1,
    )  # fmt: skip
    spec: GateSpec = prepared.experiment.gate
    return compare_views(baselines, candidate, spec)


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
