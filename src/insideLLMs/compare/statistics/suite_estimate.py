"""How far a suite moved of which only a part was asked: what is new by its share, and the rest by its canaries."""

import math

import msgspec

from insideLLMs.compare.statistics.distributions import normal_quantile
from insideLLMs.compare.statistics.evidence import CONFIDENCE, points, signed_points
from insideLLMs.compare.statistics.items import ItemCounts, pair
from insideLLMs.compare.statistics.sample import Sample, gather


class SuiteEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """The mean change of the suite, with its 95 % interval, and what it is made of.

    `new` items are `share` of it, and moved by `new_delta`. The rest moved as its `canaries` did, by `canary_delta`;
    where there are none it is taken to be as it was.
    """

    delta: float
    low: float
    high: float
    share: float
    new: int
    new_delta: float | None
    canaries: int
    canary_delta: float | None
    reused: int

    @property
    def message(self) -> str:
        """The same in words."""
        new = (
            "" if self.new_delta is None else f" ({points(self.share)} % of it is new: {signed_points(self.new_delta)}"
        )
        rest = "the rest is taken to be as it was"
        if self.canary_delta is not None:
            plural = "y" if self.canaries == 1 else "ies"
            rest = f"the rest by its {self.canaries:,} canar{plural}: {signed_points(self.canary_delta)}"
        made = f"{new}; {rest})" if new else f" ({rest})"
        limits = f"{CONFIDENCE:.0%} interval {signed_points(self.low)} to {signed_points(self.high)}"
        return f"the suite moved by {signed_points(self.delta)} points, {limits}{made}"


def suite_estimate(tally: ItemCounts, canaries: ItemCounts, reused: int) -> SuiteEstimate | None:
    """Estimate the suite of which `tally` was asked, `canaries` among it, and `reused` items were not.

    The stratified mean, with the intervals of both parts added in squares; items that judge one answer widen it by the
    design effect of all. None where nothing was asked. Raises CompareError for a score outside 0 to 1.
    """
    whole = _sample(tally)
    if whole is None:
        return None
    new = ItemCounts()
    new.counts = {
        shape: left for shape, count in tally.counts.items() if (left := count - canaries.counts.get(shape, 0))
    }
    parts = _sample(new), _sample(canaries)
    sizes = [0 if part is None else part.n for part in parts]
    share = sizes[0] / (sum(sizes) + reused)
    weighted = [(weight, part) for weight, part in zip((share, 1.0 - share), parts, strict=True) if part is not None]
    delta = math.fsum(weight * part.delta for weight, part in weighted)
    intervals = [(weight, part.interval(CONFIDENCE)) for weight, part in weighted]
    center = math.fsum(weight * interval.center for weight, interval in intervals)
    error = math.sqrt(
        math.fsum((weight * interval.error) ** 2 for weight, interval in intervals) * whole.design_effect()
    )
    half = normal_quantile((1.0 + CONFIDENCE) / 2.0) * error
    return SuiteEstimate(
        delta=delta,
        low=max(-1.0, min(delta, center - half)),
        high=min(1.0, max(delta, center + half)),
        share=share,
        new=sizes[0],
        new_delta=None if parts[0] is None else parts[0].delta,
        canaries=sizes[1],
        canary_delta=None if parts[1] is None else parts[1].delta,
        reused=reused,
    )


def _sample(tally: ItemCounts) -> Sample | None:
    found = (pair(shape, count, missing_as_fail=False, independent=False) for shape, count in tally.counts.items())
    return gather([item for item in found if item is not None])
