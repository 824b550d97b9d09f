import math
import random
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable, mcnemar

from insideLLMs.compare.statistics import convolution
from insideLLMs.compare.statistics.permutation import (
    MAX_OPTIONS,
    Unit,
    permutation_test,
    unit_of_cluster,
    unit_of_item,
)


def run(items, *, seed=""):
    """Test items given as (baseline, candidate, denominator)."""
    units, observed = Counter(), Counter()
    for before, after, denominator in items:
        unit = unit_of_item(before, after, denominator)
        units[unit] += 1
        observed[unit.denominator] += len(before) * sum(after) - len(after) * sum(before)
    return permutation_test(units, observed, seed=seed)


def by_brute_force(items):
    """Return P(T* < T) and P(T* = T) over every relabelling, in exact arithmetic."""
    common = math.lcm(*(len(a) * len(b) * d for a, b, d in items))
    observed, choices = 0, []
    for before, after, denominator in items:
        pooled, scale = [*before, *after], common // (len(before) * len(after) * denominator)
        observed += scale * (len(before) * sum(after) - len(after) * sum(before))
        ways = combinations(range(len(pooled)), len(after))
        tops = [sum(pooled[place] for place in chosen) for chosen in ways]
        choices.append([scale * (len(before) * top - len(after) * (sum(pooled) - top)) for top in tops])
    sums = [sum(chosen) for chosen in product(*choices)]
    return sum(top < observed for top in sums) / len(sums), sums.count(observed) / len(sums)


def draw(source, runs, top):
    return [source.randint(0, top) for _ in range(runs)]


@pytest.mark.parametrize("case", range(40))
def test_p_values_are_those_of_every_relabelling_counted(case):
    source = random.Random(case)
    shapes = [(source.randint(1, 3), source.randint(1, 2), source.choice([1, 2, 5, 997])) for _ in range(5)]
    items = [(draw(source, r, top), draw(source, s, top), top) for r, s, top in shapes]
    less, equal = by_brute_force(items)
    found = run(items)
    if found.n_informative:
        assert found.method == "exact"
        assert found.p_worse == pytest.approx(less + equal / 2, abs=1e-12)
        assert found.p_exact == pytest.approx(less + equal, abs=1e-12)


def test_scores_on_no_common_grid_are_enumerated():
    source = random.Random(5)
    items = [(draw(source, 2, 10**9), draw(source, 1, 10**9), 10**9) for _ in range(8)]
    less, equal = by_brute_force(items)
    found = run(items)
    assert found.method == "enumerated"
    assert found.p_worse == pytest.approx(less + equal / 2, abs=1e-12)


def test_every_item_falling_by_one_amount_has_the_least_possible_p():
    assert run([([7], [2], 10)] * 50).p_worse == pytest.approx(2.0**-51, rel=1e-12)


@pytest.mark.parametrize(("down", "up"), [(15, 5), (3, 30), (200, 170)])
def test_one_verdict_a_side_is_mcnemars_exact_test(down, up):
    found = run([([1], [0], 1)] * down + [([0], [1], 1)] * up)
    two_sided = 2 * min(found.p_exact, 1 - found.p_exact + 2 * (found.p_exact - found.p_worse))
    assert min(1, two_sided) == pytest.approx(mcnemar([[0, down], [up, 0]]).pvalue, abs=1e-9)


def test_repeats_are_scipys_paired_permutation_test():
    source = random.Random(11)
    before, after = draw(source, 12, 4), draw(source, 12, 4)
    oracle = stats.permutation_test(
        (np.array(after) / 4, np.array(before) / 4),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        alternative="less",
        n_resamples=np.inf,
    )
    items = [([a], [b], 4) for a, b in zip(before, after, strict=True)]
    assert run(items).p_exact == pytest.approx(oracle.pvalue, abs=1e-9)


def test_the_variance_is_that_of_cochran_mantel_and_haenszel():
    runs = ("111", "110", "101", "000", "111", "111", "010", "001")
    after = (0, 0, 1, 0, 1, 0, 0, 1)
    tables, variance, observed = [], 0.0, 0.0
    for before, passed in zip(runs, after, strict=True):
        passes = before.count("1")
        tables.append(np.array([[passes, 3 - passes], [passed, 1 - passed]]))
        unit = unit_of_item([int(x) for x in before], [passed], 1)
        variance += unit.variance / unit.denominator**2
        observed += passed - passes / 3
    chi_square = StratifiedTable(tables).test_null_odds(correction=False)
    assert observed**2 / variance == pytest.approx(chi_square.statistic, abs=1e-9)
    assert chi_square.pvalue == pytest.approx(0.1797124949, abs=1e-9)


def test_the_normal_approximation_is_within_its_stated_error():
    source = random.Random(3)
    items = [([source.randint(0, 9)], [source.randint(0, 9)], 9) for _ in range(130)]
    exact = run(items)
    fine = [([a * 10**8 + source.randint(0, 50)], [b * 10**8], 9 * 10**8) for (a,), (b,), _ in items]
    near = run(fine)
    assert (exact.method, near.method) == ("exact", "normal")
    assert near.p_worse == pytest.approx(exact.p_worse, abs=0.0013)


def test_seeded_draws_come_close_to_the_exact_value_and_repeat_themselves():
    source = random.Random(9)
    items = [(draw(source, 1, 9), draw(source, 1, 9), 9) for _ in range(60)]
    fine = [([a * 10**8 + source.randint(0, 50)], [b * 10**8], 9 * 10**8) for (a,), (b,), _ in items]
    drawn = run(fine, seed="a|b|p")
    assert drawn.method == "monte_carlo"
    assert drawn.p_worse == pytest.approx(run(items).p_worse, abs=0.02)
    assert run(fine, seed="a|b|p") == drawn
    assert run(fine, seed="a|c|p") != drawn


def test_seeded_draws_mirror_when_the_sides_are_swapped():
    source = random.Random(4)
    items = [(draw(source, 3, 10**9), draw(source, 1, 10**9), 10**9) for _ in range(50)]
    one = run(items, seed="s")
    other = run([(after, before, d) for before, after, d in items], seed="s")
    assert one.method == "monte_carlo"
    assert (one.p_worse, one.p_better) == pytest.approx((other.p_better, other.p_worse), abs=1e-12)


def test_seeded_draws_do_not_depend_on_the_order_of_items():
    source = random.Random(6)
    items = [(draw(source, 3, 10**9), draw(source, 1, 10**9), 10**9) for _ in range(40)]
    items += [([top - value for value in before], [top - after[0]], top) for before, after, top in items[:20]]
    found = run(items, seed="s")
    source.shuffle(items)
    assert found.method == "monte_carlo"
    assert run(items, seed="s") == found


def test_many_verdicts_of_many_runs_stay_hypergeometric():
    found = run([([1] * 10, [0] * 10, 1)])
    assert found.method == "exact"
    assert found.p_exact == pytest.approx(1 / math.comb(20, 10), rel=1e-9)


def test_an_item_with_too_many_possible_values_is_known_by_its_variance():
    source = random.Random(1)
    pooled = [source.randint(0, 10**9) for _ in range(20)]
    unit = unit_of_item(pooled[:10], pooled[10:], 10**9)
    assert unit.options is None
    assert unit.is_informative
    assert math.comb(20, 10) > MAX_OPTIONS


@pytest.mark.parametrize("picked", [1, 2, 3])
def test_the_closed_form_of_the_variance_is_that_of_the_options(picked):
    pooled = [0, 3, 3, 5, 9]
    unit = unit_of_item(pooled[picked:], pooled[:picked], 9)
    ways = sum(count for _, count in unit.options)
    assert unit.variance == pytest.approx(sum(top**2 * count for top, count in unit.options) / ways)
    assert sum(top * count for top, count in unit.options) == 0


def test_a_cluster_is_relabelled_as_one():
    unit = unit_of_cluster([([1], [0], 1), ([1], [0], 1), ([2], [3], 3)])
    assert unit.options == ((-5, 1), (5, 1))
    assert unit.denominator == 3


def test_large_counts_cost_no_more_than_their_closed_form():
    unit = unit_of_item([0], [1], 1)
    found = permutation_test({unit: 400_000}, {1: -1_000})
    z = (-1_000) / math.sqrt(400_000)
    assert found.method == "exact"
    assert found.p_worse == pytest.approx(stats.norm.cdf(z), abs=1e-5)


def test_what_is_too_large_to_convolve_falls_back_to_the_normal_approximation():
    units = {unit_of_item([0], [value], 97): 3_000 for value in (3, 41, 97)}
    lattice = convolution.lattice([(unit.options, count) for unit, count in units.items()])
    assert lattice.cost > convolution.MAX_COST
    assert permutation_test(units, {97: -3_000}).method == "normal"


def test_a_unit_without_variance_is_not_informative():
    assert not Unit(options=((0, 2),), denominator=1, variance=0).is_informative


def test_the_normal_approximation_tells_ties_from_lesser_sums():
    units = {unit_of_item([0], [value], 97): 3_000 for value in (3, 41, 97)}
    deviation = math.sqrt(sum(unit.variance * count for unit, count in units.items()))
    found = permutation_test(units, {97: -3_000})
    step = 2  # the differences are 3, 41 and 97 either way: all odd, so sums lie two apart
    tie = step / deviation * stats.norm.pdf(-3_000 / deviation)
    assert found.p_worse == pytest.approx(stats.norm.cdf(-3_000 / deviation), rel=1e-9)
    assert found.p_better == pytest.approx(1 - found.p_worse, rel=1e-9)
    assert found.p_exact - found.p_worse == pytest.approx(tie / 2, rel=1e-9)


def test_the_normal_approximation_adds_variances_of_unlike_denominators():
    units = {unit_of_item([0], [97], 97): 3_000, unit_of_item([0], [89], 89): 4_000, unit_of_item([0], [1], 83): 9}
    deviation = math.sqrt(7_000 + 9 / 83**2)
    found = permutation_test(units, {1: -100})
    assert found.method in ("exact", "normal")
    assert found.p_worse == pytest.approx(stats.norm.cdf(-100 / deviation), abs=0.0013)
    fine = {unit_of_item([0], [10**9 - 1], 10**9): 3_000, unit_of_item([0], [96], 97): 4_000}
    deviation = math.sqrt(3_000 + 4_000 * (96 / 97) ** 2)
    found = permutation_test(fine, {1: -100})
    assert found.method == "normal"
    assert found.p_worse == pytest.approx(stats.norm.cdf(-100 / deviation), abs=1e-6)
