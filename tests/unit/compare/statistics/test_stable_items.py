import math
import random
from collections import Counter
from itertools import combinations, product

import pytest
from scipy import stats

from insideLLMs.compare.statistics import stable_items as module
from insideLLMs.compare.statistics.permutation import permutation_test
from insideLLMs.compare.statistics.stable_items import WEIGHT, combined_p, stable_items
from support.items import Item, assess, relabelled


def pool(*items, repeats=1):
    """Write items as the runs of baseline and candidate: "11111 0" passed five times, then failed."""
    runs = [tuple(tuple((float(mark),) * repeats for mark in side) for side in item.split()) for item in items]
    return [Item(probe="p", id=str(n), baseline=before, candidate=after) for n, (before, after) in enumerate(runs)]


def stable_of(*items, **given):
    return assess(pool(*items, **given)).overall.stable


def test_a_failure_of_the_candidate_alone_has_the_binomials_chance():
    found = stable_of(*["11111 0"] * 7, *["11011 1"] * 5, *["11111 1"] * 90, *["01010 0"] * 9)
    test = stats.binomtest(7, 12, 1 / 6, alternative="greater")
    assert (found.n, found.broken, found.expected) == (12, 7, pytest.approx(2.0))
    assert found.p == pytest.approx(test.pvalue - stats.binom.pmf(7, 12, 1 / 6) / 2, rel=1e-12)


@pytest.mark.parametrize(("runs", "candidates"), [(2, 1), (3, 1), (3, 2), (3, 3), (5, 2)])
def test_with_several_candidate_runs_a_first_failure_spares_the_whole_baseline(runs, candidates):
    first = "1" * runs + " 0" + "1" * (candidates - 1)
    found = stable_of(*[first] * 4, *["0" + "1" * (runs - 1) + " " + "1" * candidates] * 3)
    chance = candidates / (runs + candidates)
    tail = stats.binomtest(4, 7, chance, alternative="greater").pvalue
    assert found.p == pytest.approx(tail - stats.binom.pmf(4, 7, chance) / 2, rel=1e-12)


def test_an_item_that_fails_in_every_run_of_the_candidate_counts_by_its_own_chance():
    assert stable_of("111 00").expected == pytest.approx(1 / 10)
    assert stable_of("111 01", "111 00").expected == pytest.approx(2 / 5 + 1 / 10)


def test_repeats_of_a_run_are_one_failure_whether_they_are_copies_or_not():
    one = stable_of(*["11111 0"] * 4, *["11011 1"] * 3)
    assert stable_of(*["11111 0"] * 4, *["11011 1"] * 3, repeats=5) == one


@pytest.mark.parametrize(("passes", "is_counted"), [(4, False), (3, False), (2, True), (0, True)])
def test_a_run_has_failed_where_half_of_its_repeats_did(passes, is_counted):
    candidate = tuple(float(number < passes) for number in range(5))
    item = Item(probe="p", id="a", baseline=((1.0,) * 5,) * 3, candidate=(candidate,))
    assert (assess([item]).overall.stable is not None) == is_counted


def test_half_of_two_repeats_is_a_failure_too():
    item = Item(probe="p", id="a", baseline=((1.0, 1.0),) * 3, candidate=((1.0, 0.0),))
    assert assess([item]).overall.stable.broken == 1


def test_an_item_that_some_runs_lack_has_the_chance_of_those_it_has():
    item = Item(probe="p", id="a", baseline=((1.0,), (None,), (1.0,)), candidate=((0.0,),))
    assert assess([item]).overall.stable.expected == pytest.approx(1 / 3)


@pytest.mark.parametrize("item", ["1 0", "11111 1", "00000 0", "01011 0", "00000 1"])
def test_nothing_is_stable_with_one_baseline_run_or_two_failures_or_none(item):
    assert stable_of(item) is None


def test_graded_scores_have_no_failures():
    graded = Item(probe="p", id="b", baseline=((0.5,), (0.7,)), candidate=((0.2,),))
    assert assess([*pool("11 0"), graded]).overall.stable is None


def test_a_cluster_counts_as_one_item():
    items = [
        Item(probe="p", id=str(n), baseline=((1.0,),) * 5, candidate=((0.0,),), cluster=str(n // 4)) for n in range(12)
    ]
    found = assess(items).overall.stable
    assert (found.n, found.broken) == (3, 3)
    assert found.p == pytest.approx((1 / 6) ** 3 / 2)


def test_a_cluster_with_a_failing_item_in_the_baseline_is_not_stable():
    items = [*pool("11111 0"), *pool("01011 1")]
    one = [
        Item(probe="p", id=str(n), baseline=i.baseline, candidate=i.candidate, cluster="c") for n, i in enumerate(items)
    ]
    assert assess(one).overall.stable is None


def by_brute_force(items):
    """Return the p of both tests together over every relabelling of every item."""
    common = math.lcm(*(len(before) * len(after) * best for before, after, best in items))

    def labelling(before, after, best, is_stable):
        top = len(before) * sum(after) - len(after) * sum(before)
        return common // (len(before) * len(after) * best) * top, int(is_stable and min(before) == best)

    choices, seen = [], []
    for before, after, best in items:
        pooled = [*before, *after]
        is_stable = len(before) > 1 and 0 < sum(value < best for value in pooled) <= len(after)
        splits = [
            ([pooled[n] for n in range(len(pooled)) if n not in chosen], [pooled[n] for n in chosen], best, is_stable)
            for chosen in combinations(range(len(pooled)), len(after))
        ]
        choices.append([labelling(*split) for split in splits])
        seen.append(labelling(before, after, best, is_stable))
    totals = Counter(tuple(map(sum, zip(*chosen, strict=True))) for chosen in product(*choices))
    ways = totals.total()
    observed = tuple(map(sum, zip(*seen, strict=True)))

    def score(top, broken):
        p_mean = sum(n * (1 if t < top else 0.5 if t == top else 0) for (t, _), n in totals.items()) / ways
        p_stable = sum(n * (1 if b > broken else 0.5 if b == broken else 0) for (_, b), n in totals.items()) / ways
        return (1 - WEIGHT) / p_mean + WEIGHT / p_stable

    least = score(*observed)
    above = sum(n for place, n in totals.items() if score(*place) > least * (1 + 1e-9))
    equal = sum(n for place, n in totals.items() if abs(score(*place) / least - 1) <= 1e-9)
    return (above + equal / 2) / ways


@pytest.mark.parametrize("case", range(60))
def test_the_two_tests_together_have_the_p_of_every_relabelling_counted(case):
    source = random.Random(case)
    items = []
    for _ in range(7):
        runs, others, best = source.choice([1, 2, 3]), source.choice([1, 1, 2]), source.choice([1, 1, 2])
        values = [best if source.random() < 0.7 else source.randrange(best) for _ in range(runs + others)]
        items.append((values[:runs], values[runs:], best))
    units, observed, broken = relabelled(items)
    found = stable_items(units, broken)
    if found is None:
        return
    together = combined_p(units, observed, found, permutation_test(units, observed))
    # coincidental ties between different (sum, broken) are the one thing that the two may count apart
    assert together == pytest.approx(by_brute_force(items), abs=1e-9)


def hot(source, n, runs, lost):
    """Draw items of which one in three is flaky; of the others a share `lost` breaks."""
    rows = []
    for _ in range(n):
        chance = source.random() if source.random() < 0.3 else 0.97
        after = 0.03 if chance > 0.9 and source.random() < lost else chance
        rows.append(([int(source.random() < chance) for _ in range(runs)], [int(source.random() < after)], 1))
    return rows


def test_many_items_are_tested_by_a_close_normal_approximation(monkeypatch):
    units, observed, broken = relabelled(hot(random.Random(3), 400, 5, 0.04))
    found = stable_items(units, broken)
    exact = combined_p(units, observed, found, permutation_test(units, observed))
    monkeypatch.setattr("insideLLMs.compare.statistics.convolution.MAX_COST", 0)
    test = permutation_test(units, observed)
    assert test.method == "normal"
    assert combined_p(units, observed, found, test) == pytest.approx(exact, abs=0.0015)


def test_a_joint_distribution_that_is_too_large_gives_the_weighted_minimum(monkeypatch):
    units, observed, broken = relabelled(hot(random.Random(3), 400, 5, 0.04))
    found, test = stable_items(units, broken), permutation_test(units, observed)
    exact = combined_p(units, observed, found, test)
    monkeypatch.setattr(module, "_MAX_COST", 10)
    least = min(1.0, test.p_worse / (1 - WEIGHT), found.p / WEIGHT)
    assert combined_p(units, observed, found, test) == least
    assert exact <= least


def test_stable_items_that_broke_fail_a_gate_that_the_mean_passes():
    stable = [*["11111 0"] * 9, *["01111 1", "11011 1", "11101 1"] * 2, *["11111 1"] * 100]
    found = assess(pool(*stable, *["10101 0", "01010 1"] * 40))
    assert found.overall.p_mean > 0.05
    assert found.verdict == "failed"
    assert "9 items failed for the first time, with the candidate; by chance about 2.5 would" in found.reasons[0]


def test_broken_items_that_others_make_up_for_are_named_but_pass():
    found = assess(pool(*["11111 0"] * 9, *["00000 1"] * 20, *["11111 1"] * 70))
    assert found.verdict == "passed"
    assert found.p_gate <= found.alpha
    assert "Items broke that had always passed" in found.reasons[0]


def test_a_look_of_early_stopping_reads_the_mean_alone():
    overall = assess(pool(*["11111 0"] * 9, *["11101 1"] * 6, *["10101 1", "01010 0"] * 40)).overall
    assert (overall.p_mean, overall.p_used < overall.p_mean) == (overall.p_worse, True)
