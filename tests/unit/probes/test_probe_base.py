"""Base classes of the earlier system: ScoredProbe, ComparativeProbe, and the scores of a whole run."""

from typing import Any

import pytest

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.protocols import Model
from insideLLMs.core.types import Example, Scores
from insideLLMs.probes.base import ComparativeProbe, Probe, ProbeScore, ScoredProbe, as_scores


class Echo(Model):
    def generate(self, prompt: str, **kwargs: Any) -> str:
        return f"echo {prompt}"


class Exact(ScoredProbe):
    def evaluate_single(self, model_output: Any, reference: Any, input_data: Any) -> dict[str, Any]:
        return {"is_correct": model_output == reference, "length": len(model_output), "asked": input_data}


def test_a_scored_probe_asks_the_input_and_scores_through_evaluate_single() -> None:
    probe = Exact("exact")
    assert probe.run(Echo("e"), "hi") == "echo hi"
    assert probe.run(Echo("e"), {"question": "hi", "topic": "x"}) == "echo hi"
    scores = probe.score_output(Example(id="1", input="hi", expected=("echo hi", "x")), "echo hi")
    assert scores == Scores(
        values={"correct": 1.0, "length": 7.0}, passed=True, explanation="", details={"asked": "hi"}
    )


def test_input_data_is_a_mapping_where_the_example_has_fields() -> None:
    scores = Exact("exact").score_output(Example(id="1", input="hi", fields={"topic": "x"}), "no")
    assert scores is not None
    assert scores.details == {"asked": {"input": "hi", "topic": "x"}}
    assert scores.passed is False


@pytest.mark.parametrize(
    ("verdict", "values", "passed"),
    [
        (True, {"correct": 1.0}, True),
        (0.25, {"score": 0.25}, None),
        ({"correct": False}, {"correct": 0.0}, False),
        ({"correct": 0.5}, {"correct": 0.5}, None),
        ({"score": 1, "is_correct": True}, {"score": 1.0, "correct": 1.0}, True),
        (Scores.of(passed=True), {"correct": 1.0}, True),
    ],
)
def test_a_verdict_becomes_scores(verdict: object, values: dict[str, float], passed: bool | None) -> None:
    scores = as_scores(verdict, probe="p")
    assert (scores.values, scores.passed) == (values, passed)


@pytest.mark.parametrize(
    "verdict", [{}, None, "good", {"note": "x"}, {"score": float("nan")}, float("inf"), {"is_correct": "yes"}, []]
)
def test_a_verdict_without_a_finite_score_is_refused(verdict: object) -> None:
    with pytest.raises(InsideLLMsError, match="p: evaluate_single returned"):
        as_scores(verdict, probe="p")


def test_label_and_reason_keep_their_meaning() -> None:
    scores = as_scores({"score": 1, "label": 5, "reason": "fits"}, probe="p")
    assert (scores.label, scores.explanation, scores.details) == ("5", "fits", {})


def test_a_comparative_probe_asks_both_variants() -> None:
    result = ComparativeProbe("bias").run(Echo("e"), {"input_a": "he", "input_b": "she"})
    assert result["comparison"] == {"length_diff": -1, "response_identical": False}
    assert ComparativeProbe("bias").run(Echo("e"), ["a", "a"])["comparison"]["response_identical"] is True
    with pytest.raises(InsideLLMsError, match="not a pair"):
        ComparativeProbe("bias").run(Echo("e"), "one")


def test_accuracy_counts_errors_in_its_denominator() -> None:
    results = [
        {"status": "success", "scores": {"correct": 1.0}, "latency_ms": 10.0},
        {"status": "success", "scores": {"correct": 0.0}, "latency_ms": 30.0},
        {"status": "timeout", "scores": None},
        {"status": "success", "metadata": {"is_correct": True}},
    ]
    assert Probe("p").score(results) == ProbeScore(accuracy=0.5, mean_latency_ms=20.0, error_rate=0.25)


def test_without_a_score_there_is_no_accuracy() -> None:
    assert Probe("p").score([{"status": "success"}]) == ProbeScore(accuracy=None)
    assert Probe("p").score([]) == ProbeScore()
