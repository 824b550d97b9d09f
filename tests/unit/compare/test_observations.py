"""What the statistics are fed follows from the aligned Trials alone."""

from insideLLMs.compare.comparing import compare
from insideLLMs.compare.observations import Observations, Watch
from insideLLMs.compare.statistics.assess import assess
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


def test_each_pair_of_models_is_a_probe_of_its_own():
    records = [record(model=model) for model in "mn"]
    assert {probe for probe, _, _ in shapes(records, records, several_models=True)} == {"logic · m", "logic · n"}


def test_an_assessment_of_the_observations_sees_the_drop():
    observations = Observations()
    before = [record(f"e{n:03}") for n in range(200)]
    after = [record(f"e{n:03}", passed=n >= 30) for n in range(200)]
    compare(view(before), view(after), observe=observations)
    assessment = assess(observations.observed().tally)
    assert assessment.verdict == "failed"
    assert round(assessment.overall.delta, 6) == -0.15
