"""Items written out one by one, where the product counts those that look alike."""

from collections import Counter

import msgspec

from insideLLMs.compare.statistics import assess as statistics
from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.compare.statistics.permutation import unit_of_item


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed of one example under one probe, on both sides."""

    probe: str
    id: str
    baseline: tuple
    candidate: tuple
    cluster: str | None = None


def counted(items):
    """Count items; no two of a probe may have one id."""
    tally = ItemCounts()
    for item in items:
        tally.add_equal(item.probe, item.baseline, item.candidate, cluster=item.cluster)
    assert len({(item.probe, item.id) for item in items}) == len(items)
    return tally


def assess(items, *args, **options):
    """Assess items, or their counts."""
    return statistics.assess(items if isinstance(items, ItemCounts) else counted(items), *args, **options)


def relabelled(items):
    """Return units, observed sums and broken stable items of (baseline values, candidate values, the best)."""
    units, observed, broken = Counter(), Counter(), 0
    for before, after, best in items:
        unit = unit_of_item(before, after, best, best=best)
        units[unit] += 1
        observed[unit.denominator] += len(before) * sum(after) - len(after) * sum(before)
        broken += unit.is_stable and min(before) == best
    return units, observed, broken
