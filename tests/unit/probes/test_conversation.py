"""Scripted conversations: what a script may be, how each answer and the whole are checked, what it comes to."""

import pytest

from insideLLMs.core.conversation import Conversation, Turn
from insideLLMs.core.errors import ArgumentError, InsideLLMsError, TemplateError
from insideLLMs.core.types import Example, Message, Response
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.probes.conversation import ConversationProbe
from insideLLMs.probes.conversations.placed_check import as_transcript
from insideLLMs.probes.conversations.script import WrongTurnError, read_script


def row(**fields):
    return ExampleReader({}).example({"id": "e", **fields})


def talk(example_turns, *answers, ended="script_over"):
    """Return the Response of a conversation in which every turn was answered."""
    messages = []
    for turn, answer in zip(example_turns, answers, strict=False):
        text = turn["user"] if isinstance(turn, dict) else turn
        messages += [Message(role="user", content=text), Message(role="assistant", content=answer)]
    turns = tuple(Turn() for _ in answers)
    said = Conversation(messages=tuple(messages), turns=turns, ended=ended)
    return said.held_by(Response(text=answers[-1] if answers else ""))


def scored(turns, *answers, fields=None, **arguments):
    probe, example = ConversationProbe(**arguments), row(turns=turns, **(fields or {}))
    assert probe.check_example(example) is None
    return probe.score(example, talk(turns, *answers))


ADA = ["My name is Ada.", {"user": "Capital of France?", "expected": "Paris"},
       {"user": "My name?", "checks": [{"type": "contains", "any": ["Ada"]}]}]  # fmt: skip


def test_every_turn_is_checked_and_the_explanation_names_the_turn_and_the_check():
    scores = scored(ADA, "Hi", "Rome", "Ada")
    assert (scores.passed, scores.label) == (False, "turn 2 fails")
    assert scores.values == {"correct": 0.0, "turns": 0.5, "before_failure": 0.0}
    assert scores.explanation.startswith("1 of 2 checked turns passed; turn 2: contains: ")
    assert [one["check"] for one in scores.details["checks"]] == ["turn 2: contains", "turn 3: contains"]


def test_all_checks_hold():
    scores = scored(ADA, "Hi", "Paris", "You are Ada")
    assert (scores.passed, scores.label, scores.values["before_failure"]) == (True, "every turn passes", 1.0)


def test_a_check_of_the_whole_reads_what_the_subject_said_and_not_what_the_user_said():
    never = {"checks": [{"type": "contains", "none": ["refund"], "name": "never_refund"}]}
    scores = scored(["I want a refund", "A refund!"], "No.", "Never.", fields=never)
    assert (scores.passed, scores.values["never_refund"]) == (True, 1.0)
    assert not scored(["I want one", "Please!"], "A refund? No.", "Never.", fields=never).passed


def test_a_check_of_the_whole_finds_what_several_answers_say_together():
    both = {"checks": [{"type": "contains", "all": ["Monday", "9:30"]}]}
    assert scored(["When?", "At what time?"], "On Monday.", "At 9:30.", fields=both).passed


def test_checks_of_the_whole_read_parts_of_the_conversation():
    checks = [
        {"type": "equals", "of": "ended", "expected": "script_over"},
        {"type": "contains", "of": "answers[0]", "any": ["Hi"]},
        {"type": "contains", "of": "transcript", "all": ["user: Hello", "assistant: Hi"]},
    ]
    assert scored(["Hello", "Bye"], "Hi", "Goodbye", checks=checks).passed


def test_turn_checks_are_of_every_answer():
    scores = scored(["a", "b"], "short", "x" * 90, turn_checks=[{"type": "usage", "max_characters": 40}])
    assert (scores.label, scores.values["turns"]) == ("turn 2 fails", 0.5)


def test_a_function_reads_the_chat_up_to_the_answer_it_checks():
    seen = []
    probe = ConversationProbe(turn_checks=[{"type": "function", "function": lambda text, example: bool(text) and (
        seen.append([message.text for message in example.input]) is None)}])  # fmt: skip
    probe.score(row(turns=["a", "b"]), talk(["a", "b"], "one", "two"))
    assert seen == [["a"], ["a", "one", "b"]]


def test_turns_that_were_not_reached_fail_their_checks():
    probe, example = ConversationProbe(stop_on_failure=True), row(turns=ADA)
    scores = probe.score(example, talk(ADA, "Hi", "Rome", ended="failed_check"))
    assert scores.values["turns"] == 0.0
    assert "turn 3: contains: the conversation ended before this turn" in scores.explanation


def test_an_empty_answer_fails_its_turn():
    assert scored(ADA, "Hi", "Paris", "").label == "turn 3 fails"


def test_a_judge_of_the_whole_is_asked_about_nobody_who_said_nothing():
    heard, silent = (Conversation.of(talk(ADA, *answers)) for answers in (("Hi", "", "Ada"), (" ", "\u200b", "")))
    assert "Hi" in as_transcript(heard).text
    assert as_transcript(silent).text == ""


def test_an_answer_that_is_no_conversation_and_one_that_broke_off_are_not_scored():
    probe, example = ConversationProbe(), row(turns=ADA)
    with pytest.raises(InsideLLMsError, match="not a conversation"):
        probe.score(example, Response(text="Ada"))
    with pytest.raises(InsideLLMsError, match="broke off after 1 turns"):
        probe.score(example, talk(ADA, "Hi", ended=None))


@pytest.mark.parametrize(
    ("turns", "problem"),
    [
        ([], "nothing to answer"),
        ("Hello", "must be a list"),
        ([3], r"\[0\]: is 3"),
        ([None], "is None"),
        ([["a"]], "is \\['a'\\]"),
        (["a", " "], r"\[1\].user: is ' '"),
        ([{"user": "a", "cheks": []}], "did you mean 'checks'"),
        ([{"user": "a", "assistant": "b"}], "one of `user` and `assistant`"),
        ([{"checks": []}], "one of `user` and `assistant`"),
        ([{"user": "a", "checks": "x"}], "must be a list of checks"),
        ([{"role": "system", "content": "a"}], "is not a key of a turn"),
        ([{"assistant": "a"}], "nothing to answer"),
        (["a", {"assistant": "b"}], "nothing to answer"),
        ([{"assistant": "a", "checks": [{"type": "equals"}]}, "b"], "takes no checks"),
        ([{"user": "a", "expected": "x"}, {"assistant": "b"}, "c"], "its answer is given"),
    ],
)
def test_a_script_that_cannot_be_read_says_where_and_why(turns, problem):
    with pytest.raises(WrongTurnError, match=problem):
        read_script(turns)


def test_given_answers_stand_before_the_turn_that_is_asked():
    script = read_script([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, "c", "d"])
    assert [(turn.user, [message.text for message in turn.given]) for turn in script] == [("c", ["a", "b"]), ("d", [])]


def test_a_history_comes_first_and_its_last_message_is_asked_if_it_is_the_users():
    history = (Message(role="assistant", content="Welcome"), Message(role="user", content="Hi"))
    assert [turn.user for turn in read_script(["next"], history)] == ["Hi", "next"]
    assert read_script([], history)[0].given == history[:1]


def test_a_system_message_and_every_given_pair_of_a_history_are_sent():
    chat = [("system", "Be kind"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e")]
    history = tuple(Message(role=role, content=text) for role, text in chat)
    first, second = read_script(["f"], history)
    assert [(one.role, one.text) for one in first.given] == chat[:5]
    assert (first.user, second.user, second.given) == ("e", "f", ())


def test_an_example_without_turns_is_a_conversation_of_one():
    probe, example = ConversationProbe(checks=[{"type": "equals"}]), Example(id="e", input="Hi", expected=("Hello",))
    assert probe.check_example(example) is None
    assert probe.most_calls(example) == {"": 1}
    assert probe.score(example, talk(["Hi"], "Hello")).passed


def test_a_row_with_turns_needs_no_input_and_other_probes_ask_its_first():
    assert row(turns=[{"assistant": "Welcome"}, {"user": "Hi"}, "b"]).input == "Hi"


def test_a_text_in_a_row_that_is_not_its_first_turn_is_refused():
    said = ConversationProbe().check_example(row(question="Which?", turns=ADA))
    assert said == "turns[0]: is not the example's input (say the input first, or leave it out beside `turns`)"


@pytest.mark.parametrize(
    ("turn", "problem"),
    [
        ("You said {{ answers[1] }}", "turn 2: "),
        ("Hello {{ nmae }}", "did you mean {{ name }}"),
        ("{{ expected }}", "not for the model"),
        ("{% if %}", "not well formed"),
    ],
)
def test_a_turn_that_cannot_be_filled_is_found_before_anything_is_asked(turn, problem):
    said = ConversationProbe(checks=[{"type": "equals"}]).check_example(row(turns=["Hi", turn], name="Ada"))
    assert problem in said


def test_a_turn_of_the_probe_that_cannot_be_filled_is_an_error_of_its_argument():
    probe = ConversationProbe(turns=["Hi {{ nmae }}"], checks=[{"type": "equals"}])
    with pytest.raises(TemplateError) as caught:
        probe.check_example(row(question="?", name="Ada"))
    assert caught.value.argument == "turns"


def test_text_with_lone_braces_is_said_as_it_stands():
    example = row(turns=["Write f'{x}' and {y: 1}"], expected="x")
    assert ConversationProbe(checks=[{"type": "contains"}]).check_example(example) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"turns": ["a", "b"]}, "nothing to check"),
        ({"turns": [{"user": "a", "checks": [{"type": "contians"}]}]}, "turn 1: checks[0].type"),
        ({"turns": [{"user": "a", "checks": [{"type": "function", "function": "x.py:f"}]}]}, "only the experiment"),
        ({"turns": [{"user": "a", "checks": [{"type": "equals"}]}]}, "turn 1: check 'equals': nothing is expected"),
        ({"turns": ["a"], "answers": 1, "checks": [{"type": "regex", "pattern": "a"}]}, "rename this field"),
        ({"turns": [{"user": "a", "checks": [{"type": "judge", "rubric": "Good?"}]}]}, "give the probe `judges`"),
    ],
)
def test_an_example_that_cannot_be_scored_says_why(fields, problem):
    assert problem in ConversationProbe().check_example(row(**fields))


def test_arguments_that_are_wrong_are_found_with_their_place():
    found = list(ConversationProbe.argument_problems({
        "turns": ["a", {"usr": "b"}], "turn_checks": [{"type": "contians"}], "user": {"max_turns": 0},
    }))  # fmt: skip
    assert [place for place, _, _ in found] == [
        ("turn_checks", 0, "type"), ("turns", 1, "usr"), ("user", "max_turns")
    ]  # fmt: skip


def test_a_script_beside_a_user_is_refused():
    with pytest.raises(ArgumentError, match="left out beside `user`"):
        ConversationProbe(turns=["a"], user={"model": {"type": "dummy"}, "goal": "g"})
