"""Whether what answers cost, how long they took and how much they said grew, item by item."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

import msgspec

from insideLLMs.compare.comparison import SubjectPair
from insideLLMs.compare.one_run.readings import reading_of
from insideLLMs.compare.statistics.evidence import tell_p
from insideLLMs.compare.statistics.quantities import Growth, MeasuredItem, QuantityChange, measure
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import MeasuredRecord
from insideLLMs.store.sealed_run import SealedRun

Item = tuple[str, str, str, str]
"""Probe, example id, example digest, and the candidate's subject."""
Name = tuple[str, str, str]
"""An item without its digest."""
_TYPICAL = {"latency_ms"}
"""Measured by the typical item, as a few slow answers say little of a server; all others by the total, as a bill is."""
_OF_TELEMETRY = {"latency_ms", "cost_usd"}
_UNTIMED = "replayed answers, and runs with `--no-telemetry` or accepted with `--slim`, have no such measurements"


def measure_quantities(
    baselines: Sequence[SealedRun], candidates: Sequence[SealedRun], subjects: Sequence[SubjectPair], spec: GateSpec
) -> dict[str, QuantityChange]:
    """Measure what `spec.max_growth` bounds. Holds a few numbers per item and run.

    Raises CompareError for prices that are not known.
    """
    ours = {pair.baseline: pair.candidate for pair in subjects if pair.baseline and pair.candidate}
    theirs = {name: name for name in ours.values()}
    found = {}
    for name, allowed in sorted(spec.max_growth.items()):
        before = [_Values.of(run, name, ours) for run in baselines]
        after = [_Values.of(run, name, theirs, only_new=True) for run in candidates]
        items = {item for run in before for item in run.values} & {item for run in after for item in run.values}
        measured = (
            MeasuredItem(
                baseline=tuple(run.mean(item) for run in before), candidate=tuple(run.mean(item) for run in after)
            )
            for item in _once(items, (*before, *after))
        )
        change = measure(measured, allowed=allowed, seed=name)
        lost = 0 if name in _TYPICAL else len(_measured_once(before, after) - items)  # what is cached has no latency
        found[str(name)] = msgspec.structs.replace(change, missing=lost)
    return found


def _measured_once(before: Sequence["_Values"], after: Sequence["_Values"]) -> set[Item]:
    """Return the items that both sides have and one has a value of."""
    sides = [
        (set().union(*(run.seen for run in side)), {item for run in side for item in run.values})
        for side in (before, after)
    ]
    (ours, first), (theirs, second) = sides
    return (first & theirs) | (second & ours)


def _once(items: Set[Item], runs: Sequence["_Values"]) -> list[Item]:
    """Leave out the items whose answer is that of another item: an answer counts once, however many it serves."""
    named = {_name(item) for item in items}
    return sorted(item for item in items if not any(run.askers.get(item) in named for run in runs))


@dataclass(frozen=True, slots=True)
class _Values:
    """One quantity of a run; `askers` names the items that others share answers with, `seen` those it has."""

    values: dict[Item, list[float]]
    askers: dict[Item, Name]
    seen: set[Item]

    @classmethod
    def of(cls, run: SealedRun, quantity: str, subjects: Mapping[str, str], *, only_new: bool = False) -> "_Values":
        """Read it, without reused answers if `only_new`; answers that no call was made for have no latency."""
        found = cls({}, {}, set())
        read = reading_of(quantity, run.manifest.models, run.label)
        trials = (
            run.measured_records(MeasuredRecord)
            if quantity in _OF_TELEMETRY
            else ((record, None) for record in run.records(MeasuredRecord))
        )
        for record, line in trials:
            subject = record.subject.label
            is_reused = only_new and record.since is not None and record.since.answer == "reused"
            if subject in subjects and not is_reused:
                value = read(record, line)
                found.seen.add(_item(record, subjects[subject]))
                if value is not None:
                    found.add(record, subjects[subject], value)
        return found

    def add(self, record: MeasuredRecord, subject: str, value: float) -> None:
        """Take in one Trial's value."""
        item = _item(record, subject)
        self.values.setdefault(item, []).append(value)
        asker = record.shared_with
        if asker is not None:
            self.askers[item] = (asker.probe, asker.example_id or record.example_id, subject)

    def mean(self, item: Item) -> float | None:
        """Return the mean of an item's repeats."""
        values = self.values.get(item)
        return math.fsum(values) / len(values) if values else None


def _item(record: MeasuredRecord, subject: str) -> Item:
    return record.probe, record.example_id, record.example_digest, subject


def _name(item: Item) -> Name:
    probe, example_id, _, subject = item
    return probe, example_id, subject


class GrowthRule(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one quantity: the ratio of candidate to baseline with its interval, and whether it grew too much.

    `p` is the one-sided chance of such a growth where the true one is just what is allowed.
    """

    quantity: str
    allowed: float
    measured_by: Literal["total", "typical"]
    n: int
    ratio: float | None
    low: float | None
    high: float | None
    p: float
    alpha: float
    state: Literal["passed", "failed", "inconclusive"]
    reason: str


def decide_growth(quantities: Mapping[str, QuantityChange], spec: GateSpec, *, parties: int) -> tuple[GrowthRule, ...]:
    """Decide on every quantity that has a bound; together they are one of the `parties` that share alpha."""
    bounds = sorted(spec.max_growth.items())
    alpha = spec.alpha / max(1, parties * len(bounds))
    return tuple(
        _unless_thin(_decide_growth(name, allowed, quantities.get(name), alpha), quantities.get(name), spec)
        for name, allowed in bounds
    )


def _unless_thin(rule: GrowthRule, found: QuantityChange | None, spec: GateSpec) -> GrowthRule:
    """Let a growth that was not found conclude nothing where too much of it was not measured, or it is too little."""
    if rule.state != "passed" or found is None:
        return rule
    if found.missing > spec.max_missing * (found.n + found.missing):
        told = f"{found.missing:,} of {found.n + found.missing:,} items are measured in one of the runs only"
    elif found.least > rule.alpha:
        told = f"this gate cannot fail: {found.n:,} items cannot show growth at alpha {rule.alpha:.2g}"
    else:
        return rule
    return msgspec.structs.replace(rule, state="inconclusive", reason=f"{rule.quantity}: {told}; {rule.reason}")


def _decide_growth(name: str, allowed: float, found: QuantityChange | None, alpha: float) -> GrowthRule:
    by: Literal["total", "typical"] = "typical" if name in _TYPICAL else "total"
    growth: Growth | None = None if found is None else getattr(found, by)
    n = 0 if found is None else found.n
    if growth is None or growth.ratio is None:
        why = f" ({_UNTIMED})" if name in _OF_TELEMETRY else ""
        return GrowthRule(
            quantity=name, allowed=allowed, measured_by=by, n=n, ratio=None, low=None, high=None, p=1.0, alpha=alpha,
            state="inconclusive", reason=f"{name}: nothing was measured on both sides{why}",
        )  # fmt: skip
    failed = growth.p_grown <= alpha
    interval = (
        "" if growth.low is None or growth.high is None else f", 95% interval {growth.low:.3g} to {growth.high:.3g}"
    )
    verdict = "grew by more than" if failed else "is not shown to have grown by more than"
    reason = (
        f"{name} {verdict} the {allowed:.0%} allowed: {by} ratio {growth.ratio:.3g}{interval} "
        f"({tell_p(growth.p_grown)} against {alpha:.2g}, {n:,} items)"
    )
    if name in _TYPICAL and growth.p_run is None:
        reason += "; one baseline run cannot tell growth from a busy hour: two or more can, or --retest"
    return GrowthRule(
        quantity=name, allowed=allowed, measured_by=by, n=n, ratio=growth.ratio, low=growth.low, high=growth.high,
        p=growth.p_grown, alpha=alpha, state="failed" if failed else "passed", reason=reason,
    )  # fmt: skip
