"""A sign test that may be looked at after every pair."""

import pytest

from insideLLMs.compare.statistics.fair_pairs import FairPairs, share_of_alpha


def p_of(wins, losses):
    pairs = FairPairs()
    for _ in range(wins):
        pairs.add(expected=True)
    for _ in range(losses):
        pairs.add(expected=False)
    return pairs.p


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.02, 0.001])
def test_a_fair_coin_is_blamed_at_most_as_often_as_stated_at_every_look_of_sixty(alpha):
    """Exact: all paths of fair coins are followed, those that were blamed once are taken out."""
    going, blamed = {(0, 0): 1.0}, 0.0
    wealth = {}
    for _ in range(60):
        after = {}
        for (wins, losses), chance in going.items():
            for win in (True, False):
                place = (wins + win, losses + (not win))
                after[place] = after.get(place, 0.0) + chance / 2
        going = {}
        for place, chance in after.items():
            if place not in wealth:
                pairs = FairPairs()
                pairs.wins, pairs.losses = place[0] - 1, place[1]
                pairs.add(expected=True)
                wealth[place] = pairs.p
            if wealth[place] <= alpha:
                blamed += chance
            else:
                going[place] = chance
    assert 0 < blamed <= alpha


def test_eight_pairs_of_one_kind_are_enough_for_the_first_test():
    assert p_of(8, 0) <= share_of_alpha(0.04, 1) < p_of(7, 0)


def test_evidence_that_was_there_once_stays():
    assert p_of(8, 3) == p_of(8, 0)


def test_pairs_the_other_way_are_no_evidence():
    assert p_of(0, 20) == 1.0


def test_all_tests_together_err_by_alpha_at_most():
    assert sum(share_of_alpha(0.05, number) for number in range(1, 10_000)) < 0.05
