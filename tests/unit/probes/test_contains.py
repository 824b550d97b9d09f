"""ContainsProbe: its checks, where they come from, and failing closed."""

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import Example, JsonValue, Response
from insideLLMs.probes.contains import ContainsProbe


def example(*expected: JsonValue, **fields: JsonValue) -> Example:
    return Example(id="1", input="Question?", expected=expected, fields=fields)


def passes(probe: ContainsProbe, given: Example, answer: str) -> bool:
    assert probe.check_example(given) is None
    return probe.score(given, Response(text=answer)).passed is True


@pytest.mark.parametrize(
    ("arguments", "right", "wrong"),
    [
        ({"all": ["red", "blue"]}, "Blue and RED", "red only"),
        ({"any": ["red", "blue"]}, "blue", "green"),
        ({"none": "secret"}, "fine", "the Secret is out"),
        ({"none": "secret"}, "fine", "the s\u200becret is out"),
        ({"regex": r"^\d{3}$"}, "code:\n123", "1234"),
        ({"all": "ＡＢＣ"}, "abc", "ab c"),
        ({"all": "a b"}, "a\n  b", "ab"),
        ({"all": "Polish", "ignore_case": False}, "Polish", "polish"),
        ({"regex": ["a", "b"], "ignore_case": False}, "ab", "aB"),
        ({"none": ["x"]}, "y", ""),
        ({"all": "a b", "normalise": "none"}, "A b", "a  b"),
        ({"all": "a\u0308", "normalise": "none"}, "A\u0308", "ä"),
        ({"none": "secret", "normalise": "none"}, "the s\u200becret is out", "the Secret is out"),
        ({"any": "A", "normalise": "none", "ignore_case": False}, "A", "a"),
    ],
)
def test_an_answer_holds_all_checks_or_fails(arguments: dict[str, JsonValue], right: str, wrong: str) -> None:
    probe = ContainsProbe(**arguments)
    assert passes(probe, example(), right)
    assert not passes(probe, example(), wrong)


def test_an_examples_own_checks_take_the_place_of_the_probes() -> None:
    probe = ContainsProbe(all=["red"], none=["green"])
    assert passes(probe, example(all=["blue"]), "blue")
    assert not passes(probe, example(all=["blue"]), "blue green")


def test_what_is_expected_stands_in_for_any_where_none_is_given() -> None:
    assert passes(ContainsProbe(), example("Paris", 4), "it is 4")
    probe = ContainsProbe(any=["red"])
    assert passes(probe, example("Paris"), "red")
    assert not passes(probe, example("Paris", 4), "it is 4")


def test_the_share_of_checks_that_held_is_scored_and_failures_are_named() -> None:
    scores = ContainsProbe(all=["red", "blue"]).score(example(), Response(text="red"))
    assert scores.values == {"correct": 0.0, "held": 0.5}
    assert scores.explanation == "does not contain 'blue'"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (example(), "nothing to check"),
        (example(all=[]), "nothing to check"),
        (example(all=[1]), "all is [1]"),
        (example(any=["a", ""]), "any is"),
        (example(regex="("), "not valid"),
        (example(regex="(a+)+"), "repeats a repetition"),
        (example(""), "empty"),
    ],
)
def test_an_example_without_a_readable_check_is_refused(given: Example, complaint: str) -> None:
    assert complaint in (ContainsProbe().check_example(given) or "")


@pytest.mark.parametrize(
    "arguments", [{"all": ""}, {"any": 5}, {"none": [None]}, {"regex": "("}, {"ignore_case": "yes"}]
)
def test_a_bad_argument_is_named(arguments: dict[str, JsonValue]) -> None:
    with pytest.raises(ArgumentError):
        ContainsProbe(**arguments)
