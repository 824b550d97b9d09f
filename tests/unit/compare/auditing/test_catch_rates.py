"""Catch rates: how often the gate fails where a damage befalls some of the examples."""

from math import comb

import pytest

from insideLLMs.compare.auditing.catch_rates import SHARES, CatchRates, KnownDecisions


def rates(kinds, decide, **given):
    return {rate.share: rate for rate in CatchRates(decide, KnownDecisions()).of(kinds, "seed", **given)}


def test_a_gate_that_tolerates_nothing_catches_as_often_as_a_loss_is_drawn():
    n, losses = 40, 6
    found = rates(["lost"] * losses + [None] * (n - losses), lambda chosen, _: bool(chosen))
    for share in SHARES:
        size = max(1, round(share * n))
        exact = 1 - comb(n - losses, size) / comb(n, size)
        assert found[share].caught == pytest.approx(exact)
        assert found[share].examples == size


def test_what_is_never_a_loss_is_never_caught_and_never_put_to_the_gate():
    def never_asked(chosen, _):
        raise AssertionError(chosen)

    assert {rate.caught for rate in rates([None] * 30, never_asked).values()} == {0.0}


def test_the_gate_is_asked_about_few_outcomes_where_examples_are_alike():
    asked = []

    def needs_ten(chosen, _):
        asked.append(len(chosen))
        return len(chosen) >= 10

    found = rates(["lost"] * 500, needs_ten)
    assert (found[0.01].caught, found[0.05].caught, found[1.0].caught) == (0.0, 1.0, 1.0)
    assert len(asked) < 10


def test_where_each_example_counts_otherwise_draws_are_bounded():
    asked = []

    def by_chance(chosen, _):
        asked.append(len(chosen))
        return 7 in chosen

    found = rates([f"kind {number}" for number in range(300)], by_chance)
    assert found[0.5].caught == pytest.approx(0.5, abs=0.15)
    assert len(asked) < 130 * len(SHARES)


def test_one_example_is_hit_at_every_share():
    found = rates(["lost"], lambda *_: True)
    assert {(rate.examples, rate.caught) for rate in found.values()} == {(1, 1.0)}


def test_where_other_answers_vary_each_draw_is_put_to_the_gate():
    numbers = []

    def on_even_draws(_, number):
        numbers.append(number)
        return number % 2 == 0

    found = CatchRates(on_even_draws, None).of(["lost"] * 4, "seed", (1.0,))
    assert found[0].caught == pytest.approx(0.5)
    assert numbers == list(range(found[0].draws))


def test_where_other_answers_vary_the_shares_of_a_draw_are_nested_and_few_are_put_to_the_gate():
    asked = []

    def needs_ten(chosen, number):
        asked.append((number, len(chosen)))
        return len(chosen) + number % 2 >= 10

    found = {rate.share: rate for rate in CatchRates(needs_ten, None).of(["lost"] * 180, "seed")}
    assert [found[share].caught for share in SHARES] == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert {rate.draws for rate in found.values()} == {60}
    assert len(asked) < 60 * len(SHARES) / 2


def test_draws_that_all_come_out_the_same_are_few():
    found = CatchRates(lambda *_: False, None).of([None] * 50, "seed")
    assert {(rate.caught, rate.draws) for rate in found} == {(0.0, 30)}
