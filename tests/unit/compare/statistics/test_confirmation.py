import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from insideLLMs.compare.statistics.confirmation import (
    Answers,
    choose_repeats,
    confirm,
    first_pass_repeats,
    fisher_worse,
    is_dropped,
    judge_pass,
    second_pass_repeats,
)


def answers(before, after, asked):
    return Answers(baseline_passes=before, baseline_asked=asked, candidate_passes=after, candidate_asked=asked)


@given(st.integers(0, 10), st.integers(0, 10), st.integers(10, 12), st.integers(10, 12))
def test_fisher_agrees_with_scipy(before, after, asked_before, asked_after):
    found = Answers(
        baseline_passes=before, baseline_asked=asked_before, candidate_passes=after, candidate_asked=asked_after
    )
    table = [[after, asked_after - after], [before, asked_before - before]]
    assert fisher_worse(found) == pytest.approx(stats.fisher_exact(table, alternative="less").pvalue, abs=1e-9)


def test_no_answers_are_no_evidence():
    assert fisher_worse(Answers(baseline_passes=0, baseline_asked=0, candidate_passes=0, candidate_asked=4)) == 1.0


def test_a_pass_asks_once_more_than_it_needs():
    assert first_pass_repeats(13) == choose_repeats(13) + 1
    assert second_pass_repeats(1) == 6


def test_an_item_is_dropped_at_its_second_pass():
    assert [is_dropped(passes) for passes in (0, 1, 2)] == [False, False, True]


def test_one_stray_answer_on_either_side_does_not_save_a_broken_item():
    repeats = first_pass_repeats(10)
    selected = {f"flaky-{n}": answers(repeats, repeats - 1, repeats) for n in range(9)}
    clean = judge_pass({**selected, "broken": answers(repeats, 0, repeats)})
    assert clean.confirmed == ("broken",)
    assert judge_pass({**selected, "broken": answers(repeats, 1, repeats)}).confirmed == ("broken",)


def test_an_item_must_hold_in_both_passes():
    first = {"a": answers(7, 0, 7), "b": answers(7, 0, 7), "c": answers(3, 2, 7)}
    second = {"a": answers(6, 0, 6), "b": answers(3, 3, 6)}
    found = confirm(first, second)
    assert found.confirmed == ("a",)
    assert found.p == found.item_p["a"] <= 0.01


def test_answers_for_an_item_that_the_first_pass_dropped_are_ignored():
    found = confirm({"a": answers(3, 2, 7)}, {"a": answers(6, 0, 6)})
    assert (found.confirmed, found.p) == ((), 1.0)


def test_nothing_selected_confirms_nothing():
    assert confirm({}, {}).p == 1.0
