import random

import pytest

from insideLLMs.compare.statistics.distributions import MeanInterval, Moments, clustered, plus_two
from insideLLMs.compare.statistics.evidence import (
    detection_floor,
    items_needed,
    minimum_detectable_drop,
    noise_of_mean,
    points,
    sensitivity,
    signed_points,
)
from support.items import Item, assess


def test_no_drop_is_detectable_with_too_few_items():
    assert minimum_detectable_drop(2, 0.2) is None
    assert minimum_detectable_drop(0, 0.2) is None


def test_without_noise_the_floor_remains():
    assert minimum_detectable_drop(500, 0.0, repeats=50) == pytest.approx(
        max(detection_floor(500, repeats=50), minimum_detectable_drop(500, 0.0, repeats=50))
    )


def test_a_stricter_alpha_needs_a_larger_drop():
    drops = [minimum_detectable_drop(500, 0.1, alpha=alpha) for alpha in (0.05, 0.02, 0.01)]
    assert drops == sorted(drops)


def test_the_stated_drop_is_seen_about_as_often_as_stated():
    n, seen, trials = 300, 0, 300
    drop = minimum_detectable_drop(n, 0.06)
    source = random.Random(7)
    for _ in range(trials):
        items = []
        for place in range(n):
            before = source.random() < 0.97
            after = source.random() < 0.97 and not source.random() < drop
            items.append(Item(probe="p", id=str(place), baseline=((float(before),),), candidate=((float(after),),)))
        seen += assess(items).overall.p_worse <= 0.05
    assert 0.72 < seen / trials < 0.92


def test_half_the_drop_needs_four_times_the_items():
    assert items_needed(500, 0.04, 0.02) == 2000


def test_repeats_that_are_copies_do_not_lower_the_noise():
    def noise(correlation):
        return noise_of_mean(0.2, correlation=correlation, repeats=5, baseline_runs=1, candidate_runs=1)

    assert noise(1.0) == pytest.approx(0.2)
    assert noise(0.0) == pytest.approx(0.04)


def test_words_for_what_could_have_been_seen():
    assert sensitivity(0.0466, -0.087) == (
        "A drop of 4.7 points would have been caught 4 times out of 5; a drop of up to 8.7 points cannot be ruled out."
    )
    assert sensitivity(0.0466, 0.02) == "A drop of 4.7 points would have been caught 4 times out of 5."
    assert "Too few examples: this comparison cannot reliably detect any drop" in sensitivity(None, -0.6)


def test_small_rates_keep_two_digits():
    assert (points(0.0466), points(0.00012), points(0.0)) == ("4.7", "0.012", "0.0")
    assert (signed_points(0.1), signed_points(-0.1)) == ("+10.0", "-10.0")


def test_clusters_widen_the_interval_and_never_narrow_it():
    plain = plus_two(Moments(n=20, total=-10, squares=10), trials_before=1, trials_after=1)
    wide = clustered(plain, [(5, -5.0), (5, -5.0), (5, 0.0), (5, 0.0)])
    same = clustered(plain, [(5, -2.5)] * 4)
    assert wide.high - wide.low > plain.high - plain.low
    assert same.high - same.low >= plain.high - plain.low


def test_one_cluster_says_nothing_about_its_noise():
    plain = MeanInterval(low=-0.2, high=0.1, center=-0.05, error=0.08)
    assert (clustered(plain, [(20, -1.0)]).low, clustered(plain, [(20, -1.0)]).high) == (-1.0, 1.0)


def test_the_interval_is_cut_to_what_is_possible():
    found = plus_two(Moments(n=1, total=-1, squares=1), trials_before=1, trials_after=1)
    assert (found.low, found.high) == (-1.0, found.high)
    assert found.high < 1.0
