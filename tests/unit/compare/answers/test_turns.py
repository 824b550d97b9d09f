"""Conversations are compared by all that was said, and a change says at which turn two of them part."""

import pytest

from insideLLMs.compare.answers.turns import turn_changes
from insideLLMs.compare.classify import classify
from insideLLMs.core import canonical
from insideLLMs.core.conversation import Conversation, Turn
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.types import Message, Response, Usage
from support.compared_runs import record


def held(*pairs, ended="script_over", tokens=5, kept=None):
    messages = [
        Message(role=role, content=text)
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    turns = tuple(Turn(usage=Usage(output_tokens=tokens), kept=(kept or {}).get(at, {})) for at in range(len(pairs)))
    said = Conversation(messages=tuple(messages), turns=turns, ended=ended)
    return said.held_by(Response(text=pairs[-1][1], finish_reason="stop"))


BASE = [("Hi", "Hello"), ("Who am I?", "Ada"), ("Bye", "Goodbye")]


def found(before, after):
    ours, theirs = (read_record(canonical.line(record(response=one)), Facts) for one in (before, after))
    return classify(ours, theirs, 1e-9)


def test_an_earlier_answer_counts_though_the_last_is_the_same():
    after = held(BASE[0], ("Who am I?", "Bob"), BASE[2])
    assert found(held(*BASE), after).kind.value == "changed"
    assert turn_changes(held(*BASE), after) == ("they differ from turn 2 on: another answer",)


def test_what_the_user_says_counts():
    after = held(BASE[0], ("And me?", "Ada"), BASE[2])
    assert found(held(*BASE), after).kind.value == "changed"
    assert turn_changes(held(*BASE), after) == ("they differ from turn 2 on: the user says something else",)


def test_a_part_that_the_application_kept_at_a_turn_counts():
    before, after = (held(*BASE, kept={1: {"sources": [page]}}) for page in ("a", "b"))
    assert found(before, after).difference.note == "turns changed; the text is the same"
    assert turn_changes(before, after) == ("they differ from turn 2 on: another answer",)


def test_tokens_of_the_turns_do_not_count():
    assert found(held(*BASE), held(*BASE, tokens=9)).kind.value == "unchanged"
    assert turn_changes(held(*BASE), held(*BASE, tokens=9)) == ()


@pytest.mark.parametrize(("sides", "owner"), [((3, 2), "baseline"), ((2, 3), "candidate")])
def test_one_that_goes_on_longer_parts_there(sides, owner):
    before, after = (held(*BASE[:turns], ended=f"end {turns}") for turns in sides)
    assert turn_changes(before, after) == (
        f"they differ from turn 3 on, which only the {owner} has", f"ended by end {sides[1]}, was end {sides[0]}",
    )  # fmt: skip


def test_an_answer_that_is_no_conversation_parts_nowhere():
    assert turn_changes(Response(text="a"), held(*BASE)) == ()
