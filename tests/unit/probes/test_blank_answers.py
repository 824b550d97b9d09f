"""An answer that only looks empty is an empty one: no probe passes it, however little it asks for."""

import pytest

from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Example, Message, Response, ToolCall, Usage
from insideLLMs.plugins import PROBES, probe_registry
from insideLLMs.probes.bias import BiasProbe
from insideLLMs.scoring.normalise import is_blank

BLANK = [
    "",
    " \n\t",
    "\u200b",
    "\u200b\ufeff\u2060",
    "\u00a0",
    "\u3164",
    "\u2800",
    "\u00ad",
    "\x00",
    "\u202e",
    "\u0301",
]
BLANK += ["\ue000", "\ufe0f", "\U000e0041", "\u115f\u1160", "\x1b"]
SEEN = ["a", "\u200ba", ".", "0", "-", "é", "e\u0301", "中", "👍", "👍\ufe0f", "\u0600", "\ufffd"]
CODE = {"code": "print(1)", "entry_point": "f", "cases": [[[1], 1]]}

LENIENT = {
    "agent": ({"trajectory": ["look"]}, {}),
    "attack": ({}, {"triggers": [{"type": "says", "text": "PWNED"}]}),
    "checks": ({"checks": [{"type": "contains", "any": ["x"], "not": True}]}, {}),
    "citations": ({"optional": True}, {"context": ["a source"]}),
    "code_debug": ({}, CODE),
    "code_explanation": ({}, CODE),
    "code_generation": ({}, CODE),
    "constraint_compliance": ({"constraints": [{"type": "words", "max": 9}]}, {}),
    "contains": ({"none": ["x"], "regex": ".*"}, {}),
    "edit_similarity": ({"max_edits": 50}, {}),
    "embedding_similarity": ({"threshold": 0}, {}),
    "equals": ({"normalise": "none"}, {}),
    "f1": ({"threshold": 0}, {}),
    "factuality": ({}, {"unanswerable": True}),
    "instruction_following": ({"constraints": [{"type": "words", "max": 9}, "no_comma"]}, {}),
    "jailbreak": ({}, {"triggers": [{"type": "says", "text": "PWNED"}]}),
    "json_path": ({"values": {"$.a": 1}}, {}),
    "json_schema": ({"schema": True}, {}),
    "logic": ({}, {}),
    "multi_step_task": ({}, {"steps": ["1"]}),
    "numeric": ({"tolerance": 1e9}, {}),
    "prompt_injection": ({}, {"triggers": [{"type": "says", "text": "PWNED"}]}),
    "regex": ({"pattern": r"(?s).*", "full": True}, {}),
    "rouge": ({"threshold": 0}, {}),
    "usage": ({"max_characters": 10, "max_output_tokens": 100}, {}),
}
"""Of each probe that scores an answer by itself: arguments and fields that ask for as little as can be."""
ELSEWHERE = {"bias", "conversation", "function", "judge", "mcp_contract", "record"}
"""Pairs, conversations and judges have tests of their own; a function is the user's; a record passes nothing."""


def test_every_probe_is_tried():
    assert set(PROBES) == LENIENT.keys() | ELSEWHERE


@pytest.mark.parametrize("text", BLANK, ids=ascii)
def test_what_shows_nothing_is_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_what_can_be_seen_is_not_blank(text):
    assert not is_blank(text)


def scored(name, text, **more):
    args, fields = LENIENT[name]
    probe = probe_registry.get(name, **args)
    assert isinstance(probe, PromptProbe)
    example = Example(id="a", input="Q?", expected=(text or "1",) if name == "equals" else ("1",), fields=fields)
    return probe.score(example, Response(text=text, usage=Usage(output_tokens=1), **more))


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u3164\ufeff"], ids=ascii)
@pytest.mark.parametrize("name", LENIENT)
def test_no_probe_passes_a_blank_answer(name, text):
    scores = scored(name, text)
    assert scores.passed is False
    assert scores.values.get("correct", scores.values.get("passed")) == 0


@pytest.mark.parametrize(
    "name", ["attack", "contains", "equals", "instruction_following", "regex", "usage", "citations"]
)
def test_the_same_probes_pass_an_answer_that_says_little(name):
    assert scored(name, "1 ok").passed is True


@pytest.mark.parametrize(
    "check",
    [
        {"type": "equals", "expected": "no"},
        {"type": "regex", "pattern": "no"},
        {"type": "json_schema", "schema": {}},
        {"type": "usage", "max_characters": 0},
        {"type": "instruction_following", "constraints": [{"type": "words", "min": 5}]},
        {"type": "attack"},
        {"type": "checks", "checks": [{"type": "contains", "any": ["no"]}]},
    ],
    ids=lambda check: check["type"],
)
def test_no_check_passes_a_blank_answer_by_being_negated(check):
    probe = probe_registry.get("checks", checks=[{**check, "not": True}])
    example = Example(id="a", input="Q?", fields={"triggers": [{"type": "says", "text": "x"}]})
    assert probe.score(example, Response(text="\u200b")).passed is False


TOLD = (Message(role="user", content="Q?"), Message(role="assistant", content="said"))
LACKING = {
    "no output tokens": ({"type": "usage", "max_output_tokens": 0}, Response(text="said")),
    "no input tokens": ({"type": "usage", "max_input_tokens": 0}, Response(text="said", usage=Usage(output_tokens=1))),
    "no trajectory": ({"type": "agent", "contracts": [{"must_call": "look"}]}, Response(text="said")),
    "no tokens of an agent": (
        {"type": "agent", "contracts": [{"max_tokens": 0}]},
        Response(text="said", trajectory=TOLD, usage=Usage(output_tokens=1)),
    ),
    "no part with sources": ({"type": "citations", "context": "pages"}, Response(text='said "all of it is free"')),
    "empty sources": ({"type": "citations", "context": "pages"}, Response(text="said [1]", kept={"pages": []})),
    "no part for a function": (
        {"type": "function", "function": lambda *_: False, "of": "route"},
        Response(text="said"),
    ),
    "no part for a text": ({"type": "contains", "any": ["x"], "of": "route"}, Response(text="said")),
}
"""Checks that do not hold because what they look at is not there."""


@pytest.mark.parametrize("wrap", ["alone", "in a group", "negated in a negated group", "any"])
@pytest.mark.parametrize("case", LACKING)
def test_what_is_not_there_passes_no_negated_check(case, wrap):
    check, response = LACKING[case]
    negated = {
        "alone": {**check, "not": True},
        "in a group": {"type": "checks", "checks": [check], "not": True},
        "negated in a negated group": {"type": "checks", "checks": [{**check, "not": True}], "not": True},
        "any": {"type": "checks", "checks": [check, {"type": "contains", "any": ["x"]}], "require": "any", "not": True},
    }[wrap]
    probe = probe_registry.get("checks", checks=[negated])
    assert probe.score(Example(id="a", input="Q?"), response).passed is False


def test_a_check_that_is_only_shown_keeps_no_negated_group_from_passing():
    shown = {"type": "usage", "max_output_tokens": 0, "weight": 0}
    group = {"type": "checks", "checks": [shown, {"type": "contains", "any": ["x"]}], "not": True}
    probe = probe_registry.get("checks", checks=[group])
    assert probe.score(Example(id="a", input="Q?"), Response(text="said")).passed is True


@pytest.mark.parametrize(
    ("check", "response"),
    [
        ({"type": "usage", "max_output_tokens": 0}, Response(text="said", usage=Usage(output_tokens=1))),
        ({"type": "agent", "contracts": [{"must_call": "look"}]}, Response(text="said", trajectory=TOLD)),
        ({"type": "citations", "context": "pages"}, Response(text="said [2]", kept={"pages": ["one"]})),
        ({"type": "function", "function": lambda *_: False, "of": "route"}, Response(text="said", kept={"route": "a"})),
    ],
    ids=lambda one: one["type"] if isinstance(one, dict) else "",
)
def test_what_is_there_and_does_not_hold_passes_a_negated_check(check, response):
    probe = probe_registry.get("checks", checks=[{**check, "not": True}])
    assert probe.score(Example(id="a", input="Q?"), response).passed is True


def test_a_line_that_shows_nothing_is_no_loose_reading():
    probe = probe_registry.get("instruction_following", constraints=[{"type": "words", "max": 1}])
    scores = probe.score(Example(id="a", input="Q?"), Response(text="far too many words\n\u200b"))
    assert scores.values["loose"] == 0


def test_a_call_of_a_tool_is_an_answer_within_limits():
    call = ToolCall(id="1", name="look", arguments={})
    assert scored("usage", "", tool_calls=(call,)).passed is True
    assert "the answer is empty" in scored("usage", "").explanation


def test_an_attack_that_gets_nothing_is_refused_only_where_the_provider_says_so():
    assert scored("attack", "").explanation == "the answer is empty"
    kept_back = scored("attack", "", finish_reason="content_filter")
    assert (kept_back.passed, kept_back.label) == (True, "refused")


def test_two_unread_answers_are_not_the_same_however_wide_the_tolerance():
    example = Example(id="a", input="Is {person} fit?", fields={"a": "Ann", "b": "Bob"})
    scores = BiasProbe(tolerance=5).score_output(example, {"a": "\u200b", "b": ""})
    assert (scores.passed, scores.label) == (False, "unread")


def test_an_agent_that_ends_with_nothing_to_see_has_not_answered():
    call = ToolCall(id="1", name="look", arguments={})
    turns = (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="found", tool_call_id="1"),
        Message(role="assistant", content="\u200b"),
    )
    scores = scored("agent", "\u200b", trajectory=turns)
    assert (scores.passed, scores.values["answered"]) == (False, 0)
