"""Gates on quantities that have no upper end: cost, latency, length, tokens."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from insideLLMs.compare.statistics.quantities import Growth, QuantityChange
from insideLLMs.core.gate_spec import GateSpec

_TYPICAL = {"latency_ms"}
"""Judged by the typical item, as a few slow answers say little of a server; all others by the total, as a bill is."""


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


def judge_growth(quantities: Mapping[str, QuantityChange], spec: GateSpec) -> tuple[GrowthRule, ...]:
    """Judge every quantity that the policy bounds; they share alpha."""
    bounds = sorted(spec.max_growth.items())
    return tuple(_judge(name, allowed, quantities.get(name), spec.alpha / len(bounds)) for name, allowed in bounds)


def _judge(name: str, allowed: float, found: QuantityChange | None, alpha: float) -> GrowthRule:
    by: Literal["total", "typical"] = "typical" if name in _TYPICAL else "total"
    growth: Growth | None = None if found is None else getattr(found, by)
    n = 0 if found is None else found.n
    if growth is None or growth.ratio is None:
        return GrowthRule(
            quantity=name, allowed=allowed, measured_by=by, n=n, ratio=None, low=None, high=None, p=1.0, alpha=alpha,
            state="inconclusive", reason=f"{name}: nothing was measured on both sides",
        )  # fmt: skip
    failed = growth.p_grown <= alpha
    interval = (
        "" if growth.low is None or growth.high is None else f", 95% interval {growth.low:.3g} to {growth.high:.3g}"
    )
    verdict = "grew by more than" if failed else "is not shown to have grown by more than"
    reason = (
        f"{name} {verdict} the {allowed:.0%} allowed: {by} ratio {growth.ratio:.3g}{interval} "
        f"(p = {growth.p_grown:.2g} against {alpha:.2g}, {n:,} items)"
    )
    return GrowthRule(
        quantity=name, allowed=allowed, measured_by=by, n=n, ratio=growth.ratio, low=growth.low, high=growth.high,
        p=growth.p_grown, alpha=alpha, state="failed" if failed else "passed", reason=reason,
    )  # fmt: skip
