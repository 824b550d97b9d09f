"""Judges that err: how far a model's verdicts can be trusted, and what its errors do to rates and drops."""

from collections.abc import Iterable

import msgspec

MIN_LABELLED = 50
MIN_KAPPA = 0.6


class JudgeQuality(msgspec.Struct, frozen=True, kw_only=True):
    """A judge against human labels: the shares of passes and fails it recognises, and Cohen's kappa.

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


def judge_quality(labels: Iterable[tuple[bool, bool]]) -> JudgeQuality:
    """Measure a judge on pairs of (human verdict, judge's verdict)."""
    pairs = list(labels)
    n = len(pairs)
    passes = sum(human for human, _ in pairs)
    judged = sum(verdict for _, verdict in pairs)
    both = sum(human and verdict for human, verdict in pairs)
    neither = n - passes - judged + both
    if not n:
        return JudgeQuality(n=0, sensitivity=None, specificity=None, kappa=None)
    chance = (passes * judged + (n - passes) * (n - judged)) / (n * n)
    return JudgeQuality(
        n=n,
        sensitivity=both / passes if passes else None,
        specificity=neither / (n - passes) if n > passes else None,
        kappa=((both + neither) / n - chance) / (1.0 - chance) if chance < 1.0 else None,
    )
