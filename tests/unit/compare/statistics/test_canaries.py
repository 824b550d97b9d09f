"""The capital of canaries is a fair game, and the estimate of a suite weighs its parts."""

import pytest

from insideLLMs.compare.statistics.canaries import ALARM_AT, capital
from insideLLMs.compare.statistics.items import ItemCounts
from insideLLMs.compare.statistics.suite_estimate import suite_estimate


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (3, 0), (5, 9), (400, 380)])
def test_a_fair_flip_leaves_the_capital_what_it_is_on_average(worse, better):
    after = (capital(worse + 1, better) + capital(worse, better + 1)) / 2
    assert after == pytest.approx(capital(worse, better))
    assert capital(worse, better) == pytest.approx(capital(better, worse))


def test_the_capital_starts_with_one_and_eight_flips_in_one_direction_are_an_alarm():
    assert capital(0, 0) == pytest.approx(1.0)
    assert capital(7, 0) < ALARM_AT < capital(8, 0)
    assert capital(10_000, 0) > 1e300


def tally(**moves):
    """Count items by how they moved: ``down=3`` of them from pass to fail."""
    values = {"down": (1.0, 0.0), "up": (0.0, 1.0), "same": (1.0, 1.0)}
    found = ItemCounts()
    for name, count in moves.items():
        before, after = values[name]
        found.add_equal("p", ((before,),), ((after,),), count=count)
    return found


def test_what_is_new_counts_by_its_share_and_the_rest_by_its_canaries():
    found = suite_estimate(tally(down=40, same=60), tally(same=20), reused=880)
    assert found.new, found.canaries == (80, 20)
    assert found.share == pytest.approx(80 / 980)
    assert found.new_delta == pytest.approx(-0.5)
    assert found.delta == pytest.approx(-0.5 * 80 / 980)
    assert found.low < found.delta < found.high
    fallen = suite_estimate(tally(down=50, same=50), tally(down=10, same=10), reused=880)
    assert fallen.delta == pytest.approx(-0.5 * 80 / 980 - 0.5 * 900 / 980)


def test_without_canaries_the_rest_is_taken_to_be_as_it_was_and_that_is_said():
    found = suite_estimate(tally(down=10, same=10), ItemCounts(), reused=80)
    assert found.delta == pytest.approx(-0.1)
    assert "the rest is taken to be as it was" in found.message
    assert suite_estimate(ItemCounts(), ItemCounts(), reused=80) is None
