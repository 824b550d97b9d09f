import math
import random

import pytest
from scipy import stats

from insideLLMs.compare.statistics.noise import (
    Disagreement,
    disagreement_of,
    odd_one_out,
    run_level_p,
    run_shift,
)


def once(*items):
    return [(item, 1) for item in items]


def test_disagreement_counts_pairs_across_runs():
    found = disagreement_of(once((("a",), ("a",)), (("a",), ("b",)), (("a",), ("b",)), (("a",), ("a",))))
    assert (found.n, found.across, found.within) == (4, 0.5, None)


def test_items_that_look_alike_count_as_often_as_they_occur():
    assert disagreement_of([((("a",), ("b",)), 3), ((("a",), ("a",)), 1)]).across == 0.75


def test_missing_labels_are_no_disagreement():
    assert disagreement_of(once((("a",), (None,)), (("a",), ("a",)))).n == 1


def test_repeats_that_are_copies_are_fully_correlated():
    found = disagreement_of(once(*[(("a", "a"), ("b", "b"))] * 30, *[(("a", "a"), ("a", "a"))] * 30))
    assert (found.correlation, found.has_pseudo_repeats) == (1.0, True)
    assert not found.allows_independent_repeats


def test_independent_repeats_are_uncorrelated_and_known_to_be_with_enough_items():
    source = random.Random(1)

    def flip(chance):
        return source.random() < chance

    items = []
    for _ in range(6000):
        chance = source.random()
        items.append(((flip(chance), flip(chance)), (flip(chance), flip(chance))))
    found = disagreement_of(once(*items))
    assert found.correlation == pytest.approx(0.0, abs=0.06)
    assert found.allows_independent_repeats


def test_the_limit_of_the_correlation_is_near_that_of_a_bootstrap():
    source = random.Random(2)
    items = []
    for _ in range(400):
        chance = source.random()
        items.append(tuple(tuple(source.random() < chance for _ in range(2)) for _ in range(2)))
    found = disagreement_of(once(*items))
    resampled = sorted(disagreement_of(once(*source.choices(items, k=400))).correlation for _ in range(300))
    assert found.correlation_high == pytest.approx(resampled[285], abs=0.04)


def test_identical_runs_have_no_noise_and_no_correlation():
    found = disagreement_of(once((("a", "a"), ("a", "a"))))
    assert found.is_identical
    assert found.correlation is None
    assert disagreement_of([]) == Disagreement(n=0, across=0.0)


def test_run_shift_is_a_chi_square_test():
    means, variance, n = (0.5, 0.6, 0.4), 0.1, 100
    found = run_shift(means, variance, n)
    assert found.ratio == pytest.approx(0.01 / 0.001)
    assert found.p == pytest.approx(stats.chi2.sf(2 * found.ratio, 2), abs=1e-12)
    assert found.is_seen


def test_run_shift_needs_two_runs_and_some_noise():
    assert run_shift((0.5,), 0.1, 10) is None
    assert run_shift((0.5, 0.5), 0.0, 10) is None


def test_the_run_level_test_is_a_t_prediction():
    baseline, candidate = (0.5, 0.6, 0.4, 0.55), (0.3,)
    expected = stats.t.cdf(
        (0.3 - 0.5125) / (stats.tstd(baseline) * math.sqrt(1 + 1 / 4)),
        3,
    )
    assert run_level_p(baseline, candidate) == pytest.approx(expected, abs=1e-12)


def test_equal_runs_decide_by_the_sign_alone():
    assert run_level_p((0.5, 0.5), (0.4,)) == 0.0
    assert run_level_p((0.5, 0.5), (0.5,)) == 0.5
    assert run_level_p((0.5, 0.5), (0.6,)) == 1.0
    assert run_level_p((0.5,), (0.6,)) is None


def test_odd_one_out_is_a_binomial_test():
    found = odd_one_out(200, 90)
    assert found.p_exact == pytest.approx(stats.binomtest(90, 200, 1 / 3, alternative="greater").pvalue, abs=1e-12)
    assert odd_one_out(0, 0).p_mid == 1.0


@pytest.mark.parametrize(("high", "independent"), [(None, False), (0.099, True), (0.1, False), (0.5, False)])
def test_repeats_count_as_independent_only_below_a_correlation_of_a_tenth(high, independent):
    found = Disagreement(n=1000, across=0.1, within=0.1, correlation=0.0, correlation_high=high)
    assert found.allows_independent_repeats is independent
