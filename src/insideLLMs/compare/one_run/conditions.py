"""The absolute gate: does a run, by itself, meet the conditions that its experiment states?

`min_pass_rate` and `min_score` hold for each probe on each subject, so that no strong one hides a weak one; `max`
for each subject over all its answers, or those of the probe that sets it. A Trial without a scored answer counts as
failed in the pass rate. Where more than `max_missing` of the Trials lack a score or a quantity, or where nothing was
measured at all, a condition is undecidable, which is inconclusive and never green.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from insideLLMs.compare.one_run.figures import VERDICTS, MemberFigures, QuantityFigures, RunFigures, WorstTrials
from insideLLMs.compare.one_run.summary import mean_interval, rate_interval
from insideLLMs.compare.one_run.verdict import (
    EXIT_CODES,
    RANK,
    Condition,
    FailedExample,
    RunVerdict,
    State,
    failed_example,
)
from insideLLMs.compare.statistics.distributions import binomial_pmf, fewest_for_bound, wilson
from insideLLMs.core.gate_spec import GateSpec, ProbeGateSpec
from insideLLMs.core.run_summary import Interval
from insideLLMs.core.subject import Subject

_ROUNDING = 1e-12
_LOOK_FIRST = 10


def decide_figures(
    figures: RunFigures, spec: GateSpec, unmeasured: Mapping[str, str], *, level: float = 0.95
) -> RunVerdict:
    """Hold a run's figures against its gate; `unmeasured` says by quantity why it could not be read."""
    decided: list[Decided] = []
    for (probe, subject), member in sorted(figures.members.items(), key=lambda item: (item[0][0], item[0][1].order)):
        row = _Row(probe=probe, subject=subject, rule=spec.of_probe(probe), level=level)
        decided += _member_conditions(member, row, figures, spec.probes.get(probe, ProbeGateSpec()))
    for (scope, subject), quantities in sorted(
        figures.quantities.items(), key=lambda item: (item[0][0] or "", item[0][1].order)
    ):
        row = _Row(probe=scope, subject=subject, rule=spec.of_probe(scope or ""), level=level)
        for name, limit in sorted(row.rule.max.items()):
            quantity = name.partition(".")[0]
            found = quantities[quantity]
            decided.append((row.quantity(name, limit, found, unmeasured.get(quantity)), found.worst))
    missing = [
        *_concerning_nothing(spec, figures, frozenset(one.setting for one, _ in decided), level),
        *_never_missed([one for one, _ in decided], figures, spec, level),
    ]
    return _verdict((*decided, *((condition, None) for condition in missing)))


Decided = tuple[Condition, WorstTrials | None]


def _member_conditions(
    member: MemberFigures, row: "_Row", figures: RunFigures, own: ProbeGateSpec
) -> Iterator[Decided]:
    assert row.probe is not None
    rule = row.rule
    if rule.min_pass_rate is not None and (member.gives_verdicts or own.min_pass_rate is not None):
        yield row.pass_rate(member, rule.min_pass_rate), member.worst.get(VERDICTS)
    declared = figures.ranges.declared.get(row.probe, {})
    for name, limit in sorted(rule.min_score.items()):
        is_due = name in declared and member.answered < member.trials
        if name in member.scores or own.min_score is not None or is_due:
            score_range = figures.score_range(row.probe, name, member.scores)
            yield row.score(name, limit, member, score_range), member.worst.get(name)


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """Where conditions hold, by which rule, and at which level of confidence."""

    probe: str | None
    subject: Subject | None
    rule: GateSpec
    level: float

    def condition(
        self,
        setting: str,
        limit: float,
        state: State,
        told: str,
        seen: Interval | None = None,
        held: float | None = None,
    ) -> Condition:
        subject = self.subject
        where = " · ".join(filter(None, (self.probe, subject and subject.label)))
        return Condition(
            setting=setting, probe=self.probe, model=subject.model if subject else None,
            prompt=subject.prompt if subject else None, limit=limit, severity=self.rule.severity, state=state,
            reason=f"{where}: {told}" if where else told, held=held, n=seen.n if seen else 0,
            value=seen.value if seen else None, low=seen.low if seen else None, high=seen.high if seen else None,
        )  # fmt: skip

    def pass_rate(self, member: MemberFigures, limit: float) -> Condition:
        setting = "min_pass_rate"
        if not member.gives_verdicts:
            return self.condition(setting, limit, "inconclusive", "no trial has a verdict, so there is no pass rate")
        seen = rate_interval(member.verdicts, self.level)
        assert seen.low is not None
        assert seen.high is not None
        held = seen.low if self.rule.certain else seen.value
        met = held >= limit - _ROUNDING
        lost = member.trials - member.answered
        told = (
            f"{self._subject('the pass rate', 'lower', f'{held:.1%}')} {_is(met, 'below')} the {limit:.1%} wanted "
            f"({member.passed:,} of {member.scored + lost:,} trials passed, {self.level:.0%} interval "
            f"{seen.low:.1%} to {seen.high:.1%})"
        )
        if lost:
            told += f"; {lost:,} without a scored answer count as failed"
        fewest = fewest_for_bound(limit, level=self.level)
        if not met and seen.value >= limit - _ROUNDING and (fewest is None or seen.n < fewest):
            enough = f"it takes {fewest:,} that all pass" if fewest else "no number of them could"
            told += f"; {seen.n:,} examples cannot show that, even if all pass: {enough}"
            return self.condition(setting, limit, "inconclusive", told, seen, held)
        state, doubt = self._unless_missing(met, member.skipped, member.trials + member.skipped, "were not asked")
        return self.condition(setting, limit, state, told + doubt, seen, held)

    def score(self, name: str, limit: float, member: MemberFigures, score_range: tuple[float, float]) -> Condition:
        setting, mean = f"min_score.{name}", member.scores.get(name)
        if mean is None:
            known = ", ".join(sorted(member.scores)) or "none"
            return self.condition(setting, limit, "inconclusive", f"no trial has the score {name!r} (scores: {known})")
        seen = mean_interval(mean, self.level, score_range)
        rises = score_range[1] > score_range[0]
        held = _score_bound(seen, score_range, self.level) if self.rule.certain else seen.value
        if held is None:
            told = f"the mean of {name} is {seen.value:.4g}, of so few examples that it has no interval"
            return self.condition(setting, limit, "inconclusive", told, seen)
        met = held >= limit - _ROUNDING if rises else held <= limit + _ROUNDING
        within = "" if seen.low is None else f", {self.level:.0%} interval {seen.low:.4g} to {seen.high:.4g}"
        subject = self._subject(f"the mean of {name}", "lower" if rises else "upper", f"{held:.4g}")
        told = (
            f"{subject} {_is(met, 'below' if rises else 'above')} the {limit:.4g} wanted "
            f"(n={seen.n:,}{within}{'' if rises else '; lower is better'})"
        )
        asked = member.trials + member.skipped
        state, doubt = self._unless_missing(met, asked - member.with_score[name], asked, "have no such score")
        return self.condition(setting, limit, state, told + doubt, seen, held)

    def quantity(self, name: str, limit: float, found: QuantityFigures, unmeasured: str | None) -> Condition:
        setting, n = f"max.{name}", len(found.values)
        quantity, _, statistic = name.partition(".")
        if not n:
            why = unmeasured or _NOT_MEASURED[quantity]
            return self.condition(setting, limit, "inconclusive", f"{name} was not measured: {why}")
        value, upper = _statistic(found, statistic, self.level)
        seen = Interval(value=value, low=None, high=upper, n=n)
        held = upper if self.rule.certain else value
        if held is None:
            told = f"{name} is {value:,.6g}, of too few values ({n:,}) for an upper bound"
            return self.condition(setting, limit, "inconclusive", told, seen)
        met = held <= limit + _ROUNDING
        subject = self._subject(name, "upper", f"{held:,.6g}")
        told = f"{subject} {_is(met, 'above')} the {limit:,.6g} allowed (n={n:,})"
        state, doubt = self._unless_missing(met, found.missing, n + found.missing, "were not measured")
        return self.condition(setting, limit, state, told + doubt, seen, held)

    def _subject(self, what: str, side: str, shown: str) -> str:
        """Say what is held against the limit: the estimate, or the bound of its interval."""
        return f"the {side} bound of {what}, {shown}," if self.rule.certain else f"{what} {shown}"

    def _unless_missing(self, met: bool, missing: int, asked: int, why: str) -> tuple[State, str]:
        if not met:
            return "failed", ""
        if missing > self.rule.max_missing * asked:
            allowed = f"more than the {self.rule.max_missing:.0%} allowed (`max_missing`)"
            return "inconclusive", f", but {missing:,} of {asked:,} trials {why}: {allowed}"
        return "passed", ""


def _score_bound(interval: Interval, score_range: tuple[float, float], level: float) -> float | None:
    """Return the bound on the worse side; where all examples are equal, Wilson's of the share of the range."""
    worst, best = score_range
    if interval.low is not None and interval.high is not None:
        return interval.low if best > worst else interval.high
    if not (math.isfinite(worst) and math.isfinite(best)) or not min(score_range) <= interval.value <= max(score_range):
        return None
    low, _ = wilson((interval.value - worst) / (best - worst) * interval.n, interval.n, level=level)
    return worst + low * (best - worst)


_NOT_MEASURED = {
    "latency_ms": "no call was timed (answers out of a cache or a cassette have no latency, and `--no-telemetry` "
    "keeps none)",
    "input_tokens": "the provider counted no tokens",
    "output_tokens": "the provider counted no tokens",
    "characters": "there is no answer",
    "cost_usd": "the provider counted no tokens to price",
}


def _statistic(found: QuantityFigures, statistic: str, level: float) -> tuple[float, float | None]:
    """Return a statistic of the values and the upper bound of its interval.

    Examples are the sample. The bound of a quantile is that of order statistics, which few values have not; the
    largest value and the total are what they are.
    """
    values, examples = sorted(found.values), found.means.n
    if statistic in {"max", "total"}:
        value = values[-1] if statistic == "max" else math.fsum(values)
        return value, value
    if statistic == "mean":
        interval = mean_interval(found.means, level, (0.0, math.inf))
        return interval.value, interval.high
    wanted = int(statistic.removeprefix("p")) / 100
    value = values[max(0, math.ceil(wanted * len(values) - _ROUNDING) - 1)]
    above, chance = 0, 0.0
    for place, share in enumerate(binomial_pmf(examples, wanted), start=1):
        chance += share
        if chance >= (1 + level) / 2:
            above = place
            break
    if not 0 < above <= examples:
        return value, None
    return value, values[max(0, math.ceil(above / examples * len(values) - _ROUNDING) - 1)]


def _concerning_nothing(
    spec: GateSpec, figures: RunFigures, decided: frozenset[str], level: float
) -> Iterator[Condition]:
    """Yield what the experiment states and no member is concerned by: never green on nothing."""
    wanted: list[tuple[str, float, str]] = []
    if spec.min_pass_rate is not None:
        wanted.append(("min_pass_rate", spec.min_pass_rate, "no probe of the run gives a verdict"))
    scores = ", ".join(sorted({name for member in figures.members.values() for name in member.scores})) or "none"
    for name, limit in sorted(spec.min_score.items()):
        wanted.append((f"min_score.{name}", limit, f"no trial has the score {name!r} (scores: {scores})"))
    wanted += [(f"max.{name}", limit, "no answer was measured") for name, limit in sorted(spec.max.items())]
    everywhere = _Row(probe=None, subject=None, rule=spec, level=level)
    for setting, limit, why in wanted:
        if setting not in decided:
            yield everywhere.condition(setting, limit, "inconclusive", f"{setting}: {why}")
    ran = {probe for probe, _ in figures.members}
    for probe, own in sorted(spec.probes.items()):
        if probe not in ran and (own.min_pass_rate is not None or own.min_score or own.max):
            row = _Row(probe=probe, subject=None, rule=spec.of_probe(probe), level=level)
            yield row.condition("probes", 0.0, "inconclusive", "the run has no trial of this probe")


def _never_missed(decided: Sequence[Condition], figures: RunFigures, spec: GateSpec, level: float) -> list[Condition]:
    """Say that every run meets what is stated, as each limit is the worst that there is."""
    if not decided or not all(_is_worst(one, figures) for one in decided):
        return []
    everywhere = _Row(probe=None, subject=None, rule=spec, level=level)
    names = ", ".join(dict.fromkeys(one.setting for one in decided))
    told = f"{names}: every run meets this, as each limit is the worst there is; raise one"
    return [everywhere.condition("limits", 0.0, "inconclusive", told)]


def _is_worst(condition: Condition, figures: RunFigures) -> bool:
    """Whether a condition's limit is the worst that its rate or score can be."""
    kind, _, name = condition.setting.partition(".")
    if kind != "min_score" or condition.probe is None:
        return kind == "min_pass_rate" and condition.limit <= 0
    scores = next((member.scores for (probe, _), member in figures.members.items() if probe == condition.probe), {})
    return condition.limit == figures.score_range(condition.probe, name, scores)[0]


def _is(met: bool, beyond: Literal["below", "above"]) -> str:
    return f"is not {beyond}" if met else f"is {beyond}"


def _verdict(decided: Iterable[Decided]) -> RunVerdict:
    decided = sorted(decided, key=lambda one: (RANK[one[0].state], one[0].severity == "advisory"))
    conditions = tuple(condition for condition, _ in decided)
    critical = [one for one in conditions if one.severity == "critical"]
    state: State = min((one.state for one in critical), key=RANK.__getitem__, default="passed")
    reasons = [one.reason for one in critical if state == "passed" or one.state != "passed"]
    reasons += [
        f"advisory, not counted: {one.reason}"
        for one in conditions
        if one.severity == "advisory" and one.state != "passed"
    ]
    return RunVerdict(
        state=state,
        exit_code=int(EXIT_CODES[state]),
        reasons=tuple(reasons),
        conditions=conditions,
        look_first=_look_first([worst for condition, worst in decided if worst and condition.state == "failed"]),
    )


def _look_first(worst: Sequence[WorstTrials]) -> tuple[FailedExample, ...]:
    """Name the worst Trials of each condition that is not met, a few of each."""
    shown: dict[tuple[str, str, str, Subject], FailedExample] = {}
    share = max(3, _LOOK_FIRST // max(1, len(worst)))
    for each in worst:
        for record, note in each.listed()[:share]:
            name = (record.probe, record.dataset, record.example_id, record.subject)
            shown.setdefault(name, failed_example(record, note))
    return tuple(shown.values())[:_LOOK_FIRST]
