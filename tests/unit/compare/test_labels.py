"""Two answers count as the same at a level exactly where that level does not tell them apart."""

import pytest

from insideLLMs.compare.answers.levels import LEVELS, label_of
from insideLLMs.core import canonical
from insideLLMs.core.record_views import Facts, read_record
from insideLLMs.core.types import Response, ToolCall
from support.compared_runs import record


def label(level, **given):
    return label_of(read_record(canonical.line(record(**given)), Facts), level)


@pytest.mark.parametrize(
    ("one", "other", "equal_at"),
    [
        ({"text": "a  b"}, {"text": "a b "}, {"verdict", "structured", "normalised"}),
        ({"text": '{"a": 1, "b": 2}'}, {"text": '{"b":2.0,"a":1}'}, {"verdict", "structured"}),
        ({"text": "a"}, {"text": "b"}, {"verdict"}),
        ({"text": "a", "passed": True}, {"text": "a", "passed": False}, {"structured", "normalised", "exact"}),
        ({"label": "x"}, {"label": "y"}, {"structured", "normalised", "exact"}),
        ({"finish_reason": "stop"}, {"finish_reason": "length"}, {"verdict"}),
        ({"values": {"f1": 0.5}}, {"values": {"f1": 0.6}}, {"structured", "normalised", "exact"}),
        ({"text": "[123456789012345678901234567890]"}, {"text": "[1]"}, {"verdict"}),
    ],
)
def test_a_level_tells_apart_what_lies_above_and_at_it(one, other, equal_at):
    assert {level for level in LEVELS if label(level, **one) == label(level, **other)} == equal_at


def test_ids_of_tool_calls_do_not_count_and_their_arguments_do():
    calls = [
        Response(tool_calls=(ToolCall(name="f", arguments={"x": x}, id=name),))
        for x, name in ((1, "a"), (1, "b"), (2, "a"))
    ]
    first, same, other = (label("normalised", response=response) for response in calls)
    assert first == same != other


def test_an_unanswered_trial_has_no_label():
    assert label("exact", status="timeout") is None
