"""The outer join of two runs: what is aligned with what, and that the counts add up."""

import dataclasses

import pytest

from insideLLMs.compare.comparing import CompareOptions, compare
from insideLLMs.compare.sides import RunView
from insideLLMs.core import canonical
from insideLLMs.core.errors import CompareError, RunDirectoryError
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Response, Usage
from support.compared_runs import record, view


def classes(comparison):
    return {kind: count for kind, count in comparison.overall.classes.items() if count}


def test_a_run_against_itself_is_unchanged():
    run = view([record(f"e{n}", passed=n % 2 == 0) for n in range(10)])
    comparison = compare(run, run)
    assert classes(comparison) == {"unchanged": 10}
    assert comparison.changes.total == 0
    assert comparison.served == ()
    assert comparison.warnings == ()


def test_each_class_is_counted_and_every_trial_is_in_exactly_one():
    before = view([record("a"), record("b"), record("c", passed=False), record("d", status="error"), record("e")])
    after = view([record("a"), record("b", passed=False), record("c"), record("d"), record("f")])
    comparison = compare(before, after)
    assert classes(comparison) == {
        "unchanged": 1, "regressed": 1, "fixed": 1, "recovered": 1, "removed": 1, "new": 1,
    }  # fmt: skip
    assert comparison.overall.trials == 6
    assert comparison.overall.aligned == 4
    assert comparison.overall.baseline.statuses["error"] == 1
    assert (comparison.overall.baseline.scored, comparison.overall.baseline.passed) == (4, 3)
    assert (comparison.overall.paired.trials, comparison.overall.paired.baseline_passed) == (3, 2)
    assert [trial.example_id for trial in comparison.removed.listed] == ["e"]
    assert [trial.example_id for trial in comparison.new.listed] == ["f"]


def test_another_model_aligns_when_each_side_has_one():
    comparison = compare(view([record(model="old")]), view([record(model="new", passed=False)]))
    assert classes(comparison) == {"regressed": 1}
    assert comparison.changes.listed[0].trial.models.baseline == "old"
    assert comparison.changes.listed[0].trial.models.candidate == "new"


def test_several_models_are_paired_by_id():
    before = view([record(model="a"), record(model="b")])
    after = view([record(model="a"), record(model="b", passed=False)])
    comparison = compare(before, after)
    assert classes(comparison) == {"unchanged": 1, "regressed": 1}
    assert [probe.models.baseline for probe in comparison.probes] == ["a", "b"]


def test_a_mapping_pairs_models_even_across_their_order():
    before = view([record(f"e{n}", model=m, text=m) for n in range(3) for m in "ab"])
    after = view([record(f"e{n}", model=m, text={"b": "a", "a": "b"}[m]) for n in range(3) for m in "ab"])
    assert classes(compare(before, after)) == {"changed": 6}
    crossed = compare(before, after, CompareOptions(pairs={"a": "b", "b": "a"}))
    assert classes(crossed) == {"unchanged": 6}


def test_models_that_cannot_be_paired_are_an_error_that_shows_the_option():
    with pytest.raises(CompareError, match=r"--pair a=c"):
        compare(view([record(model="a"), record(model="b")]), view([record(model="b"), record(model="c")]))


def test_models_that_a_mapping_leaves_over_are_listed_not_dropped():
    before = view([record(model="a"), record(model="b")])
    after = view([record(model="x"), record(model="y")])
    comparison = compare(before, after, CompareOptions(pairs={"a": "y"}))
    assert classes(comparison) == {"unchanged": 1, "removed": 1, "new": 1}
    assert any("without a counterpart: b" in warning for warning in comparison.warnings)


@pytest.mark.parametrize("pairs", [{"zz": "a"}, {"a": "zz"}, {"a": "a", "b": "a"}])
def test_a_mapping_that_names_unknown_or_doubled_models_is_an_error(pairs):
    run = view([record(model="a"), record(model="b")])
    with pytest.raises(CompareError, match="--pair"):
        compare(run, run, CompareOptions(pairs=pairs))


def test_a_renamed_dataset_still_aligns():
    comparison = compare(view([record(dataset="v1")]), view([record(dataset="v2")]))
    assert classes(comparison) == {"unchanged": 1}


def test_where_a_run_has_several_datasets_their_names_count():
    before = view([record(dataset="v1"), record(dataset="v2", passed=False)])
    after = view([record(dataset="v1"), record(dataset="v3", passed=False)])
    assert classes(compare(before, after)) == {"unchanged": 1, "removed": 1, "new": 1}


def test_repeats_beyond_the_other_sides_are_new_or_removed():
    before = view([record(repeat=n) for n in range(2)])
    after = view([record(repeat=n) for n in range(5)])
    assert classes(compare(before, after)) == {"unchanged": 2, "new": 3}
    assert classes(compare(after, before)) == {"unchanged": 2, "removed": 3}


def test_an_edited_example_is_listed_with_both_prompts_and_kept_out_of_the_paired_rates():
    comparison = compare(view([record()]), view([record(prompt="other", passed=False)]))
    assert classes(comparison) == {"edited": 1}
    assert comparison.overall.paired.trials == 0
    (edited,) = comparison.edited.listed
    assert (edited.prompt, edited.baseline_prompt) == ("other", "question e1")


def test_changes_are_listed_worst_first_and_bounded_while_counts_stay_whole():
    before = [record(f"e{n:03}") for n in range(300)]
    after = [record(f"e{n:03}", text="other", passed=n % 10 != 0) for n in range(300)]
    comparison = compare(view(before), view(after), CompareOptions(listed=40))
    assert comparison.changes.total == 300
    assert len(comparison.changes.listed) == 40
    kinds = [change.kind for change in comparison.changes.listed]
    assert kinds == ["regressed"] * 30 + ["changed"] * 10
    ids = [change.trial.example_id for change in comparison.changes.listed[:30]]
    assert ids == sorted(ids)


def test_the_greatest_loss_comes_first_among_equals():
    before = [record(f"e{n}", values={"f1": 0.9}) for n in range(3)]
    after = [record(f"e{n}", values={"f1": value}) for n, value in enumerate([0.5, 0.1, 0.3])]
    listed = compare(view(before), view(after)).changes.listed
    assert [change.trial.example_id for change in listed] == ["e1", "e2", "e0"]


def test_a_long_text_is_cut_in_the_list_but_compared_whole():
    long = "a" * 1000
    comparison = compare(
        view([record(text=long + "1")]), view([record(text=long + "2")]), CompareOptions(text_limit=100)
    )
    (change,) = comparison.changes.listed
    assert change.candidate.cut_characters == 901
    assert change.candidate.text.endswith("2")


def test_a_change_of_the_served_model_is_counted_without_making_a_change():
    def served(name, tokens):
        return [
            record(f"e{n}", response=Response(text="x", model=name, usage=Usage(input_tokens=1, output_tokens=tokens)))
            for n in range(4)
        ]

    comparison = compare(view(served("v1", 5)), view(served("v2", 7)))
    assert classes(comparison) == {"unchanged": 4}
    (change,) = comparison.served
    assert (change.field, change.baseline, change.candidate, change.trials) == ("model", "v1", "v2", 4)
    assert (comparison.usage.trials, comparison.usage.baseline_output_tokens) == (4, 20)


def test_a_failure_on_both_sides_is_errored_even_when_the_lines_are_equal():
    run = view([record("a", status="timeout"), record("b", status="skipped"), record("c")])
    assert classes(compare(run, run)) == {"errored": 1, "skipped": 1, "unchanged": 1}


def test_runs_with_nothing_in_common_say_so():
    comparison = compare(view([record("a")]), view([record("b")]))
    assert comparison.overall.aligned == 0
    assert any("no trial in common" in warning for warning in comparison.warnings)


def _lines(run, change):
    return dataclasses.replace(run, records=lambda: iter(change(list(run.records()))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[::-1], "not sorted"),
        (lambda lines: [lines[0], *lines], "twice"),
        (lambda lines: [lines[0], lines[1][:40]], "not a record"),
        (lambda lines: [b"[]", *lines], "not a record"),
    ],
)
def test_records_that_no_run_sealed_are_refused(change, message):
    run = view([record(f"e{n}") for n in range(3)])
    for pair in ((_lines(run, change), run), (run, _lines(run, change)), (_lines(run, change), _lines(run, change))):
        with pytest.raises((CompareError, RunDirectoryError), match=message):
            compare(*pair)


def test_a_model_that_the_manifest_does_not_name_is_refused():
    with pytest.raises(CompareError, match="manifest"):
        compare(view([record()], models=("other",)), view([record()]))


def test_an_observer_sees_every_trial_of_the_join_in_order():
    before, after = view([record("a"), record("b")]), view([record("b", passed=False), record("c")])
    seen = []
    compare(
        before,
        after,
        observe=lambda pair, finding: seen.append(((pair.baseline or pair.candidate).example_id, finding.kind)),
    )
    assert seen == [("a", "removed"), ("b", "regressed"), ("c", "new")]


def test_a_comparison_is_written_as_json_the_same_each_time():
    before, after = view([record("a"), record("b")]), view([record("a", passed=False), record("c")])
    first, second = (canonical.line(compare(before, after)) for _ in range(2))
    assert first == second


def test_lines_are_read_lazily_and_once():
    started = []

    def records():
        started.append(1)
        return iter([canonical.line(record())])

    run = RunView(run_id="r", label="r", subjects=(Subject("m"),), datasets={"logic": ("d",)}, records=records)
    compare(run, run)
    assert len(started) == 2


def test_fifty_changes_of_what_served_are_listed_the_most_frequent_first():
    """A fingerprint may be new in every answer."""
    before = [record(f"e{i:03}", response=Response(text="yes", fingerprint="old")) for i in range(61)]
    after = [record(f"e{i:03}", response=Response(text="yes", fingerprint=f"new {min(i, 59)}")) for i in range(61)]
    served = compare(view(before), view(after)).served
    assert len(served) == 50
    assert (served[0].candidate, served[0].trials) == ("new 59", 2)
