"""Which answers of runs since others count in a comparison: each draw once, and nothing that is no draw."""

from dataclasses import replace

import msgspec
import pytest

from insideLLMs.compare.comparing import compare_with
from insideLLMs.core.types import SinceMark
from support.compared_runs import record, view

OLD, NEW, OTHER = (letter * 64 for letter in "abc")


def run(root, records, **given):
    return replace(view(records, label=root[:3]), root=root, **given)


def marked(name, answer="reused", root=OLD, **given):
    run_ = root if answer == "reused" else None
    return msgspec.structs.replace(record(name, **given), since=SinceMark(answer=answer, run=run_))


def counted(baselines, candidates):
    """Return how many items are in the tally, and how many are counted as reused."""
    observed = compare_with(baselines, candidates)[1]
    return sum(observed.tally.counts.values()), observed.reused.total()


PLAIN = [record("e1"), record("e2", passed=False), record("e3")]


def test_a_reused_answer_is_no_item_and_a_canary_is_one():
    found = run(NEW, [marked("e1"), marked("e2", "canary", passed=False), record("e3")])
    assert counted([run(OLD, PLAIN)], [found]) == (2, 1)


def test_a_reused_answer_counts_where_another_scorer_scores_it():
    found = run(NEW, [marked(f"e{n}", passed=False) for n in (1, 2, 3)], probe_digests={"logic": "2"})
    assert counted([run(OLD, PLAIN, probe_digests={"logic": "1"})], [found]) == (3, 0)
    assert counted([run(OLD, PLAIN)], [replace(found, probe_digests={})]) == (2, 1)


def test_a_reused_answer_is_no_draw_beside_a_run_that_has_nothing_to_do_with_it():
    found = run(NEW, [marked("e1", passed=False), marked("e2"), marked("e3")])
    assert counted([run(OTHER, PLAIN)], [found]) == (0, 3)


def test_what_was_retried_counts_only_beside_an_answer():
    found = run(NEW, [marked("e1", "retried")])
    assert counted([run(OLD, [record("e1", status="error")])], [found]) == (0, 1)
    assert counted([run(OTHER, [record("e1")])], [found]) == (1, 0)


def test_the_same_draw_is_in_no_pool_twice():
    since = run(NEW, [marked(f"e{n}") for n in (1, 2)] + [record("e3")])
    fresh = run(OTHER, PLAIN)
    observed = compare_with([run(OLD, PLAIN), since], [fresh])[1]
    runs = {tuple(len(values) for values in shape.baseline) for shape in observed.tally.counts}
    assert runs == {(1, 0), (1, 1)}
    assert counted([since], [run(OLD, PLAIN)]) == (1, 0)


@pytest.mark.parametrize("answer", ["reused", "canary"])
def test_two_subjects_of_one_run_are_compared_by_all_their_answers(answer):
    sides = [run(NEW, [marked(f"e{n}", answer, model=name) for n in (1, 2)]) for name in ("a", "b")]
    assert counted(sides[:1], sides[1:]) == (2, 0)
