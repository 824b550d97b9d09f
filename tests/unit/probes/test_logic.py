"""LogicProbe: what it asks, how it scores, and which examples it refuses."""

import pytest

from insideLLMs.core.errors import ArgumentError, TemplateError
from insideLLMs.core.types import Example, JsonValue, Response
from insideLLMs.probes.logic import LogicProbe


def example(*expected: JsonValue, question: str = "Question?", **fields: JsonValue) -> Example:
    return Example(id="1", input=question, expected=expected, fields=fields)


@pytest.mark.parametrize(
    ("given", "right", "wrong"),
    [
        (example("true"), "Yes, it is.", "No, it isn't."),
        (example("no"), "That is not correct.", "That is correct."),
        (example("B"), "The answer is (B).", "The answer is (C)."),
        (example("B"), "The answer is B.", "A good answer."),
        (example("Paris", choices=["London", "Paris"]), "B", "A"),
        (example(1, choices=["London", "Paris"]), "Paris", "London"),
        (example("B", question="Where?\nA) London\nB) Paris"), "Paris.", "London."),
        (example(4), "2 + 2 = 4", "2 + 2 = 5"),
        (example("5 km"), "5000 m", "5 miles"),
        (example(0.5), "50%", "0.5%"),
        (example("Paris", "City of Paris"), "It is the City of Paris.", "It is not Paris."),
        (example("right", question="Left or right?"), "Right", "Left"),
        (example("right", question="Left or right?"), "right.", "Yes"),
        (example(["red", "blue"]), "blue and red", "blue, red and green"),
        (example("four", 4), "4", "5"),
    ],
)
def test_a_right_answer_scores_right_and_a_wrong_one_wrong(given: Example, right: str, wrong: str) -> None:
    probe = LogicProbe()
    assert probe.check_example(given) is None
    good, bad = probe.score(given, Response(text=right)), probe.score(given, Response(text=wrong))
    assert (good.passed, good.values["correct"], good.values["answered"]) == (True, 1.0, 1.0)
    assert (bad.passed, bad.values["correct"]) == (False, 0.0)


@pytest.mark.parametrize("answer", ["", " ", "I don't know.", "I can't help with that.", "blorp flim"])
@pytest.mark.parametrize("given", [example("true"), example("B"), example(4), example("Paris")])
def test_no_answer_is_neither_right_nor_answered(given: Example, answer: str) -> None:
    scores = LogicProbe().score(given, Response(text=answer))
    assert scores.passed is False
    assert scores.values["correct"] == 0.0
    if answer != "blorp flim" or given.expected != ("Paris",):  # as free text, gibberish is an answer
        assert scores.values["answered"] == 0.0
        assert scores.label is None


def test_a_json_boolean_is_yes_or_no() -> None:
    given = Example(id="1", input="Is it?", expected=(False,))
    assert LogicProbe().score(given, Response(text="No.")).passed is True
    assert LogicProbe().score(given, Response(text="Yes.")).passed is False


def test_the_explanation_says_what_was_answered_and_expected() -> None:
    scores = LogicProbe().score(example(4), Response(text="It is 5."))
    assert (scores.label, scores.explanation) == ("5", "answered '5', expected '4'")


def test_a_tolerance_lets_near_numbers_pass() -> None:
    near = Response(text="3.14")
    assert not LogicProbe().score(example(3.14159), near).passed
    assert LogicProbe(tolerance=0.01).score(example(3.14159), near).passed
    assert LogicProbe(relative_tolerance=0.001).score(example(3.14159), near).passed


def test_a_given_kind_overrides_what_would_be_guessed() -> None:
    given = example("A", "B")
    assert LogicProbe(kind="set").score(given, Response(text="B, A")).passed
    assert not LogicProbe().score(given, Response(text="B, A")).passed


def test_options_that_the_question_does_not_show_are_put_below_it() -> None:
    hidden = example("Paris", question="Capital?", choices=["London", "Paris"])
    shown = example("Paris", question="London or Paris?", choices=["London", "Paris"])
    assert LogicProbe().request(hidden).messages[0].content == "Capital?\nA. London\nB. Paris"
    assert LogicProbe().request(shown).messages[0].content == "London or Paris?"
    templated = LogicProbe(template="{{ question }}\n{{ choices }}\nAnswer:").request(hidden)
    assert templated.messages[0].content == "Capital?\nA. London\nB. Paris\nAnswer:"


@pytest.mark.parametrize(
    ("probe", "given", "complaint"),
    [
        (LogicProbe(), example(), "nothing is expected"),
        (LogicProbe(), example("Rome", choices=["London", "Paris"]), "none of the options"),
        (LogicProbe(), example("A", choices="AB"), "`choices` must be"),
        (LogicProbe(), example("a", ["b"]), "several kinds"),
        (LogicProbe(kind="number"), example("cat"), "not a number"),
        (LogicProbe(kind="yes_no"), example("maybe"), "neither yes nor no"),
        (LogicProbe(), example("..."), "empty"),
    ],
)
def test_an_example_that_cannot_be_scored_is_refused_before_any_call(
    probe: LogicProbe, given: Example, complaint: str
) -> None:
    assert complaint in (probe.check_example(given) or "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"kind": "numbr"}, "did you mean 'number'"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"relative_tolerance": "1"}, "relative_tolerance"),
        ({"template": 5}, "template"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, JsonValue], named: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        LogicProbe(**arguments)
    assert named in str(caught.value)


def test_a_template_may_name_the_options_and_nothing_unknown() -> None:
    LogicProbe(template="{{ choices }}").check_example(example("A", choices=["x", "y"]))
    with pytest.raises(TemplateError, match=r"did you mean \{\{ context \}\}"):
        LogicProbe(template="{{ contxt }}").check_example(example(1, context="x"))


def test_a_malformed_template_is_refused_when_the_probe_is_made() -> None:
    with pytest.raises(TemplateError):
        LogicProbe(template="{question}")
