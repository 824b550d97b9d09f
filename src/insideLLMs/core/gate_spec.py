"""The gate's settings, each with its type, bounds, default and meaning: the only place that defines them.

The JSON schema, the options of `diff` and the tables of the documentation are made from these fields, and the
statistics read them as they are.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from insideLLMs.core.arguments import nearest

FailOn = Literal[
    "auto", "never", "changes", "regressions", "significant", "confirmed", "churn", "drift", "non-inferior"
]
ErrorsAs = Literal["missing", "fail"]
DriftKernel = Literal["3-gram", "hamming"]
TextLevel = Literal["verdict", "structured", "normalised", "exact"]
QuantityName = Literal["latency_ms", "input_tokens", "output_tokens", "characters", "cost_usd"]
Statistic = Literal["mean", "p50", "p90", "p95", "p99", "max", "total"]
LIMITS = tuple(f"{quantity}.{statistic}" for quantity in get_args(QuantityName) for statistic in get_args(Statistic))
"""What `max` can bound."""
LimitName = Annotated[str, Meta(pattern=f"^({'|'.join(get_args(QuantityName))})\\.({'|'.join(get_args(Statistic))})$")]
Severity = Literal["critical", "advisory"]
ScoreRange = tuple[float, float]
Share = Annotated[float, Meta(gt=0, lt=1)]
Part = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Rise = Annotated[float, Meta(ge=0)]


class ProbeGateSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The gate's settings for one probe, with the meaning they have in GateSpec; None keeps the gate's own value."""

    fail_on: FailOn | None = None
    tolerance: Count | None = None
    alpha: Share | None = None
    min_effect: Part | None = None
    margin: Share | None = None
    level: TextLevel | None = None
    accept_missing: bool | None = None
    errors_as: ErrorsAs | None = None
    score_range: ScoreRange | None = None
    accept_judge_change: bool | None = None
    min_pass_rate: Part | None = None
    min_score: dict[str, float] | None = None
    max: dict[LimitName, Rise] | None = None
    severity: Severity | None = None
    certain: bool | None = None
    ignore: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check_range(self.score_range)
        _check_limits(self.max or {})
        _check_ignored(self.ignore or ())


class GateSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gate's settings. Effects, drops and margins are differences of rates: 0.05 is five points."""

    fail_on: Annotated[FailOn, Meta(description="The policy: what fails the gate.")] = "auto"
    tolerance: Annotated[
        Count, Meta(description="How many changes, regressions or confirmed examples are allowed.")
    ] = 0
    alpha: Annotated[
        Share, Meta(description="The chance that an unchanged system fails; `churn` uses at most 0.01.")
    ] = 0.05
    min_effect: Annotated[
        Part, Meta(description="A drop fails only if the measured drop is at least this large; 0.02 is two points.")
    ] = 0.0
    wanted_drop: Annotated[
        Share, Meta(description="The drop that `require_power` and early stopping must be able to detect.")
    ] = 0.05
    margin: Annotated[Share, Meta(description="For `non-inferior`: the drop to rule out.")] = 0.05
    max_missing: Annotated[
        Part, Meta(description="The share of a probe's trials that may be missing, edited or without a score.")
    ] = 0.05
    accept_missing: Annotated[
        bool, Meta(description="Decide on the rest if a dataset or a probe was removed on purpose.")
    ] = False
    require_power: Annotated[
        bool, Meta(description="Inconclusive if the comparison is too small to detect `wanted_drop`.")
    ] = False
    errors_as: Annotated[ErrorsAs, Meta(description="What a trial without an answer counts as.")] = "missing"
    run_level: Annotated[
        bool, Meta(description="Also compare the candidate with the spread of whole runs; needs two baseline runs.")
    ] = False
    independent_repeats: Annotated[
        bool, Meta(description="Count repeats as runs; refused unless a noise floor shows that they are independent.")
    ] = False
    level: Annotated[TextLevel, Meta(description="How strictly `churn` compares texts.")] = "normalised"
    drift: Annotated[
        DriftKernel | None,
        Meta(description="Measure text drift by this kernel; the policy `drift` uses `3-gram` if none is set."),
    ] = None
    cluster: Annotated[
        str, Meta(description="The field of an example that names its cluster: examples that share noise.")
    ] = "cluster"
    score_range: Annotated[
        ScoreRange | None,
        Meta(description="`[worst, best]` of scores that are not verdicts; overrides what the probe declares."),
    ] = None
    max_growth: Annotated[
        dict[QuantityName, Rise], Meta(description="The growth allowed per quantity; 0.1 is ten percent.")
    ] = {}
    trust_semantic: Annotated[
        bool, Meta(description="Count texts as unchanged if only `--semantic` finds them equivalent.")
    ] = False
    accept_judge_change: Annotated[bool, Meta(description="Compare runs that different judges scored.")] = False
    min_pass_rate: Annotated[
        Part | None,
        Meta(description="The share of trials that must pass, per probe and model. A trial without an answer failed."),
    ] = None
    min_score: Annotated[
        dict[str, float],
        Meta(description="The limit for the mean of a score: at least this, or at most this if lower is better."),
    ] = {}
    max: Annotated[
        dict[LimitName, Rise],
        Meta(description="The upper limit of a quantity per model, such as `latency_ms.p95: 2000`."),
    ] = {}
    severity: Annotated[
        Severity, Meta(description="Whether a condition that is not met fails the gate, or is only reported.")
    ] = "critical"
    certain: Annotated[
        bool, Meta(description="Compare conditions with the bound of the confidence interval, not with the estimate.")
    ] = False
    ignore: Annotated[
        tuple[str, ...],
        Meta(description="The part of an answer that comparisons ignore: `$.request_id`, or `/req-[0-9]+/` in texts."),
    ] = ()
    probes: Annotated[dict[str, ProbeGateSpec], Meta(description="Settings of single probes, by id.")] = {}

    def __post_init__(self) -> None:
        _check_range(self.score_range)
        _check_limits(self.max or {})
        _check_ignored(self.ignore)

    @property
    def is_absolute(self) -> bool:
        """Whether it states conditions of a run by itself."""
        rules: tuple[GateSpec | ProbeGateSpec, ...] = (self, *self.probes.values())
        return any(rule.min_pass_rate is not None or rule.min_score or rule.max for rule in rules)

    def without_failures(self) -> "GateSpec":
        """Return the settings with every condition of a run by itself as advice."""
        probes = {name: msgspec.structs.replace(own, severity=None) for name, own in self.probes.items()}
        return msgspec.structs.replace(self, severity="advisory", probes=probes)

    def of_probe(self, probe: str) -> "GateSpec":
        """Return the settings that hold for a probe."""
        own = self.probes.get(probe, ProbeGateSpec())
        said = {name: value for name in own.__struct_fields__ if (value := getattr(own, name)) is not None}
        return msgspec.structs.replace(self, probes={}, **said)


ABSOLUTE = ("min_pass_rate", "min_score", "max", "severity", "certain")
"""The settings that concern a run by itself, without a baseline."""


def _check_ignored(rules: Iterable[str]) -> None:
    for rule in rules:
        if not is_ignored_form(rule):
            raise ValueError(f"ignore has {rule!r}; {IGNORE_FORM}")


def is_ignored_form(rule: str) -> bool:
    """Whether `rule` looks like a JSON path, or like a regular expression between slashes."""
    return rule.startswith("$") or (len(rule) > len("//") and rule[0] == rule[-1] == "/")


IGNORE_FORM = "write a JSON path, $.request_id, or a regular expression between slashes, /req-[0-9]+/"


def _check_limits(limits: Mapping[str, float]) -> None:
    unknown = next((name for name in limits if name not in LIMITS), None)
    if unknown is not None:
        raise ValueError(f"max has {unknown!r}; {nearest_limit(unknown)}")


def nearest_limit(name: str) -> str:
    """Hint at what `max` can bound."""
    near = nearest(name, LIMITS)
    if near:
        return f"did you mean {near!r}?"
    quantities, statistics = (", ".join(get_args(words)) for words in (QuantityName, Statistic))
    return f"write QUANTITY.STATISTIC, of the quantities {quantities} and the statistics {statistics}"


def _check_range(score_range: ScoreRange | None) -> None:
    if score_range is not None and (score_range[0] == score_range[1] or not all(map(math.isfinite, score_range))):
        raise ValueError(f"score_range is {list(score_range)}; give [worst, best], two different numbers")
