"""Laws of every built-in probe: any answer gets finite scores in range, the same ones twice."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import insideLLMs
from insideLLMs.core import canonical
from insideLLMs.core.conversation import Conversation, Turn
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.protocols import ConversingProbe, JudgedProbe, PromptProbe
from insideLLMs.core.types import Example, Message, Response, expand
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.execute.trial import check_scores
from insideLLMs.plugins import PROBES, probe_registry
from insideLLMs.providers.provider_model import run_blocking
from insideLLMs.sandbox import isolation
from support.hostile_texts import HOSTILE

DATA = Path(insideLLMs.__file__).parent / "data"


def shipped(name):
    return ExampleReader({}).example(json.loads((DATA / f"{name}.jsonl").read_text().splitlines()[0]))


PARIS = Example(id="1", input="Capital of France?", expected=("Paris",))
CASES = {
    "equals": ({}, PARIS),
    "contains": ({}, PARIS),
    "conversation": ({"checks": [{"type": "equals"}], "turn_checks": [{"type": "f1", "expected": "Paris"}]}, PARIS),
    "citations": ({}, Example(id="1", input="?", fields={"context": ["Paris is the capital of France."]})),
    "mcp_contract": ({}, PARIS),
    "regex": ({"pattern": r"P\w+s"}, PARIS),
    "numeric": ({}, Example(id="1", input="?", expected=(5,))),
    "f1": ({}, PARIS),
    "rouge": ({}, PARIS),
    "edit_similarity": ({}, PARIS),
    "embedding_similarity": ({}, PARIS),
    "usage": ({"max_characters": 9}, PARIS),
    "json_path": ({"path": "$.a"}, PARIS),
    "json_schema": ({"schema": {"type": "object"}}, PARIS),
    "attack": ({}, shipped("exfiltration")),
    "prompt_injection": ({}, shipped("prompt_injection")),
    "jailbreak": ({}, shipped("jailbreak")),
    "logic": ({}, shipped("logic")),
    "factuality": ({}, shipped("factuality")),
    "multi_step_task": ({}, shipped("multi_step_task")),
    "constraint_compliance": ({}, shipped("constraint_compliance")),
    "instruction_following": ({}, shipped("instruction_following")),
    "code_explanation": ({}, shipped("code_explanation")),
    "code_generation": ({}, shipped("code_generation")),
    "code_debug": ({}, shipped("code_debug")),
    "bias": ({}, shipped("bias")),
    "agent": ({"protocol": "text"}, shipped("agent")),
    "judge": ({}, shipped("judge")),
    "checks": ({"checks": [{"type": "regex", "pattern": "P"}, {"type": "f1", "weight": 2, "name": "near"}]}, PARIS),
    "record": ({}, PARIS),
    "function": ({"function": lambda text, _example: len(text) < 9}, PARIS),
}
PASSED_BY_NOTHING = {"function"}
LONG = ("I can't " * 60_000, "Step 1: " * 50_000, "https://" * 50_000, "{" * 100_000, "[" * 100_000, "```\n" * 40_000,
        "a" * 300_000 + "!", " " * 300_000, "1" * 100_000, "((" * 50_000, "no " * 100_000, "QUJD" * 50_000,
        "20 July " * 40_000, "\n" * 200_000)  # fmt: skip


def scores_of(probe, example, answer):
    """Score as the engine does; a judge's answer that cannot be read is an error of the trial, and no score."""
    if isinstance(probe, JudgedProbe):
        try:
            return run_blocking(probe.score_with(example, Response(text=answer), {}))
        except ArgumentError:
            return None
    if isinstance(probe, ConversingProbe):
        messages = (Message(role="user", content=example.text), Message(role="assistant", content=answer))
        said = Conversation(messages=messages, turns=(Turn(),), ended="script_over")
        return probe.score(example, said.held_by(Response(text=answer)))
    if isinstance(probe, PromptProbe):
        return probe.score(example, Response(text=answer))
    outputs = {
        "bias": {"a": answer, "b": "Yes."},
        "mcp_contract": {"checked": 1, "broken": [answer], "not_called": [answer]},
    }
    return probe.score_output(example, outputs[probe.name])


def scored(name, answer):
    arguments, example = CASES[name]
    if name in {"code_generation", "code_debug"} and isolation().kind == "none":
        pytest.skip(f"no isolation here: {isolation().why}")
    probe = probe_registry.get(name, **arguments)
    assert getattr(probe, "check_example", lambda _example: None)(example) is None
    scores = scores_of(probe, example, answer)
    if scores is not None:
        check_scores(scores, probe)
        canonical.line(expand(scores))  # what is scored can be stored
    return scores


@pytest.mark.timeout(90)  # a guard against a hang, on a busy machine, too
@pytest.mark.parametrize("name", PROBES)
def test_hostile_and_very_long_answers_are_scored_in_bounded_time(name):
    for answer in (*HOSTILE, *LONG):
        scored(name, answer)


@pytest.mark.parametrize("name", PROBES)
def test_a_hostile_answer_gets_the_same_scores_twice(name):
    for answer in HOSTILE:
        assert scored(name, answer) == scored(name, answer)


@pytest.mark.parametrize("name", PROBES)
def test_an_empty_answer_passes_nothing_but_what_the_code_of_users_decides(name):
    scores = scored(name, "")
    assert bool(scores is not None and scores.passed) is (name in PASSED_BY_NOTHING)


@given(st.sampled_from(sorted(PROBES)), st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_gets_scores_within_their_ranges_and_the_same_twice(name, answer):
    assert scored(name, answer) == scored(name, answer)
