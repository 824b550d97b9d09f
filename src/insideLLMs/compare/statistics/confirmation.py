"""Item confirmation: are the items that went from pass to fail really broken?

Only items that passed in the newest baseline run and failed in the candidate are asked again, of both models,
in two passes. Fresh answers alone count; the answers that selected an item never do.

First pass, `first_pass_repeats(m)` answers a side: the candidate is asked first, and an item is dropped at its
second pass (`is_dropped`). Second pass, on the survivors, with `second_pass_repeats(s)` answers a side, in a
new session: two passes because repeats of one session may be copies of each other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from insideLLMs.compare.statistics.distributions import holm, hypergeometric_pmf

ALPHA_ITEM = 0.01
_DROP_AT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Fresh answers about one item: how many each side gave, and how many of them passed."""

    baseline_passes: int
    baseline_asked: int
    candidate_passes: int
    candidate_asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The confirmed items, worst first, and the chance `p` that the gate uses (1 where none is confirmed)."""

    confirmed: tuple[str, ...]
    p: float
    item_p: dict[str, float]


def choose_repeats(items: int) -> int:
    """Return the least R >= 2 with 1/C(2R, R) <= ALPHA_ITEM/items: R clean passes against R clean fails suffice."""
    repeats = 2
    while math.comb(2 * repeats, repeats) * ALPHA_ITEM < items:
        repeats += 1
    return repeats


def first_pass_repeats(selected: int) -> int:
    """Return how often each side is asked in the first pass: one more than needed, to survive one stray answer."""
    return choose_repeats(selected) + 1


def second_pass_repeats(survivors: int) -> int:
    """Return how often each side is asked in the second pass."""
    return max(5, choose_repeats(survivors) + 1)


def is_dropped(candidate_passes: int) -> bool:
    """Whether the candidate has passed often enough that the item need not be asked again."""
    return candidate_passes >= _DROP_AT


def fisher_worse(answers: Answers) -> float:
    """Return Fisher's one-sided p that the candidate passes less often than the baseline."""
    if not (answers.baseline_asked and answers.candidate_asked):
        return 1.0
    total = answers.baseline_asked + answers.candidate_asked
    marked = answers.baseline_passes + answers.candidate_passes
    low, chances = hypergeometric_pmf(total, marked, answers.candidate_asked)
    return min(1.0, math.fsum(chances[: answers.candidate_passes - low + 1]))


def judge_pass(answers: Mapping[str, Answers]) -> Confirmation:
    """Judge one pass over items (by id): those whose Holm-adjusted p is at most ALPHA_ITEM are kept.

    A dropped item (whose baseline need not have been asked) stays in the family with p = 1.
    """
    names = sorted(answers)
    raw = [fisher_worse(answers[name]) for name in names]
    adjusted = dict(zip(names, holm(raw), strict=True))
    kept = sorted((name for name in names if adjusted[name] <= ALPHA_ITEM), key=lambda name: (adjusted[name], name))
    return Confirmation(confirmed=tuple(kept), p=min((adjusted[name] for name in kept), default=1.0), item_p=adjusted)


def confirm(first: Mapping[str, Answers], second: Mapping[str, Answers]) -> Confirmation:
    """Judge both passes: an item is confirmed if it was kept by the first and holds in the second.

    `second` has answers for the survivors of the first pass. `p` is the least first-pass value of a confirmed item.
    """
    before = judge_pass(first)
    again = {name: answers for name, answers in second.items() if name in before.confirmed}
    after = judge_pass(again)
    confirmed = tuple(name for name in before.confirmed if name in after.confirmed)
    p = min((before.item_p[name] for name in confirmed), default=1.0)
    return Confirmation(confirmed=confirmed, p=p, item_p=before.item_p)
