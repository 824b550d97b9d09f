"""A watched series of runs: it adds up small lasting drops, and hardly ever alarms where nothing changed."""

import itertools
import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.compare.statistics.series import BETS, watch_series


def series(chances, pool, looks, *, source, after=None, start=0, shift=None, alpha=0.05):
    """Draw runs of items with these chances to pass (`after` from look `start` on) and watch them."""
    source = random.Random(source)
    rows = []
    for run in range(pool + looks):
        used = after if after is not None and run >= pool + start else chances
        moved = 0.0 if shift is None else source.gauss(0.0, shift)
        rows.append([float(source.random() < min(1.0, max(0.0, chance + moved))) for chance in used])
    return watch(rows[:pool], rows[pool:], alpha=alpha)


def watch(pool, runs, *, alpha=0.05):
    counts = ItemCounts()
    for values in zip(*pool, *runs, strict=True):
        single = tuple((value,) for value in values)
        counts.add_equal("probe", single[: len(pool)], single[len(pool) :])
    return watch_series(counts.counts, [f"run {place}" for place in range(len(runs))], alpha=alpha)


def test_an_unchanged_system_does_not_alarm_in_a_hundred_looks():
    found = series([0.8] * 40, 3, 100, source=1)
    assert found.alarm is None
    assert found.threshold == pytest.approx(20.0)
    assert len(found.looks) == 100


def test_a_sudden_collapse_alarms_at_once():
    found = series([0.9] * 100, 5, 20, source=2, after=[0.5] * 100, start=12)
    assert found.alarm == 12


def test_small_drops_that_no_single_look_could_show_add_up():
    found = series([0.9] * 100, 5, 160, source=3, after=[0.87] * 100, start=60)
    assert found.alarm is not None
    assert found.alarm > 60
    assert min(look.p for look in found.looks[: found.alarm + 1]) > 0.05 / 160  # no look alarms by itself


def test_a_rise_never_alarms():
    assert series([0.6] * 100, 3, 60, source=4, after=[0.9] * 100, start=20).alarm is None


def test_runs_that_move_together_are_judged_by_the_spread_of_runs():
    """Seen on 8 worlds: item-level looks alone alarm in most of them."""
    worlds = [series([0.5] * 300, 5, 60, source=seed, shift=0.06) for seed in range(8)]
    assert sum(found.alarm is not None for found in worlds) <= 1
    assert all(any(look.by_run for look in found.looks) for found in worlds)


def test_deterministic_answers_are_no_evidence_either_way():
    same = [[1.0, 0.0, 1.0]] * 4
    found = watch(same[:2], [*same] * 30)
    assert found.alarm is None
    assert [look.change for look in found.looks] == [0.0] * 120


def test_one_broken_item_among_certain_ones_adds_up_over_looks():
    sure = [1.0] * 30
    broken = [0.0] * 2 + [1.0] * 28
    found = watch([sure] * 10, [broken] * 12)
    assert found.alarm is not None


def test_a_run_without_a_score_of_an_item_leaves_that_item_out():
    counts = ItemCounts()
    counts.add_equal("probe", ((1.0,), (1.0,)), ((None,), (0.0,)), count=20)
    counts.add_equal("probe", ((1.0,), (0.0,)), ((1.0,), (1.0,)), count=20)
    found = watch_series(counts.counts, ["a", "b"])
    assert [look.items for look in found.looks] == [20, 40]


def test_nothing_in_common_gives_looks_without_items():
    found = watch_series({}, ["a", "b"])
    assert [look.items for look in found.looks] == [0, 0]
    assert found.alarm is None


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=12), st.integers(1, 4), st.integers(1, 6), st.integers())
def test_what_was_seen_does_not_depend_on_what_comes_later(chances, pool, looks, seed):
    source = random.Random(seed)
    rows = [[float(source.random() < chance) for chance in chances] for _ in range(pool + looks)]
    whole = watch(rows[:pool], rows[pool:])
    earlier = watch(rows[:pool], rows[pool:-1])
    assert [look.capital for look in earlier.looks] == pytest.approx([look.capital for look in whole.looks[:-1]])
    assert [look.change for look in earlier.looks] == pytest.approx([look.change for look in whole.looks[:-1]])


@pytest.mark.parametrize("size", BETS)
def test_a_bet_has_mean_one_on_a_uniform_p(size):
    """The law that the capital's bound rests on, by the midpoint rule."""
    normal = NormalDist()
    steps = 200_000
    mean = math.fsum(
        math.exp(-size * normal.inv_cdf((step + 0.5) / steps) - size * size / 2.0) for step in range(steps)
    )
    assert mean / steps == pytest.approx(1.0, abs=0.02)


def test_smoothed_p_values_of_an_unchanged_series_are_uniform_and_independent():
    looks = [look for seed in range(60) for look in series([0.7] * 25, 3, 20, source=seed).looks]
    ps = [look.p for look in looks]
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        seen = sum(p <= share for p in ps) / len(ps)
        assert seen == pytest.approx(share, abs=4.0 * math.sqrt(share * (1.0 - share) / len(ps)))
    pairs = list(itertools.pairwise(ps))
    both = sum(first < 0.5 and second < 0.5 for first, second in pairs) / len(pairs)
    assert both == pytest.approx(0.25, abs=4.0 * math.sqrt(0.25 * 0.75 / len(pairs)))
