"""Judges that err: how far a model's verdicts can be trusted, and what its errors do to rates and drops."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from insideLLMs.compare.statistics.distributions import t_quantile

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

    (Tukey 1958; Fleiss and Davies 1982, doi:10.1093/biomet/69.3.676.) None where all examples are alike, or
    where without one of them kappa is undefined.
    """
    total, n = _total(labelled), sum(labelled.values())
    whole = total.kappa
    if whole is None or n < 2:
        return None
    values: list[tuple[float, int]] = []
    for verdicts, count in sorted(labelled.items()):
        without = total.less(verdicts).kappa
        if without is None:
            return None
        values.append((n * whole - (n - 1) * without, count))
    mean = math.fsum(value * count for value, count in values) / n
    variance = math.fsum(count * (value - mean) ** 2 for value, count in values) / (n - 1)
    half = t_quantile(0.5 + level / 2.0, n - 1) * math.sqrt(variance / n)
    return (max(-1.0, whole - half), min(1.0, whole + half)) if half > 0.0 else None


def _total(labelled: Labelled) -> Verdicts:
    return Verdicts(*(sum(verdicts[place] * count for verdicts, count in labelled.items()) for place in range(4)))
