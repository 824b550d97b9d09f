"""The published or independently computed cases that the statistics must reproduce to 1e-9."""

from collections import Counter

import pytest

from insideLLMs.compare.statistics.confirmation import Answers, choose_repeats, fisher_worse
from insideLLMs.compare.statistics.distributions import (
    Moments,
    benjamini_hochberg,
    cluster_error,
    holm,
    plus_two,
    t_cdf,
    wilson,
)
from insideLLMs.compare.statistics.evidence import detection_floor, minimum_detectable_drop, non_inferiority
from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.compare.statistics.noise import odd_one_out
from support.items import Item, assess

PLACES = 1e-9


def flips(down, up, same=0):
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((0.0,),), count=down)
    tally.add_equal("p", ((0.0,),), ((1.0,),), count=up)
    tally.add_equal("p", ((1.0,),), ((1.0,),), count=same)
    return assess(tally).overall


def moments(differences):
    return Moments(n=len(differences), total=sum(differences), squares=sum(d * d for d in differences))


def test_fifteen_down_five_up_is_mcnemars_mid_p():
    found = flips(15, 5)
    assert found.p_two == pytest.approx(0.0266036987, abs=PLACES)
    assert found.p_worse == pytest.approx(0.0133018494, abs=PLACES)
    assert found.p_exact == pytest.approx(0.0206947327, abs=PLACES)
    assert 2 * found.p_exact == pytest.approx(0.0413894653, abs=PLACES)


def test_five_down_fifteen_up_is_the_mirror_image():
    found = flips(5, 15)
    assert found.p_worse == pytest.approx(0.9866981506, abs=PLACES)
    assert found.p_better == pytest.approx(0.0133018494, abs=PLACES)


@pytest.mark.parametrize(("down", "up", "p_worse"), [(4, 0, 0.03125), (3, 0, 0.0625), (7, 7, 0.5)])
def test_small_counts_have_exact_mid_p_values(down, up, p_worse):
    assert flips(down, up).p_worse == pytest.approx(p_worse, abs=1e-15)


def test_as_many_up_as_down_has_a_two_sided_p_of_one():
    assert flips(7, 7).p_two == pytest.approx(1.0, abs=1e-15)


def test_no_flips_at_all_are_identical_with_every_p_at_one():
    tally = ItemCounts()
    tally.add_equal("p", ((1.0,),), ((1.0,),), count=12)
    found = assess(tally)
    evidence = found.overall
    assert found.verdict == "identical"
    assert (evidence.p_worse, evidence.p_better, evidence.p_two, evidence.p_exact) == (1.0, 1.0, 1.0, 1.0)
    assert found.p_gate == 1.0


def test_sixty_down_forty_up():
    found = flips(60, 40)
    assert found.p_worse == pytest.approx(0.0230220335, abs=PLACES)
    assert found.p_two == pytest.approx(0.0460440669, abs=PLACES)
    assert 2 * found.p_exact == pytest.approx(0.0568879336, abs=PLACES)


def test_three_repeats_a_side():
    def repeats(passes):
        return (tuple(float(place < passes) for place in range(3)),)

    pairs = zip((3, 3, 2, 3, 1, 0, 3, 2), (0, 2, 2, 3, 0, 0, 1, 3), strict=True)
    items = [
        Item(probe="p", id=str(place), baseline=repeats(before), candidate=repeats(after))
        for place, (before, after) in enumerate(pairs)
    ]
    found = assess(items).overall
    assert found.delta == pytest.approx(-0.25, abs=1e-15)
    assert found.n_informative == 5
    assert found.p_worse == pytest.approx(0.078125, abs=1e-15)
    assert found.p_exact == pytest.approx(0.125, abs=1e-15)


def test_three_baseline_runs_against_one():
    runs = ("111", "110", "101", "000", "111", "111", "010", "001")
    after = (0, 0, 1, 0, 1, 0, 0, 1)
    items = [
        Item(
            probe="p",
            id=str(place),
            baseline=tuple((float(passed),) for passed in before),
            candidate=((float(after[place]),),),
        )
        for place, before in enumerate(runs)
    ]
    found = assess(items).overall
    assert found.delta == pytest.approx(-0.25, abs=1e-15)
    assert found.n_informative == 6
    assert found.p_worse == pytest.approx(0.1088867188, abs=PLACES)
    assert found.p_exact == pytest.approx(0.1816406250, abs=PLACES)


def test_plus_two_is_the_interval_of_bonett_and_price():
    found = plus_two(Moments(n=100, total=59, squares=69), trials_before=1, trials_after=1)
    assert found.center == pytest.approx(0.5784313725, abs=PLACES)
    assert found.error == pytest.approx(0.0595321283, abs=PLACES)
    assert (found.low, found.high) == pytest.approx((0.4617505452, 0.6951122000), abs=PLACES)


def test_plus_two_keeps_a_width_where_nothing_changed():
    found = plus_two(Moments(n=20, total=0, squares=0), trials_before=1, trials_after=1)
    assert (found.low, found.high) == pytest.approx((-0.1259912568, 0.1259912568), abs=PLACES)


def test_plus_two_with_five_repeats():
    differences = [-0.2, 0, 0, 0.2, -1, 0, 0, 0, -0.4, 0]
    found = plus_two(moments(differences), trials_before=5, trials_after=5)
    assert found.center == pytest.approx(-0.1166666667, abs=PLACES)
    assert found.error == pytest.approx(0.1012651452, abs=PLACES)
    assert (found.low, found.high) == pytest.approx((-0.3151427041, 0.0818093708), abs=PLACES)


def test_holm_and_benjamini_hochberg():
    p_values = (0.001, 0.02, 0.03, 0.03, 0.2, 0.9)
    assert holm(p_values) == pytest.approx((0.006, 0.1, 0.12, 0.12, 0.4, 0.9), abs=1e-12)
    assert benjamini_hochberg(p_values) == pytest.approx((0.006, 0.045, 0.045, 0.045, 0.24, 0.9), abs=1e-12)


@pytest.mark.parametrize(
    ("before", "after", "asked", "p"),
    [(8, 0, 8, 7.77000777e-5), (7, 1, 8, 0.0050505051), (5, 0, 5, 0.0039682540)],
)
def test_fishers_test_of_fresh_answers(before, after, asked, p):
    answers = Answers(baseline_passes=before, baseline_asked=asked, candidate_passes=after, candidate_asked=asked)
    assert fisher_worse(answers) == pytest.approx(p, abs=PLACES)


@pytest.mark.parametrize(("items", "repeats"), [(1, 5), (5, 6), (13, 7), (33, 7), (38, 8), (150, 9)])
def test_more_selected_items_need_more_answers(items, repeats):
    assert choose_repeats(items) == repeats


@pytest.mark.parametrize(
    ("n", "noise", "drop"),
    [
        (500, 0.13, 0.0466370633),
        (500, 0.03, 0.0263386488),
        (100, 0.13, 0.1240135984),
        (100, 0.0, 0.0605454695),
        (2000, 0.13, 0.0216395439),
    ],
)
def test_minimum_detectable_drop(n, noise, drop):
    assert minimum_detectable_drop(n, noise) == pytest.approx(drop, abs=PLACES)


def test_detection_floor():
    assert detection_floor(500) == pytest.approx(0.0110300914, abs=PLACES)


@pytest.mark.parametrize(("n_odd", "odd", "p"), [(60, 30, 0.0040552389), (6, 5, 0.0096021948)])
def test_odd_one_out(n_odd, odd, p):
    assert odd_one_out(n_odd, odd).p_mid == pytest.approx(p, abs=PLACES)


def test_cluster_t():
    differences = [0, -1, -1, 0, 0, 1, 0, -1, 0, 0, 0, -1]
    clusters = [(3, float(sum(differences[start : start + 3]))) for start in range(0, 12, 3)]
    delta, error = cluster_error(clusters)
    assert delta == pytest.approx(-0.25, abs=1e-15)
    assert error == pytest.approx(0.2097176232, abs=PLACES)
    assert delta / error == pytest.approx(-1.1920791214, abs=PLACES)
    assert t_cdf(delta / error, 3) == pytest.approx(0.1594658960, abs=PLACES)


def test_non_inferiority_by_the_lower_limit():
    interval = plus_two(Moments(n=200, total=-2, squares=10), trials_before=1, trials_after=1, level=0.9)
    assert interval.low == pytest.approx(-0.0380853312, abs=PLACES)
    assert non_inferiority(interval, 0.05).is_shown
    assert not non_inferiority(interval, 0.03).is_shown


def test_non_inferiority_as_a_policy():
    tally = ItemCounts()
    for count, before, after in ((6, 1.0, 0.0), (4, 0.0, 1.0), (190, 1.0, 1.0)):
        tally.add_equal("p", ((before,),), ((after,),), count=count)
    assert assess(tally, margin=0.05).verdict == "passed"
    assert assess(tally, margin=0.03).verdict == "failed"


def test_intervals_of_rates():
    assert wilson(3, 20) == pytest.approx((0.0523687459, 0.3604188648), abs=PLACES)


def test_counts_and_items_give_one_result():
    items = [Item(probe="p", id=str(n), baseline=((1.0,),), candidate=((float(n > 9),),)) for n in range(30)]
    tally = ItemCounts()
    for shape, count in Counter((item.baseline, item.candidate) for item in items).items():
        tally.add_equal("p", *shape, count=count)
    assert assess(items) == assess(tally)
