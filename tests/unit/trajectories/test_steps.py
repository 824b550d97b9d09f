"""steps_of: each result goes to the call that it belongs to."""

import pytest

from insideLLMs.core.types import Message, Response, ToolCall
from insideLLMs.trajectories.steps import steps_of


def results(calls, *given):
    """Return the result of each call, given as (id, name), for results given as (id, text)."""
    made = Message(
        role="assistant", tool_calls=tuple(ToolCall(name=name, arguments={}, id=call) for call, name in calls)
    )
    told = (Message(role="tool", content=text, tool_call_id=call) for call, text in given)
    return [step.result for step in steps_of(Response(trajectory=(made, *told)))]


@pytest.mark.parametrize(
    ("calls", "given", "expected"),
    [
        ([("a", "find"), ("b", "pay")], [("b", "2"), ("a", "1")], ["1", "2"]),
        ([(None, "find"), (None, "pay")], [("pay", "2"), ("find", "1")], ["1", "2"]),
        ([("a", "find"), ("b", "pay")], [(None, "1"), (None, "2")], ["1", "2"]),
        ([("a", "find")], [("unknown", "1")], ["1"]),
        ([("a", "find"), ("b", "pay")], [("unknown", "1")], [None, None]),
        ([("a", "find")], [("a", "1"), ("a", "2")], ["1"]),
    ],
    ids=["by id", "by tool", "in order", "the only call", "of an unknown call", "more results than calls"],
)
def test_a_result_goes_to_the_call_that_it_belongs_to(calls, given, expected):
    assert results(calls, *given) == expected


@pytest.mark.timeout(30)
@pytest.mark.parametrize("named", [True, False])
def test_very_many_results_of_one_turn_are_given_to_their_calls(named):
    most = 50_000
    calls = tuple(ToolCall(name="f", arguments={}, id=str(number)) for number in range(most))
    order = range(most - 1, -1, -1) if named else range(most)
    results = (Message(role="tool", content=str(n), tool_call_id=str(n) if named else None) for n in order)
    trajectory = (Message(role="assistant", content="", tool_calls=calls), *results)
    steps = steps_of(Response(text="", trajectory=trajectory))
    assert [step.result for step in steps] == [str(number) for number in range(most)]
