"""Evidence: what a comparison found for one probe, or for all, in numbers and in words, and what it could have seen."""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from insideLLMs.compare.statistics.distributions import MeanInterval, chi_square_quantile, normal_quantile, t_quantile
from insideLLMs.compare.statistics.noise import Disagreement, RunShift
from insideLLMs.compare.statistics.permutation import Method
from insideLLMs.compare.statistics.sample import Sample
from insideLLMs.compare.statistics.stable_items import WEIGHT, StableItems
from insideLLMs.core.errors import CompareError

CONFIDENCE = 0.95
POWER = 0.8


class Background(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a comparison beside its scores and the gate's settings.

    `noise` is an A/A measurement of verdicts, `run_shift` one of whole runs. `confirmed_p` is the p of item
    confirmation, None where it was not made. `unchanged` is whether the items are a sample of what was asked again
    though nothing of it changed: a few of them are enough. `reused` counts by probe the items that were not asked. The
    ids of the runs seed the Monte Carlo draws.
    """

    noise: Disagreement | None = None
    run_shift: RunShift | None = None
    confirmed_p: float | None = None
    unchanged: bool = False
    reused: Mapping[str, int] = {}
    baseline_runs: tuple[str, ...] = ()
    candidate_runs: tuple[str, ...] = ()

    def reused_of(self, probe: str | None) -> int:
        """Return how many items of a probe, or of all, are reused."""
        return sum(self.reused.values()) if probe is None else self.reused.get(probe, 0)

    def seed(self, probe: str) -> str:
        """Name the Monte Carlo draws of a probe; the same for both directions of a comparison."""
        sides = sorted(",".join(runs) for runs in (self.baseline_runs, self.candidate_runs))
        return "|".join((*sides, probe))

    def check_repeats(self) -> None:
        """Raise CompareError unless the noise shows that repeats may count as runs."""
        if self.noise is None or not self.noise.allows_independent_repeats:
            raise CompareError(
                "independent_repeats needs a noise measurement that shows repeats of a run to be independent "
                "(upper 95% limit of their correlation below 0.1)",
                fix="measure the noise with two or more baseline runs of two or more repeats, or remove the setting",
            )


def minimum_detectable_drop(
    n: int, noise: float, *, repeats: float = 1.0, alpha: float = 0.05, power: float = 0.8, is_graded: bool = False
) -> float | None:
    """Return the drop that a one-sided test at `alpha` finds with chance `power`; None if no drop would do.

    `noise` is the variance of an item's D without any change. For verdicts the drop d solves
    d = z(1-alpha) sqrt((noise + d/k)/n) + z(power) sqrt((noise + d/k - d^2)/n), k the repeats, and is at least
    `detection_floor`. A drop of graded scores adds no variance but what the relabelling sees of it:
    d = t(1-alpha) sqrt((noise + d^2)/n) + t(power) sqrt(noise/n), t with n degrees.
    """
    if n < 1:
        return None
    z_alpha, z_power = (t_quantile(p, n) if is_graded else normal_quantile(p) for p in (1.0 - alpha, power))

    def needed(drop: float) -> float:
        if is_graded:
            return z_alpha * math.sqrt((noise + drop * drop) / n) + z_power * math.sqrt(noise / n)
        spread = noise + drop / repeats
        return z_alpha * math.sqrt(spread / n) + z_power * math.sqrt(max(0.0, spread - drop * drop) / n)

    low, high = 0.0, 1.0
    if needed(high) > high:
        return None
    while (middle := (low + high) / 2.0) not in (low, high):
        low, high = (middle, high) if needed(middle) > middle else (low, middle)
    drop = high if is_graded else max(high, detection_floor(n, repeats=repeats, alpha=alpha, power=power))
    return drop if drop <= 1.0 else None


def detection_floor(n: int, *, repeats: float = 1.0, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the drop below which even a noiseless test is blind.

    Fewer than m = ceil(log2(1/(2 alpha))) one-way flips never reach a mid-p of `alpha`; m flips are seen with
    chance `power` at a drop of chi2(power; 2m)/(2 n k).
    """
    flips = max(1, math.ceil(math.log2(1.0 / (2.0 * alpha))))
    return chi_square_quantile(power, 2.0 * flips) / (2.0 * n * repeats)


def items_needed(n: int, detectable: float, wanted: float) -> int:
    """Return about how many items see a drop of `wanted`, given that `n` see `detectable`."""
    return math.ceil(n * (detectable / wanted) ** 2)


def noise_of_mean(
    disagreement: float, *, correlation: float, repeats: float, baseline_runs: float, candidate_runs: float
) -> float:
    """Return the no-change variance of D from the share of verdicts that differ between two equal runs.

    A verdict's variance is disagreement/2; repeats of one run share the part `correlation` of it.
    """
    one_run = disagreement / 2.0 * (correlation + (1.0 - correlation) / repeats)
    return one_run * (1.0 / baseline_runs + 1.0 / candidate_runs)


def points(value: float) -> str:
    """Spell a rate in percentage points for people: 0.0466 as '4.7', 0.00012 as '0.012'."""
    scaled = value * 100
    return f"{scaled:.1f}" if abs(scaled) >= 1.0 or scaled == 0.0 else f"{scaled:.2g}"


def p_value(p: float) -> str:
    """Spell a p-value to two figures."""
    return "<0.0001" if p < 0.0001 else f"{p:.2g}"


def tell_p(p: float) -> str:
    """Name a p-value in a sentence: 'p = 0.03', 'p < 0.0001'."""
    return f"p {'< 0.0001' if p < 0.0001 else f'= {p:.2g}'}"


def signed_points(value: float) -> str:
    """Spell it with its sign."""
    return points(value) if value < 0 else f"+{points(value)}"


def examples(count: int) -> str:
    """Write a count of examples."""
    return f"{count:,} example{'' if count == 1 else 's'}"


def sensitivity(detectable: float | None, low: float) -> str:
    """Say in words what would have been found, and which drop is still possible: the lower limit of the change."""
    if detectable is None:
        found = "Too few examples: this comparison cannot reliably detect any drop"
    else:
        found = f"A drop of {points(detectable)} points would have been caught 4 times out of 5"
    return f"{found}; a drop of up to {points(-low)} points cannot be ruled out." if low < 0.0 else f"{found}."


class NonInferiority(msgspec.Struct, frozen=True, kw_only=True):
    """The finding about a margin, with its reason in words."""

    finding: Literal["equivalent", "non-inferior", "not shown"]
    reason: str

    @property
    def is_shown(self) -> bool:
        """Whether a drop as large as the margin is ruled out."""
        return self.finding != "not shown"


def non_inferiority(interval: MeanInterval, margin: float, alpha: float = 0.05) -> NonInferiority:
    """Hold an interval of the mean change, of level 1 - 2 `alpha` (a one-sided test), against `margin`, in (0, 1].

    Non-inferior: the lower limit lies above -margin. Equivalent: both limits lie within the margin.
    """
    level = f"{100.0 * (1.0 - 2.0 * alpha):.3g}% interval"
    limits = f"{level} {signed_points(interval.low)} to {signed_points(interval.high)} points"
    if interval.low <= -margin:
        reason = f"A drop of {points(margin)} points is not ruled out ({limits})."
        return NonInferiority(finding="not shown", reason=reason)
    reason = f"A drop of {points(margin)} points is ruled out ({limits})."
    return NonInferiority(finding="equivalent" if interval.high < margin else "non-inferior", reason=reason)


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Trials without a score, of all Trials of each side, and the items that had to be left out for it.

    `delta_if_failed` is the mean change if every missing candidate score were the worst one, None if none is missing.
    """

    baseline: int = 0
    baseline_trials: int = 0
    candidate: int = 0
    candidate_trials: int = 0
    unpaired_items: int = 0
    delta_if_failed: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of one probe, or overall where `probe` is None.

    `delta` is the mean change over the paired items with its interval `low` to `high` at `level`; None where nothing is
    paired. `left_out` Trials are repeats beyond those that every run of their item has. `n_worse` and `n_better` items
    fell and rose. `stable` are the items that failed for the first time, None where no item can. `p_used` is the p that
    the gate reads: `p_worse`, or that of it and `stable` together; where whole runs shift, the larger of it and the p
    of whole runs. `p_mean` is the same without `stable`; `p_run` is that of whole runs' means, `least_run_p` the least
    that a candidate could have, where they are compared. `p_holm` corrects `p_used` over the probes whose result could
    have failed the gate, `q_value` (Benjamini and Hochberg) over all that vary; None elsewhere. `noise` is the variance
    of an item's change where nothing changed. `detectable` is the smallest drop found with the wanted power at this
    question's share of alpha; `detectable_is_upper` says that its noise was estimated from this comparison itself, and
    `sensitivity` says it in words. About `items_needed` items find the wanted drop. `passes_needed` is how many items
    that can get worse it takes to fail the gate, None where there are enough. `reused` items are not among them: their
    answers are the baseline's.
    """

    probe: str | None
    n_items: int
    missing: Missing
    message: str
    sensitivity: str = ""
    level: float = CONFIDENCE
    n_paired: int = 0
    n_informative: int = 0
    n_worse: int = 0
    n_better: int = 0
    n_clusters: int | None = None
    baseline_runs: float = 0.0
    candidate_runs: float = 0.0
    repeats: float = 0.0
    left_out: int = 0
    baseline_mean: float | None = None
    candidate_mean: float | None = None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    method: Method = "none"
    p_worse: float = 1.0
    p_better: float = 1.0
    p_two: float = 1.0
    p_exact: float = 1.0
    p_run: float | None = None
    least_run_p: float | None = None
    stable: StableItems | None = None
    p_mean: float = 1.0
    p_used: float = 1.0
    p_holm: float | None = None
    q_value: float | None = None
    noise: float | None = None
    detectable: float | None = None
    detectable_is_upper: bool = False
    items_needed: int | None = None
    passes_needed: int | None = None
    reused: int = 0

    @property
    def effect(self) -> float | None:
        """The mean change with what is reused counted as unchanged: what a smallest effect is held against."""
        everything = self.n_items + self.reused
        return None if self.delta is None else self.delta * self.n_items / max(1, everything)


def nothing_paired(probe: str | None, missing: Missing) -> Evidence:
    """Return the evidence where no item has a score on both sides."""
    message = "Nothing to compare: no item has a score on both sides."
    return Evidence(probe=probe, n_items=missing.unpaired_items, missing=missing, message=message)


class Question(NamedTuple):
    """What is asked of a sample: all probes where `probe` is None.

    `alpha` is the question's share of the gate's; `run_level` compares the candidate with whole runs too.
    """

    probe: str | None
    alpha: float
    run_level: bool
    wanted_drop: float


def evidence_of(sample: Sample, question: Question, missing: Missing, background: Background) -> Evidence:
    """Test a sample."""
    test = sample.test(background.seed(question.probe or ""))
    interval = sample.interval(CONFIDENCE)
    noise = _noise(sample, background.noise) * sample.design_effect()
    detectable = minimum_detectable_drop(
        sample.n,
        noise,
        repeats=sample.repeats,
        alpha=question.alpha,
        power=POWER,
        is_graded=sample.is_graded,
    )
    shift, stable = background.run_shift, sample.stable()
    known = None if shift is None or shift.runs <= sample.baseline_runs else shift
    p_run = sample.run_p() if known is None else sample.shifted_p(known)
    p_mean, p_used = test.p_worse, sample.combined_p(stable, test) if stable else test.p_worse
    if question.run_level and p_run is not None:
        p_mean, p_used = max(p_mean, p_run), max(p_used, _of_whole_runs(p_run, sample.stable_run_p()))
    return Evidence(
        probe=question.probe,
        n_items=sample.n + missing.unpaired_items,
        missing=missing,
        message=_message(sample, interval.low, interval.high) + (f" {tell_stable(stable)}." if stable else ""),
        sensitivity=sensitivity(detectable, interval.low),
        n_paired=sample.n,
        n_informative=test.n_informative,
        n_worse=sample.n_worse,
        n_better=sample.n_better,
        n_clusters=None if sample.clusters is None else len(sample.clusters),
        baseline_runs=sample.baseline_runs,
        candidate_runs=sample.candidate_runs,
        repeats=sample.repeats,
        left_out=sample.left_out,
        baseline_mean=sample.baseline_mean,
        candidate_mean=sample.candidate_mean,
        delta=sample.delta,
        low=interval.low,
        high=interval.high,
        method=test.method,
        p_worse=test.p_worse,
        p_better=test.p_better,
        p_two=test.p_two,
        p_exact=test.p_exact,
        p_run=p_run,
        least_run_p=sample.least_run_p(known) if question.run_level else None,
        stable=stable,
        p_mean=p_mean,
        p_used=p_used,
        noise=noise,
        detectable=detectable,
        reused=background.reused_of(question.probe),
        detectable_is_upper=background.noise is None and sample.item_variance is None,
        items_needed=None if detectable is None else items_needed(sample.n, detectable, question.wanted_drop),
    )


def _of_whole_runs(p_run: float, p_stable: float | None) -> float:
    """Return the p of both run-level tests: the weighted minimum (Bonferroni)."""
    return p_run if p_stable is None else min(1.0, p_run / (1.0 - WEIGHT), p_stable / WEIGHT)


def tell_stable(stable: StableItems) -> str:
    """Say how many items failed for the first time, and how many would by chance."""
    plural = "" if stable.broken == 1 else "s"
    return (
        f"{stable.broken:,} item{plural} failed for the first time, with the candidate; by chance about "
        f"{stable.expected:.1f} would ({tell_p(stable.p)})"
    )


def _noise(sample: Sample, measured: Disagreement | None) -> float:
    """Return the no-change variance of D: as measured apart, else as the sample shows it."""
    if measured is None:
        return sample.noise
    correlation = measured.correlation
    return noise_of_mean(
        measured.across,
        correlation=1.0 if correlation is None else min(1.0, max(0.0, correlation)),
        repeats=sample.repeats,
        baseline_runs=sample.baseline_runs,
        candidate_runs=sample.candidate_runs,
    )


def _message(sample: Sample, low: float, high: float) -> str:
    limits = f"{CONFIDENCE:.0%} interval {signed_points(low)} to {signed_points(high)}"
    if not (sample.n_worse or sample.n_better):
        return f"None of {sample.n:,} items changed ({limits} points)."
    if sample.delta == 0.0:
        change = "no change on average"
    else:
        change = f"{'down' if sample.delta < 0 else 'up'} {points(abs(sample.delta))} points"
    counts = f"{sample.n_worse:,} of {sample.n:,} items got worse and {sample.n_better:,} better"
    return f"{counts}: {change} ({limits})."
