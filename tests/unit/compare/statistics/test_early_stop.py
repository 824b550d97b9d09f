import pytest

from insideLLMs.compare.statistics.distributions import normal_quantile
from insideLLMs.compare.statistics.early_stop import (
    LOOKS,
    conditional_power,
    expected_z,
    look,
    look_at,
    schedule,
    thresholds,
)
from support.items import Item, assess


@pytest.mark.parametrize(
    ("alpha", "published"),
    [
        (0.05, (8.86e-5, 0.00554, 0.0219, 0.0427)),
        (0.025, (7.37e-6, 0.00152, 0.00916, 0.0220)),
        (0.02, (3.28e-6, 0.00100, 0.00690, 0.0177)),
        (0.01, (2.58e-7, 0.00027, 0.00285, 0.00907)),
    ],
)
def test_the_boundaries_are_those_of_lan_and_demets(alpha, published):
    assert thresholds(alpha) == pytest.approx(published, rel=6e-3)


def test_the_last_boundary_as_a_score():
    assert -normal_quantile(thresholds(0.05)[-1]) == pytest.approx(1.7202, abs=5e-5)
    assert -normal_quantile(thresholds(0.02)[-1]) == pytest.approx(2.1027, abs=5e-5)


def test_a_clear_drop_stops_at_the_first_look():
    assert look(0, 1e-5, expected=2.0, alpha=0.05) == "fail"


def test_a_candidate_that_does_well_stops_as_futile():
    assert look(1, 0.9, expected=expected_z(0.05, n=500, noise=0.13), alpha=0.05) == "no_evidence"


def test_an_open_question_goes_on_to_the_last_look_which_decides():
    expected = expected_z(0.05, n=500, noise=0.13)
    assert [look(place, 0.06, expected=expected, alpha=0.05) for place in range(len(LOOKS))] == [
        "go_on",
        "go_on",
        "go_on",
        "pass",
    ]
    assert look(3, 0.04, expected=expected, alpha=0.05) == "fail"


def test_conditional_power_falls_with_the_evidence():
    powers = [conditional_power(p, 0.5, expected=2.0, alpha=0.05) for p in (0.001, 0.05, 0.5, 0.99)]
    assert powers == sorted(powers, reverse=True)
    assert conditional_power(1.0, 0.5, expected=2.0, alpha=0.05) == pytest.approx(0.0, abs=1e-9)


def test_every_look_takes_its_share_of_every_probe_and_each_item_once():
    ids = {"a": [f"a{n}" for n in range(40)], "b": [f"b{n}" for n in range(10)]}
    batches = schedule(ids, seed="run")
    assert [sum(probe == "a" for probe, _ in batch) for batch in batches] == [10, 10, 10, 10]
    assert sorted(pair for batch in batches for pair in batch) == [(p, name) for p in "ab" for name in sorted(ids[p])]


def test_probes_of_the_same_items_are_asked_them_at_the_same_looks():
    names = [f"e{n}" for n in range(40)]
    for batch in schedule({"a": names, "b": names}, seed="run"):
        assert {name for probe, name in batch if probe == "a"} == {name for probe, name in batch if probe == "b"}


def test_the_order_of_items_is_seeded_and_independent_of_the_input():
    ids = {"a": [f"a{n}" for n in range(40)]}
    assert schedule(ids, seed="x") == schedule({"a": ids["a"][::-1]}, seed="x") != schedule(ids, seed="y")


def seen(verdicts):
    return assess(
        [Item(probe="p", id=str(n), baseline=((b,),), candidate=((a,),)) for n, (b, a) in enumerate(verdicts)]
    ).overall


def test_a_quarter_in_which_nothing_varied_does_not_end_the_run():
    assert look_at(0, seen([(1.0, 1.0)] * 50), wanted_drop=0.05, alpha=0.05) == "go_on"


def test_a_run_too_small_for_the_wanted_drop_plans_for_one_that_it_can_detect():
    """With 44 items 5 points are out of reach from the start, which must not end the run at a dead-even look."""
    even = [(1.0, 0.0), (0.0, 1.0), *[(1.0, 1.0)] * 9]
    assert look_at(0, seen(even), wanted_drop=0.05, alpha=0.05) == "go_on"
    assert look(0, 0.5, expected=expected_z(0.05, n=44, noise=0.13), alpha=0.05) == "no_evidence"
