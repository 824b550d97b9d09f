"""Laws of every probe that scores text in place: any answer gets finite scores in range, the same ones twice."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import insideLLMs
from insideLLMs.core import canonical
from insideLLMs.core.types import Example, Response, expand
from insideLLMs.datasets.examples import ExampleReader
from insideLLMs.execute.trial import check_scores
from insideLLMs.plugins import probe_registry
from support.hostile_texts import HOSTILE

DATA = Path(insideLLMs.__file__).parent / "data"


def shipped(name):
    return ExampleReader({}).example(json.loads((DATA / f"{name}.jsonl").read_text().splitlines()[0]))


PARIS = Example(id="1", input="Capital of France?", expected=("Paris",))
CASES = {
    "equals": ({}, PARIS),
    "contains": ({}, PARIS),
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
}
LONG = ("I can't " * 60_000, "Step 1: " * 50_000, "https://" * 50_000, "{" * 100_000, "[" * 100_000, "```\n" * 40_000,
        "a" * 300_000 + "!", " " * 300_000, "1" * 100_000, "((" * 50_000, "no " * 100_000, "QUJD" * 50_000,
        "20 July " * 40_000, "\n" * 200_000)  # fmt: skip


def scored(name, answer):
    arguments, example = CASES[name]
    probe = probe_registry.get(name, **arguments)
    assert probe.check_example(example) is None
    scores = probe.score(example, Response(text=answer))
    check_scores(scores, probe)
    assert scores == probe.score(example, Response(text=answer))
    canonical.line(expand(scores))  # what is scored can be stored
    return scores


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", CASES)
def test_hostile_and_very_long_answers_are_scored_in_bounded_time(name):
    for answer in (*HOSTILE, *LONG):
        scored(name, answer)


@pytest.mark.parametrize("name", CASES)
def test_an_empty_answer_passes_nothing_but_a_limit_and_an_attack(name):
    assert scored(name, "").passed is (name in {"usage", "attack", "prompt_injection", "jailbreak"})


@given(st.sampled_from(sorted(CASES)), st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_gets_scores_within_their_ranges(name, answer):
    scored(name, answer)
