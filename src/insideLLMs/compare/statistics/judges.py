"""Judges that are models: how far their verdicts can be trusted, and what their errors do to rates and drops.

Runs that were scored by different judges cannot be compared: a rate may move because the judge is another. How far one
judge can be trusted is measured on answers that people labelled: its errors shrink every true drop by the factor
sensitivity + specificity - 1, and one that hardly agrees with people informs and does not gate.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from insideLLMs.compare.statistics.distributions import jackknife_interval

if TYPE_CHECKING:  # a run counts how far judges agree with people, and compares nothing
    from insideLLMs.compare.statistics.evidence import Evidence

MIN_LABELLED = 50
MIN_KAPPA = 0.6


class Verdicts(NamedTuple):
    """Trials by verdict: passed by person and judge, by the person only, by the judge only, by neither."""

    both: int = 0
    person: int = 0
    judge: int = 0
    neither: int = 0

    @classmethod
    def of(cls, *, label: bool, passed: bool) -> "Verdicts":
        """Return the verdicts of one Trial: a person's `label`, and whether it `passed` with the judge."""
        return cls(
            both=label and passed,
            person=label and not passed,
            judge=passed and not label,
            neither=not (label or passed),
        )

    @classmethod
    def total(cls, several: Iterable["Verdicts"]) -> "Verdicts":
        """Return the sum of `several`."""
        return cls(*map(sum, zip(*several, strict=True)))

    def less(self, other: "Verdicts") -> "Verdicts":
        """Return these without the others."""
        return Verdicts(*(mine - its for mine, its in zip(self, other, strict=True)))

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960, doi:10.1177/001316446002000104); None where both always say one and the same."""
        n = sum(self)
        if not n:
            return None
        passes, judged = self.both + self.person, self.both + self.judge
        chance = (passes * judged + (n - passes) * (n - judged)) / (n * n)
        return ((self.both + self.neither) / n - chance) / (1.0 - chance) if chance < 1.0 else None


Labelled = Mapping[Verdicts, int]
"""How many examples have which verdicts over their repeats."""


class JudgeQuality(msgspec.Struct, frozen=True, kw_only=True):
    """A judge against human labels of `n` examples: the shares of passes and fails it recognises, and Cohen's kappa.

    None where the labelled set has no passes, or no fails.
    """

    n: int
    sensitivity: float | None
    specificity: float | None
    kappa: float | None

    @property
    def is_reliable(self) -> bool:
        """Whether the judge may gate: enough labels, and a kappa of at least 0.6."""
        return self.n >= MIN_LABELLED and self.kappa is not None and self.kappa >= MIN_KAPPA

    @property
    def attenuation(self) -> float | None:
        """The factor by which the judge shrinks a true drop: sensitivity + specificity - 1; None if not positive.

        Divide the smallest drop that a comparison could have seen by it.
        """
        if self.sensitivity is None or self.specificity is None:
            return None
        factor = self.sensitivity + self.specificity - 1.0
        return factor if factor > 0.0 else None

    def correct(self, rate: float) -> float | None:
        """Return the true rate behind a judged one (Rogan and Gladen 1978, doi:10.1093/oxfordjournals.aje.a112510)."""
        if self.attenuation is None or self.specificity is None:
            return None
        return min(1.0, max(0.0, (rate + self.specificity - 1.0) / self.attenuation))


def judge_quality(labelled: Labelled) -> JudgeQuality:
    """Measure a judge on examples that a person has labelled."""
    total = _total(labelled)
    passes, fails = total.both + total.person, total.judge + total.neither
    return JudgeQuality(
        n=sum(labelled.values()),
        sensitivity=total.both / passes if passes else None,
        specificity=total.neither / fails if fails else None,
        kappa=total.kappa,
    )


def kappa_interval(labelled: Labelled, *, level: float = 0.95) -> tuple[float, float] | None:
    """Return Student's interval of kappa by the jackknife over examples, whose repeats are not independent.

    (Fleiss and Davies 1982, doi:10.1093/biomet/69.3.676.) None where all examples are alike, or
    where without one of them kappa is undefined.
    """
    total = _total(labelled)
    whole = total.kappa
    if whole is None:
        return None
    without = [(total.less(verdicts).kappa, count) for verdicts, count in sorted(labelled.items())]
    return jackknife_interval(whole, without, level=level)


def _total(labelled: Labelled) -> Verdicts:
    return Verdicts(*(sum(verdicts[place] * count for verdicts, count in labelled.items()) for place in range(4)))


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """A judged probe: in what its judge differs between the runs, and how it did on labelled answers.

    `differs` is empty where it is the same; `quality` is None where nothing was labelled.
    """

    probe: str
    differs: tuple[str, ...] = ()
    quality: JudgeQuality | None = None

    @property
    def is_advisory(self) -> bool:
        """Whether labels enough show that it must not gate."""
        return self.quality is not None and self.quality.n >= MIN_LABELLED and not self.quality.is_reliable


class JudgeFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a probe's judge, and what its errors make of the figures.

    `baseline_rate` and `candidate_rate` are the pass rates behind the judged ones, `detectable` the smallest true drop
    that the comparison could have seen; None without labels enough, or for a judge no better than chance.
    """

    probe: str
    differs: tuple[str, ...]
    accepted: bool
    is_advisory: bool
    quality: JudgeQuality | None
    baseline_rate: float | None = None
    candidate_rate: float | None = None
    detectable: float | None = None
    message: str = ""


def judge_finding(judge: Judge, evidence: "Evidence | None", *, accepted: bool) -> JudgeFinding:
    """Say what a judge's errors make of the evidence of its probe."""
    quality = judge.quality
    finding = JudgeFinding(
        probe=judge.probe, differs=judge.differs, accepted=accepted, is_advisory=judge.is_advisory, quality=quality
    )
    if quality is None or quality.n < MIN_LABELLED or quality.attenuation is None or evidence is None:
        return msgspec.structs.replace(finding, message=_message(judge, None))
    before, after, seen = evidence.baseline_mean, evidence.candidate_mean, evidence.detectable
    finding = msgspec.structs.replace(
        finding,
        baseline_rate=None if before is None else quality.correct(before),
        candidate_rate=None if after is None else quality.correct(after),
        detectable=None if seen is None else min(1.0, seen / quality.attenuation),
    )
    return msgspec.structs.replace(finding, message=_message(judge, finding))


def _message(judge: Judge, found: JudgeFinding | None) -> str:
    quality = judge.quality
    if quality is None:
        return ""
    if quality.n < MIN_LABELLED:
        return f"only {quality.n} labelled answers; {MIN_LABELLED} tell how far the judge can be trusted"
    shares = (("sensitivity", quality.sensitivity), ("specificity", quality.specificity), ("kappa", quality.kappa))
    told = f"judge on {quality.n} labelled answers: " + ", ".join(
        f"{name} {'–' if value is None else f'{value:.2f}'}" for name, value in shares
    )
    if judge.is_advisory:
        told += f"; kappa is below {MIN_KAPPA}, so this probe is information only"
    if found is not None and found.baseline_rate is not None and found.candidate_rate is not None:
        told += (
            f"; corrected for the judge's errors the rates are {found.baseline_rate:.1%} and {found.candidate_rate:.1%}"
        )
    if found is not None and found.detectable is not None:
        told += f"; a true drop of {found.detectable * 100:.1f} points could be seen"
    return told


def advisory_probes(judges: Collection[Judge]) -> frozenset[str]:
    """Return the probes whose judge must not gate."""
    return frozenset(judge.probe for judge in judges if judge.is_advisory)
