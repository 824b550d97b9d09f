"""Non-inferiority and equivalence: showing that nothing got worse, rather than failing to show that it did."""

from typing import Literal

import msgspec

from insideLLMs.compare.statistics.intervals import Interval
from insideLLMs.compare.statistics.power import points, signed_points


class NonInferiority(msgspec.Struct, frozen=True, kw_only=True):
    """The finding about a margin, with its reason in words."""

    finding: Literal["equivalent", "non-inferior", "not shown"]
    reason: str

    @property
    def is_shown(self) -> bool:
        """Whether a drop as large as the margin is ruled out."""
        return self.finding != "not shown"


def non_inferiority(interval: Interval, margin: float) -> NonInferiority:
    """Judge a 90% interval of the mean change (a one-sided test at 5%) against `margin`, in (0, 1].

    Non-inferior: the lower limit lies above -margin. Equivalent: both limits lie within the margin.
    """
    limits = f"90% interval {signed_points(interval.low)} to {signed_points(interval.high)} points"
    if interval.low <= -margin:
        reason = f"A drop of {points(margin)} points is not ruled out ({limits})."
        return NonInferiority(finding="not shown", reason=reason)
    reason = f"A drop of {points(margin)} points is ruled out ({limits})."
    return NonInferiority(finding="equivalent" if interval.high < margin else "non-inferior", reason=reason)
