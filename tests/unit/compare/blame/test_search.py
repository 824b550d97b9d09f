"""The search for who did it, on examples that fall by rule or by chance."""

import itertools
import random

import pytest

from insideLLMs.compare.blame.answers import BudgetEnded
from insideLLMs.compare.blame.search import Panel, search

CHANGES = tuple(range(8))


class World:
    """Examples that fall under sets of changes; `chance` is how often one of them falls without any reason."""

    def __init__(self, rules, *, fallen=12, stubborn=0, calm=4, chance=0.0, seed=1, most=10_000):
        self.rules = [[frozenset(rule) for rule in own] for own in rules]
        self.calls, self.most, self.chance = 0, most, chance
        self.source = random.Random(seed)
        self.fallen, self.stubborn, self.calm = fallen, stubborn, calm
        self.panel = Panel(
            changes=[CHANGES] * (fallen + stubborn + calm),
            fallen=range(fallen),
            balanced=range(fallen),
            stubborn=range(fallen, fallen + stubborn),
            calm=range(fallen + stubborn, fallen + stubborn + calm),
        )

    def ask(self, questions):
        if self.calls + len(questions) > self.most:
            raise BudgetEnded
        self.calls += len(questions)
        return [self.falls(question) for question in questions]

    def falls(self, question):
        by_chance = self.source.random() < self.chance
        if question.item >= self.fallen:
            return by_chance
        own = self.rules[question.item % len(self.rules)]
        return by_chance or any(rule <= question.applied for rule in own)

    def search(self, *, exact=True):
        return search(self.panel, self.ask, exact=exact, say=lambda _: None)


def causes(outcome):
    return {frozenset(cause.changes) for cause in outcome.causes}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_of_exact_answers_every_set_of_changes_is_found_and_nothing_else(size):
    for planted in itertools.combinations(CHANGES, size):
        world = World([[planted]])
        outcome = world.search()
        assert causes(outcome) == {frozenset(planted)}
        assert not outcome.provider
        assert not outcome.ended
        assert not outcome.unexplained
        assert world.calls <= 60


def test_causes_of_different_examples_are_all_found():
    outcome = World([[{1}], [{4, 6}], [{7}]]).search()
    assert causes(outcome) == {frozenset({1}), frozenset({4, 6}), frozenset({7})}


def test_causes_of_which_each_suffices_are_all_found():
    assert causes(World([[{1}, {3, 4}, {3, 5}]]).search()) == {frozenset({1}), frozenset({3, 4}), frozenset({3, 5})}


def test_a_fall_without_any_change_is_the_providers():
    outcome = World([[set()]]).search()
    assert outcome.provider
    assert not outcome.causes


def test_the_provider_and_a_change_may_both_have_done_it():
    outcome = World([[set()], [{2}]]).search()
    assert outcome.provider
    assert causes(outcome) == {frozenset({2})}


def test_a_fall_that_does_not_come_again_blames_nobody():
    outcome = World([[{9}]]).search()  # a change that there is not
    assert not outcome.causes
    assert not outcome.provider
    assert not outcome.reproduced
    assert not outcome.ended


@pytest.mark.parametrize("exact", [True, False])
def test_a_budget_that_ends_blames_nobody_unproved_and_says_where_it_stood(exact):
    whole = World([[{5}]], chance=0.0 if exact else 0.05)
    whole.search(exact=exact)
    for most in range(whole.calls):
        world = World([[{5}]], chance=0.0 if exact else 0.05, most=most)
        outcome = world.search(exact=exact)
        assert outcome.ended
        assert world.calls <= most
        assert causes(outcome) <= {frozenset({5})}
        assert 5 in outcome.open_changes or outcome.causes or not outcome.open_changes


def test_an_example_that_cannot_be_asked_is_no_evidence():
    world = World([[{5}]])
    world.falls = lambda question: None
    outcome = world.search()
    assert not outcome.causes
    assert not outcome.provider


@pytest.mark.parametrize("seed", range(20))
def test_answers_that_are_lost_now_and_then_lead_to_no_other_cause(seed):
    world, lost = World([[{2, 5}]]), random.Random(seed)
    falls = world.falls
    world.falls = lambda question: None if lost.random() < 0.15 else falls(question)
    outcome = world.search()
    assert causes(outcome) == {frozenset({2, 5})}
    assert not outcome.provider


def test_changes_that_undo_each_other_come_to_a_smallest_set():
    world = World([[{0}]])
    world.falls = lambda question: (
        question.item < world.fallen
        and bool({1, 2} <= question.applied and (3 not in question.applied or 4 in question.applied))
    )
    assert causes(world.search()) == {frozenset({1, 2})}


PLANTED = [[[{2}]], [[{6}]], [[{1, 7}]], [[{0}], [{5}]]]


@pytest.mark.parametrize("rules", PLANTED)
def test_where_answers_vary_the_planted_cause_is_proved(rules):
    outcome = World(rules, chance=0.1, seed=3, stubborn=6).search(exact=False)
    assert causes(outcome) == {frozenset(rule) for own in rules for rule in own}
    assert all(cause.p < 0.05 for cause in outcome.causes)


def test_where_answers_vary_noise_and_luck_blame_nobody():
    """Examples that pass three times of five were chosen for having fallen; nothing changed."""
    blamed = 0
    for seed in range(60):
        source = random.Random(seed)
        stored = [(source.random() < 0.4, source.random() < 0.4) for _ in range(60)]  # fell in the baseline, candidate
        world = World(
            [[]],
            fallen=sum(not before and after for before, after in stored),
            stubborn=sum(before and after for before, after in stored),
            chance=0.4,
            seed=seed,
        )
        outcome = world.search(exact=False)
        blamed += bool(outcome.causes) or outcome.provider
    assert blamed <= 3


def test_where_answers_vary_a_changed_provider_is_found():
    world = World([[set()]], fallen=16, stubborn=4, chance=0.1)
    world.falls = lambda question: world.source.random() < (0.9 if question.item < 20 else 0.1)
    outcome = world.search(exact=False)
    assert outcome.provider
    assert not outcome.causes
    assert outcome.provider_p < 0.01
