"""InstructionFollowingProbe: constraints from the probe and the example."""

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import Example, JsonValue, Response
from insideLLMs.probes.instruction_following import InstructionFollowingProbe


def example(**fields: JsonValue) -> Example:
    return Example(id="1", input="Write.", fields=fields)


def test_constraints_of_probe_and_example_both_count() -> None:
    probe = InstructionFollowingProbe(constraints=["no_comma"])
    given = example(constraints=[{"type": "words", "max": 3}])
    assert probe.score(given, Response(text="one two three")).passed is True
    scores = probe.score(given, Response(text="one, two three four"))
    assert (scores.passed, scores.values) == (False, {"passed": 0.0, "strict": 0.0, "loose": 0.0})
    assert scores.explanation == "no_comma: has 1 comma; words: 4 words, more than 3"


def test_strict_and_loose_are_shares_of_the_constraints() -> None:
    probe = InstructionFollowingProbe(constraints=["no_comma", {"type": "starts_with", "text": "Dear"}])
    scores = probe.score(example(), Response(text="Sure:\nDear all"))
    assert scores.values == {"passed": 0.0, "strict": 0.5, "loose": 1.0}
    assert scores.details["constraints"][1] == {
        "constraint": "starts_with(text='Dear')",
        "strict": False,
        "loose": True,
        "why": "does not start with 'Dear'",
    }


def test_an_empty_answer_keeps_nothing() -> None:
    scores = InstructionFollowingProbe(constraints=["no_comma"]).score(example(), Response(text=""))
    assert (scores.passed, scores.values["loose"]) == (False, 0.0)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (example(), "no constraints"),
        (example(constraints=[{"type": "wrods", "max": 3}]), "did you mean 'words'"),
        (example(constraints="words"), "`constraints` is 'words'"),
    ],
)
def test_an_example_without_readable_constraints_is_refused(given: Example, complaint: str) -> None:
    assert complaint in (InstructionFollowingProbe().check_example(given) or "")


@pytest.mark.parametrize("constraints", ["words", [{"type": "nope"}], [5], 5])
def test_bad_constraints_are_refused_when_the_probe_is_made(constraints: JsonValue) -> None:
    with pytest.raises(ArgumentError):
        InstructionFollowingProbe(constraints=constraints)
