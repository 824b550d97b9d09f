"""Calls of one turn have no order, and only a plain true asks for calls alone."""

import pytest

from insideLLMs.core.types import Example, Message, Response, ToolCall
from insideLLMs.probes.agent import AgentProbe

ORDERED = {"contracts": [{"before": ["find", "refund"]}]}


def scored(fields, *turns, answer="Done.", wanted=()):
    """Score an agent that made the calls of each turn, which are named, and then answered."""
    said = []
    for turn in turns:
        said.append(Message(role="assistant", tool_calls=tuple(map(call, turn))))
        said += [Message(role="tool", content="7") for _ in turn]
    said += [Message(role="assistant", content=answer)] if answer else []
    response = Response(text=answer, trajectory=tuple(said), tool_calls=tuple(map(call, wanted)))
    return AgentProbe().score(Example(id="1", input="x", fields=fields), response)


def call(name):
    return ToolCall(name=name)


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        ([["find"], ["refund"]], ""),
        ([["find", "mail"], ["refund", "find"]], ""),
        ([["find", "refund"]], "step 2: refund was called in the same turn as find, so not after it"),
        ([["refund", "find"]], "step 1: refund was called in the same turn as find, so not after it"),
        ([["find", "refund"], ["refund"]], "step 2: refund was called in the same turn as find"),
        ([["refund"], ["find"], ["refund"]], "step 1: refund was called without find before it"),
        ([["refund"]], "step 1: refund was called without find before it"),
        ([["find"]], ""),
    ],
)
def test_calls_of_one_turn_have_no_order(turns, says):
    scores = scored(ORDERED, *turns)
    assert scores.passed is not bool(says)
    assert says in scores.explanation


@pytest.mark.parametrize(("turns", "wanted", "holds"), [([["find"]], ["refund"], 1.0), ([], ["find", "refund"], 0.0)])
def test_calls_that_are_still_to_be_made_are_a_turn_of_their_own(turns, wanted, holds):
    assert scored(ORDERED, *turns, answer="", wanted=wanted).values["contracts"] == holds


@pytest.mark.parametrize(
    ("given", "passed"), [(True, True), (1, False), ("true", False), ("yes", False), ([True], False)]
)
def test_only_a_plain_true_asks_for_calls_alone(given, passed):
    fields = {"trajectory": ["find"], "tools": [{"name": "find"}], "only_calls": given}
    assert scored(fields, ["find"], answer="").passed is passed
