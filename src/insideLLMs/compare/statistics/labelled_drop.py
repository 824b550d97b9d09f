"""The true change behind judged verdicts, from people's labels of some answers of both runs.

A judge that prefers the candidate's style makes a drop look like none, and comparing with the same judge cannot show
it. Prediction-powered inference (Angelopoulos et al. 2023, doi:10.1126/science.adi6000; PPI++, arXiv 2311.01453; for
judges arXiv 2601.05420) takes the judge's rate over all N items and corrects it by what labels show of the judge's
errors in this very run. Per side, over the n labelled answers (y by a person, j by the judge) and all judged J:

    rate = mean(y) + lambda (mean(J) - mean(j)),   lambda = cov(y, j) / var(J), within 0 and 1

A judge that knows nothing has lambda 0: then labels alone speak. The change is the difference of both rates. Its
variance is that of the sum of each item's influence on both, so that labels of the same items may count as pairs; for
each side 2 (1/2)^2 / (n + 2)^2 is added, as by two labels that the judge missed by a half, so that it is never 0.
Labels must be of answers drawn at random, not of those that look suspicious.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from insideLLMs.compare.statistics.distributions import t_quantile
from insideLLMs.compare.statistics.evidence import signed_points

MIN_LABELS = 50
"""Labels of a side that suffice: with 50 the interval misses on a side at most 6.8% where 5% is due; with 30, 7.3%."""


class Label(NamedTuple):
    """A person's verdict on an answer, and the judge's on the same; means where several repeats are labelled."""

    person: float
    judge: float


class LabelledItem(NamedTuple):
    """An item's judged pass rate before and after, and the labels of its answers, None where it has none."""

    before: float
    after: float
    label_before: Label | None = None
    label_after: Label | None = None


LabelFinding = Literal["dropped", "not the judge's drop", "in line", "too few"]


class LabelledDrop(msgspec.Struct, frozen=True, kw_only=True):
    """What people's labels say of a probe's change, beside what the judge says.

    `judged` is the change of the judged pass rate over all `n` items; `delta`, with its interval `low` to `high` at
    `level`, is the true one, None without labels enough. `dropped`: the labels show a drop. `not the judge's drop`:
    they show none, and that the judge's is too large.
    """

    probe: str
    n: int
    n_baseline: int
    n_candidate: int
    judged: float
    finding: LabelFinding
    message: str
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None


def suffice(items: Sequence[LabelledItem]) -> bool:
    """Whether the labels of both sides are enough for an interval."""
    return min(_count(items)) >= MIN_LABELS


def _count(items: Sequence[LabelledItem]) -> tuple[int, int]:
    return sum(item.label_before is not None for item in items), sum(item.label_after is not None for item in items)


def labelled_drop(probe: str, items: Sequence[LabelledItem], *, alpha: float, min_effect: float = 0.0) -> LabelledDrop:
    """Estimate the true change of a probe; `alpha` is the chance to find a drop where there is none."""
    before, after = _count(items)
    judged = math.fsum(item.after - item.before for item in items) / len(items)
    found = LabelledDrop(
        probe=probe, n=len(items), n_baseline=before, n_candidate=after, judged=judged, finding="too few", message=""
    )
    if not suffice(items):
        told = (
            f"probe {probe!r}: {before:,} baseline and {after:,} candidate answers have a person's label; "
            f"{MIN_LABELS} of each show the true change"
        )
        return msgspec.structs.replace(found, message=told)
    delta, error = true_change(items)
    half = t_quantile(1.0 - alpha, min(before, after) - 1) * error
    low, high = max(-1.0, delta - half), min(1.0, delta + half)
    finding: LabelFinding = "in line"
    if high < 0.0 and delta <= -min_effect:
        finding = "dropped"
    elif high >= 0.0 and judged < low:
        finding = "not the judge's drop"
    level = 1.0 - 2.0 * alpha
    change = (
        f"{signed_points(delta)} points ({100.0 * level:.3g}% interval {signed_points(low)} to {signed_points(high)}), "
        f"the judge's {signed_points(judged)}"
    )
    message = f"probe {probe!r}: {before:,} and {after:,} labelled answers {_SAYS[finding].format(change=change)}"
    return msgspec.structs.replace(
        found, finding=finding, message=message, delta=delta, low=low, high=high, level=level
    )


_SAYS: Mapping[LabelFinding, str] = {
    "dropped": "show a true drop: the true change is {change}",
    "not the judge's drop": (
        "do not show the drop that the judge sees, which may be its taste: the true change is {change}; label more "
        "answers, or read those that fell"
    ),
    "in line": "put the true change at {change}",
}


def true_change(items: Sequence[LabelledItem]) -> tuple[float, float]:
    """Return the true change of the rate and its standard error; both sides need two labels or more."""
    before = _Side([item.before for item in items], [item.label_before for item in items])
    after = _Side([item.after for item in items], [item.label_after for item in items])
    influence = math.fsum((b - a) ** 2 for a, b in zip(before.influence, after.influence, strict=True))
    unseen = math.fsum(0.5 / (side.labels + 2) ** 2 for side in (before, after))
    return after.rate - before.rate, math.sqrt(influence / len(items) ** 2 + unseen)


class _Side:
    """One run's true pass rate, and each item's influence on it times the number of items."""

    def __init__(self, judged: Sequence[float], labels: Sequence[Label | None]) -> None:
        known = [label for label in labels if label is not None]
        self.labels = len(known)
        mean = _mean(judged)
        weight = _weight(judged, known, mean)
        residuals = [label.person - weight * label.judge for label in known]
        rest = _mean(residuals)
        self.rate = rest + weight * mean
        scale = len(judged) / math.sqrt(self.labels * (self.labels - 1.0))
        self.influence = [
            weight * (rate - mean)
            + (scale * (label.person - weight * label.judge - rest) if label is not None else 0.0)
            for rate, label in zip(judged, labels, strict=True)
        ]


def _weight(judged: Sequence[float], known: Sequence[Label], mean: float) -> float:
    """Return lambda: how far the judge's verdicts are relied on."""
    variance = _mean([(rate - mean) ** 2 for rate in judged])
    if variance <= 0.0:
        return 0.0
    person, judge = _mean([label.person for label in known]), _mean([label.judge for label in known])
    products = math.fsum((label.person - person) * (label.judge - judge) for label in known)
    return min(1.0, max(0.0, products / (len(known) - 1) / variance))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
