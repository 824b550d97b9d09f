"""Judges that are models: what a comparison may conclude from their verdicts.

Runs that were judged by different judges cannot be compared: a rate may move because the judge is another. How far one
judge can be trusted is measured on answers that people labelled: its errors shrink every true drop by the factor
sensitivity + specificity - 1, and one that hardly agrees with people informs and does not gate.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from insideLLMs.compare.statistics.evidence import Evidence
from insideLLMs.compare.statistics.judges import MIN_KAPPA, MIN_LABELLED, JudgeQuality
from insideLLMs.core import canonical

_SHOWN = 40
_LONG = 12


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


def find(judge: Judge, evidence: Evidence | None, *, accepted: bool) -> JudgeFinding:
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


def differences(baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> tuple[str, ...]:
    """Say in what two identities differ: path, value before, value after; long texts by their digest."""
    before, after = dict(_leaves(baseline, "")), dict(_leaves(candidate, ""))
    return tuple(
        f"{path} {_shown(before.get(path))} -> {_shown(after.get(path))}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list | tuple) and value:
        return [leaf for at, inner in enumerate(value) for leaf in _leaves(inner, f"{path}[{at}]")]
    return [(path, value)]


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[:_LONG]!r}… (sha256 {canonical.identity('text/1', value)[:_LONG]})"
    return repr(value) if isinstance(value, str) else canonical.line(value).decode()


def advisory(judges: Collection[Judge]) -> frozenset[str]:
    """Return the probes whose judge must not gate."""
    return frozenset(judge.probe for judge in judges if judge.is_advisory)
