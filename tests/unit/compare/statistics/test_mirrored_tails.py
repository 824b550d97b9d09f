"""Near the limit of what is enumerated, both directions of a comparison take the same road."""

import msgspec

from insideLLMs.compare.statistics.evidence import Background
from support.items import Item, assess

ROWS = [
    (0.0, (0.0, 0.512621544927062)),
    (0.0, (0.0, 0.6904890764349846)),
    (0.0, (1.0, 0.897612332517298)),
    (0.0, (0.6953125, 0.8052255270919846)),
    (0.0, (0.8437745267710239, 0.1344441850224776)),
    (0.0, (0.6376284629262817, 0.07294426116311704)),
    (0.5, (0.0, 1.0)),
    (0.5, (0.0, 1.0)),
    (0.8125, (0.0, 0.75)),
    (0.8125, (0.0, 0.75)),
    (0.5191642875417776, (0.0, 0.6663315990569442)),
    (0.375, (0.0, 0.833984375)),
    (0.373046875, (0.375, 0.19921875)),
    (0.1875, (0.0, 0.3359375)),
    (0.140625, (0.0, 0.0)),
    (0.22265625, (0.0, 0.3359375)),
    (0.03125, (0.0, 0.875)),
    (0.015625, (0.0, 0.34375)),
]


def test_one_direction_is_not_enumerated_while_the_other_is_drawn():
    items = [
        Item(probe="p", id=str(number), baseline=((before,),), candidate=tuple((value,) for value in after))
        for number, (before, after) in enumerate(ROWS)
    ]
    back = [msgspec.structs.replace(item, baseline=item.candidate, candidate=item.baseline) for item in items]
    there = assess(items, background=Background(baseline_runs=("a",), candidate_runs=("b",))).overall
    mirrored = assess(back, background=Background(baseline_runs=("b",), candidate_runs=("a",))).overall
    assert there.method == mirrored.method
    assert (there.p_worse, there.p_better) == (mirrored.p_better, mirrored.p_worse)
