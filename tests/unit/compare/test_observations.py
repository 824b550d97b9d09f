"""What the statistics are fed follows from the aligned Trials alone."""

import msgspec

from insideLLMs.compare.comparing import compare, compare_with
from insideLLMs.compare.observations import Observations, Watch
from insideLLMs.compare.statistics.assess import assess
from insideLLMs.core.types import AskedBy
from support.compared_runs import record, view


def shapes(before, after, **options):
    observations = Observations(Watch(**options))
    compare(view(before), view(after), observe=observations)
    return {
        (shape.probe, shape.baseline, shape.candidate): count
        for shape, count in observations.observed().tally.counts.items()
    }


def test_equal_items_are_counted_together():
    before = [record(f"e{n}") for n in range(5)]
    after = [record(f"e{n}", passed=n > 0) for n in range(5)]
    assert shapes(before, after) == {("logic", ((1.0,),), ((1.0,),)): 4, ("logic", ((1.0,),), ((0.0,),)): 1}


def test_repeats_of_an_example_are_one_item_and_an_unanswered_one_is_missing():
    before = [record("a", repeat=n, passed=n != 1) for n in range(3)]
    after = [record("a", repeat=n, status="timeout" if n == 2 else "success") for n in range(3)]
    assert shapes(before, after) == {("logic", ((1.0, 0.0, 1.0),), ((1.0, 1.0, None),)): 1}


def test_examples_of_one_side_and_edited_ones_are_no_items():
    before = [record("a"), record("gone"), record("edited")]
    after = [record("a"), record("new"), record("edited", prompt="other")]
    assert shapes(before, after) == {("logic", ((1.0,),), ((1.0,),)): 1}


def test_a_repeat_more_on_one_side_stays_with_its_item_even_where_the_dataset_was_renamed():
    before = [record("a", dataset="v1")]
    after = [record("a", dataset="v2", repeat=n) for n in range(2)]
    assert shapes(before, after) == {("logic", ((1.0,),), ((1.0, 1.0),)): 1}


def test_a_repeat_of_one_side_joins_the_one_that_both_sides_have_alike():
    after = [record("a", repeat=n, passed=n == 0) for n in range(2)]
    assert shapes([record("a")], after) == {("logic", ((1.0,),), ((1.0, 0.0),)): 1}


def test_what_both_sides_have_alike_counts_as_what_it_is():
    both = [record("a", status="skipped"), record("b", status="timeout"), record("c", passed=False)]
    assert shapes(both, both) == {
        ("logic", ((),), ((),)): 1,
        ("logic", ((None,),), ((None,),)): 1,
        ("logic", ((0.0,),), ((0.0,),)): 1,
    }


def test_a_score_counts_where_there_is_no_verdict_and_several_need_a_name():
    before = [
        record("a", values={"f1": 0.25}),
        record("b", values={"score": 0.5, "f1": 1}),
        record("c", values={"x": 1, "y": 0}),
    ]
    assert shapes(before, before) == {
        ("logic", ((0.25,),), ((0.25,),)): 1,
        ("logic", ((0.5,),), ((0.5,),)): 1,
        ("logic", ((None,),), ((None,),)): 1,
    }


def test_each_pair_of_subjects_is_a_probe_of_its_own():
    records = [record(model=model) for model in "mn"]
    assert {probe for probe, _, _ in shapes(records, records, several_subjects=True)} == {"logic · m", "logic · n"}


def test_an_assessment_of_the_observations_sees_the_drop():
    observations = Observations()
    before = [record(f"e{n:03}") for n in range(200)]
    after = [record(f"e{n:03}", passed=n >= 30) for n in range(200)]
    compare(view(before), view(after), observe=observations)
    assessment = assess(observations.observed().tally)
    assert assessment.verdict == "failed"
    assert round(assessment.overall.delta, 6) == -0.15


def observed(before, after):
    return compare_with([view(before, "before")], [view(after, "after")])[1]


def judged(passes, *, asker="a", sharers=("b", "c"), **given):
    """Return records of probes that judge the same answers: the first asked for them."""
    own = [record(name, passed=passed, probe=asker, **given) for name, passed in passes.items()]
    shared_with = AskedBy(probe=asker)
    return own + [
        record(name, passed=passed, probe=probe, shared_with=shared_with, **given)
        for probe in sharers
        for name, passed in passes.items()
    ]


def test_checks_of_one_answer_are_relabelled_as_one():
    before = {f"e{number}": True for number in range(6)}
    after = {**before, "e0": False, "e1": False}
    seen = observed(judged(before), judged(after))
    assert [len(group) for group in seen.tally.together] == [3, 3]
    assert sum(seen.tally.together.values()) == 6
    assert assess(seen.tally).overall.n_informative == 2
    assert assess(observed(judged(before, sharers=()), judged(after, sharers=())).tally).overall.p_worse == (
        assess(seen.tally).overall.p_worse
    )


def test_one_side_that_shares_its_answers_is_enough():
    own = [msgspec.structs.replace(one, shared_with=msgspec.UNSET) for one in judged({"e0": True, "e1": True})]
    after = judged({"e0": False, "e1": False})
    assert assess(observed(own, after).tally).overall.n_informative == 2
    assert assess(observed(after, own).tally).overall.n_informative == 2
    assert not observed(own, own).tally.together


def test_an_example_whose_answer_another_example_asked_for_moves_with_it():
    def side(*, passed):
        first = [
            record("e0", passed=passed),
            record("e1", passed=passed, shared_with=AskedBy(probe="logic", example_id="e0")),
        ]
        return [*first, record("e2", passed=passed)]

    found = assess(observed(side(passed=True), side(passed=False)).tally)
    assert found.overall.n_informative == found.probes[0].n_informative == 2
