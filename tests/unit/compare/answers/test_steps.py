"""Two trajectories beside each other: which step is which, and what is said of each change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.compare.answers.steps import align_steps, step_changes
from insideLLMs.core.types import Message, Response, ToolCall


def did(*calls):
    turns = []
    for number, (name, arguments, gave) in enumerate(calls):
        call = ToolCall(name=name, arguments=arguments, id=f"{name}-{number}")
        turns += [
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content=gave, tool_call_id=call.id),
        ]
    return Response(text="Done.", trajectory=(*turns, Message(role="assistant", content="Done.")))


def call(name, gave="ok", **arguments):
    return name, arguments, gave


LOOKUP, REFUND, MAIL = call("lookup", order=7), call("refund", order=7, amount=20), call("mail")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([LOOKUP, REFUND], [LOOKUP, REFUND], ()),
        ([LOOKUP, REFUND], [LOOKUP, REFUND, REFUND], ("called `refund` twice, was once",)),
        ([REFUND] * 2, [REFUND] * 4, ("called `refund` 4 times, was twice",)),
        ([LOOKUP, REFUND], [REFUND], ("no longer calls `lookup`",)),
        ([LOOKUP], [LOOKUP, MAIL], ("now calls `mail` (step 2)",)),
        ([LOOKUP], [MAIL, LOOKUP, MAIL], ("now calls `mail` twice (step 1)",)),
        (
            [LOOKUP, REFUND],
            [LOOKUP, call("refund", order=7, amount=200)],
            ("step 2, `refund`: argument `amount` 20 -> 200",),
        ),
        (
            [call("mail", to="a", cc="x")],
            [call("mail", to="b", bcc={"y": [1]})],
            (
                'step 1, `mail`: argument `bcc` not set -> {"y":[1]}',
                'step 1, `mail`: argument `cc` "x" -> not set',
                'step 1, `mail`: argument `to` "a" -> "b"',
            ),
        ),
        ([LOOKUP, REFUND], [REFUND, LOOKUP], ("`lookup` moved from step 1 to step 2",)),
        ([LOOKUP], [call("lookup", gave="new", order=7)], ("step 1: `lookup` gave something else",)),
        ([], [LOOKUP], ("now calls `lookup` (step 1)",)),
        ([LOOKUP], [], ("no longer calls `lookup`",)),
    ],
)
def test_a_change_of_steps_is_told(before, after, told):
    assert step_changes(did(*before), did(*after)) == told


def test_calls_without_a_trajectory_are_steps_too():
    one, other = (Response(tool_calls=(ToolCall(name="f", arguments={"x": x}),)) for x in (1, 2))
    assert step_changes(one, other) == ("step 1, `f`: argument `x` 1 -> 2",)


def test_a_name_with_line_ends_forges_no_line():
    told = step_changes(did(), did(call("mail`\nno longer calls `lookup")))
    assert told == ("now calls `mail` no longer calls `lookup` (step 1)",)


def test_many_changes_are_cut_and_counted():
    told = step_changes(did(*[call(f"a{n}") for n in range(30)]), did())
    assert (len(told), told[-1]) == (21, "and 10 more")


CALLS = st.lists(st.builds(call, st.sampled_from("abc"), x=st.integers(0, 1)), max_size=6)


@given(CALLS, CALLS)
def test_every_step_is_paired_once_and_in_order_and_equal_ones_say_nothing(before, after):
    ours, theirs = (
        [one.tool_calls[0] for one in did(*calls).trajectory if one.tool_calls] for calls in (before, after)
    )
    pairs = align_steps(ours, theirs)
    assert [pair.baseline for pair in pairs if pair.baseline is not None] == list(range(len(ours)))
    assert [pair.candidate for pair in pairs if pair.candidate is not None] == list(range(len(theirs)))
    same = [(one.name, one.arguments) for one in ours] == [(one.name, one.arguments) for one in theirs]
    assert (step_changes(did(*before), did(*after)) == ()) is same


@pytest.mark.parametrize(
    ("before", "after", "pairs"),
    [
        ("ab", "b", [(0, None), (1, 0)]),
        ("b", "ab", [(None, 0), (0, 1)]),
        ("ab", "c", [(0, 0), (1, None)]),
    ],
)
def test_of_calls_of_one_tool_the_equal_one_is_the_same(before, after, pairs):
    ours, theirs = ([ToolCall(name="search", arguments={"query": word}) for word in side] for side in (before, after))
    assert list(align_steps(ours, theirs)) == pairs
