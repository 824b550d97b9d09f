import math
import random

import pytest
from scipy import stats

from insideLLMs.compare.statistics.quantities import MeasuredItem, measure
from insideLLMs.core.errors import CompareError


def pairs(source, n, factor, runs=1):
    made = []
    for _ in range(n):
        level = source.lognormvariate(5, 1)

        def answer(mean=level):
            return mean * source.lognormvariate(0, 0.2)

        made.append(
            MeasuredItem(
                baseline=tuple(answer() for _ in range(runs)),
                candidate=tuple(answer() * factor for _ in range(runs)),
            )
        )
    return made


def test_growth_is_found_in_the_total_and_in_the_typical_item():
    found = measure(pairs(random.Random(1), 200, 1.15))
    for growth in (found.total, found.typical):
        assert growth.low < 1.15 < growth.high
        assert growth.low > 1.0
        assert growth.p_grown < 1e-4
        assert growth.p_shrunk == pytest.approx(1 - growth.p_grown, abs=1e-9)


def test_growth_that_is_allowed_is_not_held_against_the_candidate():
    items = pairs(random.Random(1), 200, 1.15)
    assert measure(items, allowed=0.25).typical.p_grown > 0.99
    assert measure(items, allowed=0.05).typical.p_grown < 0.01


def test_the_typical_ratio_is_a_paired_t_interval_of_logs():
    items = pairs(random.Random(2), 40, 1.1)
    logs = [math.log(item.candidate[0] / item.baseline[0]) for item in items]
    interval = stats.ttest_1samp(logs, 0).confidence_interval()
    found = measure(items).typical
    assert (found.low, found.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)), rel=1e-9)


def test_unchanged_quantities_alarm_at_the_nominal_rate():
    source = random.Random(3)
    trials = 150
    alarms = sum(measure(pairs(source, 120, 1.0)).total.p_grown <= 0.05 for _ in range(trials))
    assert alarms / trials < 0.09


def test_intervals_of_the_total_cover_the_truth():
    source = random.Random(4)
    found = [measure(pairs(source, 120, 1.2)).total for _ in range(100)]
    assert sum(growth.low < 1.2 < growth.high for growth in found) / 100 > 0.88


def test_one_extreme_item_moves_the_total_and_not_the_typical_ratio():
    items = [*pairs(random.Random(5), 99, 1.0), MeasuredItem(baseline=(100.0,), candidate=(100_000.0,))]
    found = measure(items)
    assert found.total.ratio > 2
    assert found.typical.ratio == pytest.approx(1.0, abs=0.15)


def test_several_runs_a_side_are_averaged():
    found = measure([MeasuredItem(baseline=(10.0, 30.0, None), candidate=(40.0,))] * 3)
    assert (found.baseline_total, found.candidate_total, found.total.ratio) == (60.0, 120.0, 2.0)


def test_items_without_a_value_on_a_side_are_left_out():
    found = measure([MeasuredItem(baseline=(None,), candidate=(3.0,)), MeasuredItem(baseline=(2.0,), candidate=(4.0,))])
    assert (found.n, found.total.ratio, found.total.low) == (1, 2.0, None)


def test_zeros_count_in_the_total_alone():
    found = measure([MeasuredItem(baseline=(0.0,), candidate=(5.0,)), MeasuredItem(baseline=(5.0,), candidate=(5.0,))])
    assert (found.n, found.n_positive, found.total.ratio, found.typical.ratio) == (2, 1, 2.0, 1.0)


def test_nothing_measured_is_unknown():
    found = measure([])
    assert (found.n, found.total.ratio, found.typical.p_grown) == (0, None, 1.0)
    assert measure([MeasuredItem(baseline=(0.0,), candidate=(0.0,))]).total.ratio is None


@pytest.mark.parametrize("wrong", [-1.0, math.inf, math.nan])
def test_a_value_that_cannot_be_is_refused(wrong):
    with pytest.raises(CompareError, match="a measured value is"):
        measure([MeasuredItem(baseline=(1.0,), candidate=(wrong,))])
