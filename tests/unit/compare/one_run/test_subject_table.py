"""Subjects of one run side by side: who is best, which differences are real, and how many questions were asked."""

import pytest

from insideLLMs.compare.one_run.subject_table import subject_table
from insideLLMs.compare.one_run.summary import summarise
from insideLLMs.core.errors import CompareError
from insideLLMs.core.subject import Subject
from insideLLMs.report.subjects import render_subjects
from support.compared_runs import record, view


def table_of(records, **options):
    run = view(records)
    return subject_table(run, summarise(run.records(), run_id=run.run_id), **options)


def answers(model, passes, n=20, **given):
    """Return records of a model that passes the first `passes` of `n` examples."""
    return [record(f"e{number:02}", model=model, passed=number < passes, **given) for number in range(n)]


def differences(table):
    return {row.subject: row.difference for row in table.rows}


def test_without_a_baseline_the_best_is_compared_with_and_every_pair_is_a_question():
    table = table_of([*answers("a", 20), *answers("b", 8), *answers("c", 19)])
    assert (table.baseline, table.chosen, table.comparisons) == ("a", "best", 3)
    found = differences(table)
    assert found["a"] is None
    assert (found["b"].n, found["b"].worse, found["b"].delta) == (20, 12, -0.6)
    assert found["b"].p < found["b"].p_holm < 0.01
    assert found["c"].p_holm > 0.3


def test_a_given_baseline_asks_fewer_questions():
    records = [*answers("a", 20), *answers("b", 14), *answers("c", 19), *answers("d", 18)]
    named = table_of(records, baseline="a", reference=lambda _: Subject("a"))
    chosen = table_of(records)
    assert (named.comparisons, chosen.comparisons) == (3, 6)
    assert differences(named)["b"].p_holm < differences(chosen)["b"].p_holm


def test_a_subject_that_does_not_answer_is_not_the_best():
    silent = [record(f"e{number:02}", model="a", status="timeout") for number in range(1, 20)]
    table = table_of([record("e00", model="a"), *silent, *answers("b", 15)])
    assert table.baseline == "b"
    assert differences(table)["a"].n == 1


def test_a_subject_without_a_common_example_has_no_difference_and_is_not_called_the_baseline():
    table = table_of([*answers("a", 20), *(record("other", model="b") for _ in range(1))])
    assert [row.is_baseline for row in table.rows] == [True, False]
    assert differences(table)["b"] is None
    shown = render_subjects(table)
    assert shown.count("baseline") == 2  # in the row of a, and in the note that says how to name one


def test_the_repeats_of_an_example_are_one_example():
    repeated = [*answers("a", 20, repeat=0), *answers("a", 20, repeat=1), *answers("b", 8), *answers("b", 8, repeat=1)]
    assert differences(table_of(repeated))["b"].n == 20


def test_a_score_outside_its_range_is_refused():
    with pytest.raises(CompareError, match="outside its range"):
        table_of([record("e", model="a", values={"stars": 7.0}), record("e", model="b", values={"stars": 1.0})])
