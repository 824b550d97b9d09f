"""Damages: each does to an answer what its sentence says, keeps its form, and is the same in every audit."""

import json
import re

import pytest

from insideLLMs.core.types import Message, Response, ToolCall, Usage
from insideLLMs.scoring.damages import DAMAGES, IntactAnswer
from insideLLMs.scoring.json_values import Parsed, find_json
from insideLLMs.scoring.refusal import refuses

LONG = "You can return it within 14 days. Keep the receipt."


def damaged(name, text="", *, seed="seed", **given):
    response = given.pop("response", Response(text=text))
    return DAMAGES[name].apply(IntactAnswer(response=response, seed=seed, **given))


def said(name, text, **given):
    response = damaged(name, text, **given)
    return None if response is None else response.text


@pytest.mark.parametrize(
    ("text", "opposite"),
    [
        (LONG, "You can not return it within 14 days. It is not the case that keep the receipt."),
        ("Yes", "No"),
        ("yes.", "no."),
        ("TRUE", "FALSE"),
        ("I can't open it.", "I can open it."),
        ("We won't ship it to you.", "We will ship it to you."),
        ("It isn't in the box.", "It is in the box."),
        ("We're open on Sundays, as you know.", "We're not open on Sundays, as you know."),
        ("Das ist nicht erlaubt.", None),
        ("您可以退货。", None),
        ("42", None),
        ("Paris", None),
        ('{"is": "open"}', None),
    ],
)
def test_a_negated_answer_says_the_opposite_where_it_is_english(text, opposite):
    assert said("negated", text) == opposite


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("It costs 1,000 EUR.", r"It costs \d,000 EUR\."),
        ("A fee of 3.5 % is due.", r"A fee of \d\.5 % is due\."),
        ("On 2024-05-31 we close.", r"On 2024-05-(0[1-9]|1\d|2[0-8]) we close\."),
        ("At 09:30 sharp.", r"At \d\d:30 sharp\."),
        ("At 23:59:01 sharp.", r"At \d\d:59:01 sharp\."),
        ("Order AB-1234-X.", r"Order AB-\d234-X\."),
        ('{"a": 0.5}', r'\{"a": \d\.5\}'),
        ("−7 °C", r"−\d °C"),
        ("It takes two days.", r"It takes (?!two)[a-z]+ days\."),
        ("0", r"[1-9]"),
    ],
)
def test_another_number_keeps_its_form(text, form):
    found = said("number", text)
    assert found != text
    assert re.fullmatch(form, found)


def test_a_number_changes_wherever_it_stands_and_nowhere_inside_of_another():
    found = said("number", "14 days, that is 14 days and not 140.", references="14 days")
    assert re.fullmatch(r"([2-9])4 days, that is (?:\1)4 days and not 140\.", found)


def test_the_number_that_is_expected_is_changed_before_one_that_was_asked_about():
    for seed in "abcdefgh":
        answer = "Order 77 arrives in 14 days, see page 9."
        assert "Order 77" in said("number", answer, seed=seed, question="Where is order 77?")
        assert said("number", answer, seed=seed, references="14 days").count("14") == 0


def test_there_is_no_number_to_change():
    assert damaged("number", "Keep the receipt.") is None


@pytest.mark.parametrize("text", [LONG, "Paris", "您可以在14天内退货。", '{"a": [1, 2]}'])
def test_a_truncated_answer_stops_in_the_middle(text):
    found = damaged("truncated", text)
    assert text.startswith(found.text)
    assert 0 < len(found.text) < len(text)
    assert found.finish_reason == "length"


def test_tokens_follow_the_length():
    found = damaged("truncated", response=Response(text="x" * 100, usage=Usage(input_tokens=7, output_tokens=40)))
    assert found.usage == Usage(input_tokens=7, output_tokens=20)


def test_the_last_sentence_is_missing():
    assert said("shortened", LONG) == "You can return it within 14 days."
    assert damaged("shortened", "One sentence only.") is None


def test_a_refusal_is_one_that_the_detector_knows():
    assert refuses(said("refused", LONG))
    assert damaged("refused", "I'm sorry, I can't help with that.") is None


def test_another_examples_answer_comes_with_its_tool_calls():
    other = Response(text="Berlin", tool_calls=(ToolCall(name="find"),))
    found = damaged("swapped", "Paris", other=other)
    assert (found.text, found.tool_calls) == ("Berlin", other.tool_calls)
    assert damaged("swapped", "Paris") is None


CALLS = (ToolCall(name="find", arguments={"city": "Rome", "days": 3}), ToolCall(name="book", arguments={"ok": True}))


def test_a_tool_call_is_missing_in_a_response_and_in_what_an_agent_did():
    assert len(damaged("tool-dropped", response=Response(tool_calls=CALLS)).tool_calls) == 1
    asked, said = Message(role="user", content="Book."), Message(role="assistant", content="Done.")
    turns = [
        one for call in CALLS
        for one in (Message(role="assistant", tool_calls=(call,)), Message(role="tool", content="ok"))
    ]  # fmt: skip
    found = damaged("tool-dropped", response=Response(text="Done.", trajectory=(asked, *turns, said)))
    assert len(found.calls) == 1
    assert (found.trajectory[0], found.trajectory[-1]) == (asked, said)
    assert damaged("tool-dropped", LONG) is None


@pytest.mark.parametrize("value", [True, 0, 3, -2, 2**53 - 1, 1.5, "Rome", "2024-05-01", "", [1], [], None, {"a": 1}])
def test_an_argument_is_another_one_of_the_same_kind(value):
    calls = (ToolCall(name="find", arguments={"x": value}),)
    found = damaged("tool-argument", response=Response(tool_calls=calls)).tool_calls[0].arguments["x"]
    assert found != value
    assert type(found) is type(value) or value is None or isinstance(value, dict)
    assert damaged("tool-argument", response=Response(tool_calls=(ToolCall(name="now"),))) is None


@pytest.mark.parametrize("text", ['{"a": 1}', "[1, [2]]", 'So:\n```json\n{"a": "}"}\n```'])
def test_broken_json_is_no_json(text):
    assert not isinstance(find_json(said("json", text)), Parsed)
    assert damaged("json", "no JSON {here}") is None


def test_another_language_keeps_numbers_and_names():
    found = said("language", "You can call Ann Lee within 14 days.")
    assert found.endswith("Ann, Lee, 14.")
    assert "call" not in found
    assert said("language", "Sie können uns in 14 Tagen anrufen, das ist kein Problem.").startswith("Thank you")
    assert damaged("language", "42") is None
    assert damaged("language", '{"a": "you"}') is None


def test_a_hedged_and_a_padded_answer_still_say_it():
    assert "14 days" in said("hedged", LONG)
    assert "14 days" in said("padded", LONG)
    assert damaged("hedged", "Das ist nicht so einfach.") is None
    assert set(said("padded", "Das ist gut.").split()) == {"Das", "ist", "gut."}


AWKWARD = [
    "",
    " ",
    "\n",
    "{",
    "[]",
    "{}",
    "a",
    "?!",
    "\ud800",
    "١٤ يوم",
    "💥" * 3,
    "yes\n" * 50,
    "x" * 10_000,
    "1" * 400,
]


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("name", DAMAGES)
def test_whatever_the_answer_is_a_damage_changes_it_or_does_not_apply(name, text):
    other = Response(text="another")
    found = [damaged(name, text, other=other), damaged(name, text, other=other)]
    assert found[0] == found[1]
    assert found[0] is None or found[0] != Response(text=text)


@pytest.mark.parametrize("value", [{"answer": LONG}, {"answer": None, "calls": []}, [1, 2], 7, "text", {"x": {"y": 1}}])
@pytest.mark.parametrize("name", DAMAGES)
def test_what_a_simple_probe_returned_stays_json(name, value):
    found = damaged(name, response=Response(value=value))
    assert found is None or json.dumps(found.value) != json.dumps(value)
