"""Which subjects are compared: models and prompts pair alone, by id, or as asked for."""

import pytest

from insideLLMs.compare.pairing import pair_subjects
from insideLLMs.compare.sides import RunView
from insideLLMs.core.errors import CompareError
from insideLLMs.core.subject import cross, in_order


def side(models, prompts=()):
    subjects = in_order(cross(models.split(), prompts.split() if prompts else ()))
    return RunView(run_id="r", label="r", subjects=subjects, datasets={}, records=lambda: iter(()))


def paired(before, after, **wanted):
    found = pair_subjects(side(*before), side(*after), wanted)
    return [(ours.label, theirs.label) for ours, theirs in found.pairs]


def test_one_of_each_side_pairs_whatever_its_name():
    assert paired(["a"], ["b"]) == [("a", "b")]
    assert paired(["a", "v1"], ["b", "v2"]) == [("a · v1", "b · v2")]
    assert paired(["a"], ["b", "v2"]) == [("a", "b · v2")]


def test_several_pair_by_id():
    both = ["a b", "v1 v2"]
    assert paired(both, both) == [(name, name) for name in ("a · v1", "a · v2", "b · v1", "b · v2")]


@pytest.mark.parametrize(
    ("before", "after"), [(["a", "v1 v2"], ["a", "v1"]), (["a"], ["a", "v1 v2"]), (["a b"], ["a"])]
)
def test_what_is_left_over_is_an_error_unless_pairs_are_named(before, after):
    with pytest.raises(CompareError, match="--pair"):
        paired(before, after)


def test_names_of_prompts_models_and_subjects_are_understood():
    assert paired(["a", "v1 v2"], ["a", "v1"], v2="v1") == [("a · v2", "a · v1")]
    assert paired(["a b", "v1"], ["c", "v1"], b="c") == [("b · v1", "c · v1")]
    assert paired(["a"], ["a", "v1 v2"], a="a · v2") == [("a", "a · v2")]


@pytest.mark.parametrize("wanted", [{"a": "v1"}, {"v1": "v3"}, {"v1": "v1", "v2": "v1"}, {"x": "a"}])
def test_pairs_that_do_not_fit_are_an_error_that_says_how_to_give_them(wanted):
    with pytest.raises(CompareError, match="--pair") as caught:
        paired(["a", "v1 v2"], ["a", "v1 v2"], **wanted)
    assert "BASE=CAND" in str(caught.value) or "MODEL · PROMPT" in str(caught.value)


def test_records_whose_names_order_otherwise_than_their_labels_keep_their_order():
    found = pair_subjects(side("a b", "v"), side("a b", "v"), {})
    assert found.keeps_order
    odd = in_order(cross(["a", "a b"], ["v"]))
    assert [subject.model for subject in odd] == ["a", "a b"] != sorted(subject.label for subject in odd)
