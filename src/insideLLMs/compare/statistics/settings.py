"""What a user may decide about the statistics."""

from typing import Literal

import msgspec

from insideLLMs.compare.statistics.noise import Disagreement
from insideLLMs.core.errors import CompareError


class AlphaShares(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the gate's error rate is shared: the overall test, the tests per probe, item confirmation."""

    overall: float
    probes: float
    items: float = 0.0


PLAIN = AlphaShares(overall=0.5, probes=0.5)
WITH_CONFIRMATION = AlphaShares(overall=0.4, probes=0.4, items=0.2)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to assess a comparison. Effects, margins and drops are differences of rates: 0.05 is five points.

    `alpha` bounds the chance that an unchanged system fails the gate. `min_effect` is the drop that a failing
    branch must reach. `wanted_drop` is the drop to plan for. `margin` belongs to the policy non-inferior.
    `confirmed_p` is what item confirmation came to, None where it was not made. `ranges` declares, per probe,
    the worst and the best score where they are not 0 and 1. `noise` is an A/A measurement of verdicts.
    `baseline_runs` and `candidate_runs` are run ids; they seed the Monte Carlo draws.
    """

    policy: Literal["significant", "non-inferior"] = "significant"
    alpha: float = 0.05
    level: float = 0.95
    power: float = 0.8
    min_effect: float = 0.0
    wanted_drop: float = 0.05
    margin: float = 0.05
    max_missing: float = 0.05
    require_power: bool = False
    run_level: bool = False
    independent_repeats: bool = False
    missing_as_fail: bool = False
    confirmed_p: float | None = None
    weights: AlphaShares | None = None
    ranges: dict[str, tuple[float, float]] = {}
    noise: Disagreement | None = None
    baseline_runs: tuple[str, ...] = ()
    candidate_runs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("alpha", "level", "power", "wanted_drop"):
            _check(name, getattr(self, name), 0.0 < getattr(self, name) < 1.0, "strictly between 0 and 1")
        _check("margin", self.margin, 0.0 < self.margin <= 1.0, "above 0 and at most 1")
        _check("min_effect", self.min_effect, 0.0 <= self.min_effect <= 1.0, "from 0 to 1")
        _check("max_missing", self.max_missing, 0.0 <= self.max_missing <= 1.0, "from 0 to 1")
        if self.confirmed_p is not None:
            _check("confirmed_p", self.confirmed_p, 0.0 <= self.confirmed_p <= 1.0, "from 0 to 1")
        shares = self.shares
        total = shares.overall + shares.probes + shares.items
        lowest = min(shares.overall, shares.probes, shares.items)
        _check("weights", total, total <= 1.0 + 1e-9 and lowest >= 0.0, "shares from 0 that sum to at most 1")
        for probe, (worst, best) in self.ranges.items():
            _check(
                f"ranges.{probe}",
                (worst, best),
                abs(best - worst) < float("inf") and worst != best,
                "two different numbers",
            )
        if self.independent_repeats and not (self.noise and self.noise.allows_independent_repeats):
            raise CompareError(
                "independent_repeats needs a noise measurement that shows repeats of a run to be independent "
                "(upper 95% limit of their correlation below 0.1)",
                fix="measure the noise with two or more baseline runs of two or more repeats, or leave the setting off",
            )

    @property
    def shares(self) -> AlphaShares:
        """The weights in force."""
        if self.weights is not None:
            return self.weights
        return PLAIN if self.confirmed_p is None else WITH_CONFIRMATION

    def seed(self, probe: str) -> str:
        """Name the Monte Carlo draws of a probe; the same for both directions of a comparison."""
        sides = sorted(",".join(runs) for runs in (self.baseline_runs, self.candidate_runs))
        return "|".join((*sides, probe))


def _check(name: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise CompareError(f"gate setting {name} is {value!r}", fix=f"give {rule}")
