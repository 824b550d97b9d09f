import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from insideLLMs.compare.statistics import distributions as d

probabilities = st.floats(1e-12, 1 - 1e-12)
sizes = st.floats(0.1, 3000)


@given(probabilities)
def test_normal_quantile_agrees_with_scipy(p):
    assert d.normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-12, abs=1e-15)


@given(st.floats(-300, -1))
def test_normal_quantile_holds_in_the_far_tail(exponent):
    assert d.normal_quantile(10**exponent) == pytest.approx(stats.norm.ppf(10**exponent), rel=1e-12)


@given(probabilities, sizes, sizes)
def test_beta_cdf_agrees_with_scipy(x, a, b):
    assert d.beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-9, abs=1e-13)


@given(st.floats(0, 4), sizes)
def test_gamma_cdf_agrees_with_scipy(factor, a):
    assert d.gamma_cdf(a * factor, a) == pytest.approx(stats.gamma.cdf(a * factor, a), rel=1e-9, abs=1e-13)


@given(st.floats(-50, 50), st.integers(1, 500))
@example(2.9e-9, 1)
def test_t_cdf_agrees_with_scipy(t, degrees):
    # with one degree of freedom the formula is exact, and scipy is off by up to 1.6e-9 near zero
    expected = 0.5 + math.atan(t) / math.pi if degrees == 1 else stats.t.cdf(t, degrees)
    assert d.t_cdf(t, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@given(st.floats(0.001, 0.999), st.integers(1, 200))
def test_quantiles_agree_with_scipy(p, degrees):
    assert d.t_quantile(p, degrees) == pytest.approx(stats.t.ppf(p, degrees), rel=1e-9, abs=1e-9)
    assert d.chi_square_quantile(p, degrees) == pytest.approx(stats.chi2.ppf(p, degrees), rel=1e-9)


@given(st.integers(0, 400), st.floats(0.01, 0.99))
def test_binomial_chances_agree_with_scipy(trials, chance):
    expected = stats.binom.pmf(range(trials + 1), trials, chance)
    assert d.binomial_pmf(trials, chance) == pytest.approx(expected, rel=1e-9, abs=1e-14)


@given(st.integers(1, 400), st.floats(0.01, 0.99), st.data())
def test_binomial_tails_agree_with_scipy(trials, chance, data):
    successes = data.draw(st.integers(0, trials))
    tail = stats.binom.sf(successes - 1, trials, chance)
    assert d.binomial_tail(successes, trials, chance) == pytest.approx(tail, rel=1e-9, abs=1e-13)
    point = stats.binom.pmf(successes, trials, chance)
    assert d.binomial_chance(successes, trials, chance) == pytest.approx(point, rel=1e-9, abs=1e-14)


@given(st.integers(1, 200), st.data())
def test_hypergeometric_chances_agree_with_scipy(total, data):
    marked, drawn = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    low, chances = d.hypergeometric_pmf(total, marked, drawn)
    expected = stats.hypergeom.pmf(range(low, low + len(chances)), total, marked, drawn)
    assert chances == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_infinite_t_has_all_the_mass_on_one_side():
    assert (d.t_cdf(float("-inf"), 3), d.t_cdf(float("inf"), 3)) == (0.0, 1.0)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1])
def test_a_quantile_of_no_probability_is_refused_by_name(p):
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        d.normal_quantile(p)


@pytest.mark.parametrize("limit", [0.2, 0.5, 0.9, 0.95, 0.99, 0.999])
def test_the_fewest_trials_for_a_bound_are_those_from_which_it_is_reached(limit):
    fewest = d.fewest_for_bound(limit)
    assert proportion_confint(fewest, fewest, method="wilson")[0] >= limit - 1e-9
    assert fewest == 1 or proportion_confint(fewest - 1, fewest - 1, method="wilson")[0] < limit


def test_no_number_of_trials_shows_that_all_pass():
    assert d.fewest_for_bound(1.0) is None
