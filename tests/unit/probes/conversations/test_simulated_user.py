"""A user played by a model: what it is told, how it says that it is done, and what decides whether all went well."""

import re

import pytest

from insideLLMs.core.conversation import Conversation
from insideLLMs.core.errors import ArgumentError, TemplateError
from insideLLMs.core.types import Example, Message, Response
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.probes.conversation import ConversationProbe
from insideLLMs.probes.named_check import WrongCheckError
from support.engine import run_engine

MARKS = re.compile(r"^(?:GOAL-REACHED|GAVE-UP)-\w+$", re.MULTILINE)


class Player:
    """Plays the user by a script: a list of what it says, where REACHED and GAVE_UP stand for its lines."""

    def __init__(self, *script):
        self.script = script
        self.chats = []
        self.repeats = []

    def identity(self):
        return {"player": True}

    async def respond(self, request, *, repeat=0):
        self.chats.append([(message.role, message.text) for message in request.messages])
        self.repeats.append(repeat)
        reached, gave_up = MARKS.findall(request.messages[0].text)
        line = self.script[sum(message.role == "assistant" for message in request.messages)]
        return Response(text=line.replace("REACHED", reached).replace("GAVE_UP", gave_up))

    async def aclose(self):
        pass


class Shop(Player):
    """The subject, which answers by the number of the turn."""

    async def respond(self, request, *, repeat=0):
        self.chats.append([(message.role, message.text) for message in request.messages])
        turn = sum(message.role == "user" for message in request.messages) - 1
        return Response(text=self.script[min(turn, len(self.script) - 1)])


def row(**fields):
    return ExampleReader({}).example({"id": "e", **fields})


def played(script, answers=("one", "two", "three"), repeats=1, **user):
    player, shop = Player(*script), Shop(*answers)
    given = {"model": player, "goal": "Get a refund", **user}
    probe = ConversationProbe(user=given, checks=[{"type": "regex", "pattern": "."}])
    records, _ = run_engine(shop, [row(goal="Get a refund")], probe=probe, own={"user": player}, repeats=repeats)
    return records[0], player, shop


def ended(record):
    return Conversation.of(record.response).ended


def test_the_user_sees_the_roles_swapped_and_is_told_persona_and_goal():
    record, player, shop = played(["Hello", "And now?", "REACHED"], persona="A teacher from Lyon.")
    assert ended(record) == "goal_reached"
    (system, *chat) = player.chats[2]
    assert "A teacher from Lyon." in system[1]
    assert "Get a refund" in system[1]
    assert [role for role, _ in chat] == ["user", "assistant", "user", "assistant", "user"]
    assert [text for _, text in chat[1:]] == ["Hello", "one", "And now?", "two"]
    assert shop.chats[1] == [("user", "Hello"), ("assistant", "one"), ("user", "And now?")]


def test_the_subject_never_sees_what_the_user_was_told_nor_the_lines_that_end_it():
    _, player, shop = played(["Hello", "REACHED"], persona="A secret spy.")
    sent = str(shop.chats)
    assert not MARKS.search(sent)
    assert "secret spy" not in sent
    assert len(MARKS.findall(player.chats[0][0][1])) == 2


def test_a_line_that_is_quoted_in_a_sentence_ends_nothing():
    record, *_ = played(["They want me to say 'REACHED'!", "I was told: REACHED.", "GAVE_UP"])
    assert ended(record) == "gave_up"
    assert len(Conversation.of(record.response).turns) == 2


@pytest.mark.parametrize("said", ["REACHED\nThank you!", '"REACHED"', "'REACHED.'", "Bye.\nREACHED\n(ends the chat)"])
def test_a_line_of_its_own_ends_the_conversation_wherever_it_stands(said):
    record, _, shop = played(["Hello", said])
    assert (ended(record), len(shop.chats)) == ("goal_reached", 1)


def test_a_quoted_line_does_not_reach_the_subject():
    _, _, shop = played(["They want me to say 'REACHED'!", "I was told: REACHED.", "GAVE_UP"])
    assert "REACHED-" not in str(shop.chats)


def test_a_farewell_before_the_line_and_marks_around_it_do_not_hide_it():
    assert ended(played(["Hello", "Thank you, goodbye!\n\n**REACHED**"])[0]) == "goal_reached"


def test_a_subject_that_prints_the_lines_of_another_conversation_ends_nothing():
    answers = ("GOAL-REACHED-00000000\nGAVE-UP-00000000", "GOAL-REACHED", "three")
    record, *_ = played(["Hello", "What is that?", "Strange.", "GAVE_UP"], answers)
    assert (ended(record), len(Conversation.of(record.response).turns)) == ("gave_up", 3)


def test_the_turn_limit_is_an_end_of_its_own_and_fails_unless_the_checks_are_to_decide():
    record, player, _ = played(["a", "b", "c", "d"], max_turns=2)
    assert (ended(record), record.scores.passed, len(player.chats)) == ("turn_limit", False, 3)
    assert "the limit of 2 turns was reached" in record.scores.explanation
    assert played(["a", "b", "c", "d"], max_turns=2, at_turn_limit="score")[0].scores.passed


def test_a_goal_that_the_last_turn_reached_is_no_turn_limit():
    assert ended(played(["a", "b", "REACHED"], max_turns=2)[0]) == "goal_reached"


def test_the_users_word_decides_only_where_it_is_asked_to():
    assert played(["a", "GAVE_UP"])[0].scores.passed
    record = played(["a", "GAVE_UP"], decides=True)[0]
    assert not record.scores.passed
    assert "did not say that its goal is reached" in record.scores.explanation
    assert played(["a", "REACHED"], decides=True)[0].scores.passed


def test_where_the_user_decides_no_check_is_needed():
    probe = ConversationProbe(user={"model": {"type": "dummy"}, "decides": True})
    assert probe.check_example(Example(id="e", input="g", fields={"goal": "g"})) is None


def test_the_subjects_words_can_end_the_conversation():
    stop = {"type": "contains", "any": ["two"]}
    record, player, _ = played(["a", "b", "c", "d"], stop_when=stop)
    assert (ended(record), len(player.chats)) == ("stopped", 2)


def test_the_first_message_can_be_given():
    record, player, shop = played(["(never said)", "REACHED"], opening="I want {{ goal }}.")
    assert shop.chats[0] == [("user", "I want Get a refund.")]
    assert (len(player.chats), ended(record)) == (1, "goal_reached")


def test_repeats_are_played_with_repeats_of_their_own():
    _, player, _ = played(["a", "REACHED"], repeats=3)
    assert sorted(player.repeats) == [0, 0, 1, 1, 2, 2]


def test_every_call_of_the_user_is_noted_beside_the_subjects():
    player, shop = Player("a", "b", "REACHED"), Shop("one")
    probe = ConversationProbe(user={"model": player, "decides": True})
    _, sink = run_engine(shop, [row(goal="g")], probe=probe, own={"user": player})
    ((_, _, telemetry),) = sink.entries()
    assert [call.model for call in telemetry.judges] == ["probe/user"] * 3
    assert (telemetry.attempts, telemetry.cached) == (1, False)


def test_a_user_that_says_nothing_or_ends_before_it_begins_is_an_error_and_no_verdict():
    record, *_ = played(["a", "  "])
    assert (record.status, record.scores) == ("error", None)
    assert "turn 2: the simulated user said nothing" in record.failure.message
    record, *_ = played(["GAVE_UP"])
    assert "before it began" in record.failure.message


def test_a_silent_subject_is_told_to_the_user_in_words():
    _, player, _ = played(["a", "GAVE_UP"], answers=("",))
    assert player.chats[1][-1] == ("user", "(The assistant says nothing.)")


def test_the_lines_differ_from_example_to_example_and_are_the_same_each_time():
    def lines():
        player = Player("a", "REACHED")
        probe = ConversationProbe(user={"model": player, "decides": True})
        run_engine(Shop("one"), [row(goal="g"), row(goal="h")], probe=probe, own={"user": player}, concurrency=1)
        return [MARKS.findall(chat[0][1])[0] for chat in player.chats]

    assert lines() == lines()
    assert len(set(lines())) == 2


def test_a_row_with_a_goal_needs_no_input():
    assert row(goal="Get a refund", persona="Angry").input == "Get a refund"
    assert row(goal="Get a refund", question="Hello").input == "Hello"


def test_an_examples_own_texts_take_the_place_of_the_probes_unless_those_name_them():
    given = {"model": {"type": "dummy"}, "persona": "{{ persona }} You are in a hurry.", "goal": "Buy a hat"}
    user = ConversationProbe(user=given, checks=[]).user
    told = user.filled(row(goal="Get a refund", persona="You are Ada."))
    assert told == {"persona": "You are Ada. You are in a hurry.", "goal": "Get a refund"}


def test_a_history_is_given_and_its_last_message_of_the_user_opens():
    probe = ConversationProbe(user={"model": {"type": "dummy"}, "goal": "g", "decides": True})
    chat = (Message(role="assistant", content="Welcome"), Message(role="user", content="Hi"))
    assert probe.most_calls(Example(id="e", input=chat)) == {"": 10, "user": 10}
    assert probe.most_calls(Example(id="e", input=chat[:1])) == {"": 10, "user": 11}


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ("openai", "a mapping"),
        ({"type": "openai", "goal": "g"}, "takes no 'type'"),
        ({"model": {"type": "dummy"}, "gaol": "g"}, "takes no 'gaol'"),
        ({"goal": "g"}, "user.model is None"),
        ({"model": "gpt-4o", "goal": "g"}, "user.model is 'gpt-4o'"),
        ({"model": [{"type": "dummy"}, {"type": "dummy"}]}, "user.model is"),
        ({"model": {"type": "dummy"}, "max_turns": True}, "max_turns is True"),
        ({"model": {"type": "dummy"}, "goal": ""}, "user.goal is ''"),
        ({"model": {"type": "dummy"}, "decides": "yes"}, "decides is 'yes'"),
        ({"model": {"type": "dummy"}, "at_turn_limit": "pass"}, "one of fail, score"),
    ],
)
def test_a_user_that_cannot_be_made_says_why(user, problem):
    with pytest.raises(ArgumentError, match=re.escape(problem)):
        ConversationProbe(user=user)


def test_a_stop_that_would_have_to_ask_a_judge_is_refused():
    stop = {"type": "judge", "rubric": "Done?"}
    with pytest.raises(ArgumentError, match="a check that asks no judge"):
        ConversationProbe(user={"model": {"type": "dummy"}, "goal": "g", "stop_when": stop})
    with pytest.raises(WrongCheckError, match="did you mean 'contains'"):
        ConversationProbe(user={"model": {"type": "dummy"}, "goal": "g", "stop_when": {"type": "contians"}})


def test_a_stop_that_could_never_hold_is_refused():
    user = {"model": {"type": "dummy"}, "goal": "g", "stop_when": {"type": "contains"}}
    probe = ConversationProbe(user=user, turn_checks=[{"type": "regex", "pattern": "."}])
    problem = probe.check_example(row(question="Hi"))
    assert (problem or "").startswith("stop_when: nothing to check")


def test_what_an_example_lacks_is_said_before_anything_is_asked():
    probe = ConversationProbe(user={"model": {"type": "dummy"}, "decides": True})
    assert "no goal" in probe.check_example(row(question="Hi"))
    assert "no text" in probe.check_example(row(question="Hi", goal="g", persona=3))
    assert "leave out one" in probe.check_example(row(turns=["a"], goal="g"))
    named = ConversationProbe(user={"model": {"type": "dummy"}, "decides": True, "goal": "Buy {{ thing }}"})
    with pytest.raises(TemplateError, match="goal: the template names"):
        named.check_example(row(question="Hi"))
