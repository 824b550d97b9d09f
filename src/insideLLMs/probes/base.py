"""Base classes for probes of one's own that users of the earlier system know: ScoredProbe, ComparativeProbe."""

import math
from collections.abc import Mapping
from typing import Any

from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.protocols import Probe, ProbeScore, PromptProbe
from insideLLMs.core.thoughts import answer_of
from insideLLMs.core.types import Example, JsonValue, Scores

__all__ = ["ComparativeProbe", "Probe", "ProbeScore", "PromptProbe", "ScoredProbe", "as_scores", "asked_text"]


def asked_text(data: Any) -> str | None:
    """Return the text that a simple-contract probe is given to ask; None where a mapping has none."""
    if not isinstance(data, Mapping):
        return data if isinstance(data, str) else None
    found = next((data[key] for key in ("prompt", "question", "input") if key in data), None)
    return found if isinstance(found, str) else None


class ScoredProbe(Probe):
    """A probe that compares each answer with a reference: override `evaluate_single`.

    `run` asks the model for the input as it stands, unless overridden.
    """

    def run(self, model: Any, data: Any, **kwargs: Any) -> Any:
        """Ask `model`; of a mapping, its prompt, question, input or messages."""
        if not isinstance(data, Mapping):
            return model.generate(str(data), **kwargs)
        if "messages" in data:
            return model.chat(list(data["messages"]), **kwargs)
        prompt = next((data[key] for key in ("prompt", "question", "input") if key in data), None)
        if prompt is None:
            raise InsideLLMsError(
                f"{self.name}: the input has {', '.join(map(str, data))}, but no prompt, question, input or messages",
                fix=f"give it one of them, or override {type(self).__name__}.run()",
            )
        return model.generate(prompt, **kwargs) if isinstance(prompt, str) else model.chat(list(prompt), **kwargs)

    def evaluate_single(self, model_output: Any, reference: Any, input_data: Any) -> Mapping[str, Any]:
        """Judge one output; what is returned becomes Scores as `as_scores` says."""
        del model_output, reference, input_data  # named for those who override
        raise TypeError(f"{type(self).__name__} must define evaluate_single(model_output, reference, input_data)")

    def score_output(self, example: Example, output: Any) -> Scores | None:
        """Score an output through `evaluate_single`, against the first expected answer (None where there is none).

        `input_data` is the input's text, or a mapping of `input` and all fields where the example has fields.
        """
        reference = example.expected[0] if example.expected else None
        data: JsonValue = {"input": example.text, **example.fields} if example.fields else example.text
        return as_scores(self.evaluate_single(output, reference, data), probe=self.name)


class ComparativeProbe(Probe):
    """A probe that asks two variants of an input and compares the answers: override `compare_responses`.

    Its input is a mapping with `input_a` and `input_b`, or a pair.
    """

    def run(self, model: Any, data: Any, **kwargs: Any) -> Any:
        """Ask both variants and return what `run_comparison` returns."""
        if isinstance(data, Mapping) and "input_a" in data and "input_b" in data:
            return self.run_comparison(model, data["input_a"], data["input_b"], **kwargs)
        if isinstance(data, list | tuple) and len(data) == 2:
            return self.run_comparison(model, data[0], data[1], **kwargs)
        raise InsideLLMsError(
            f"{self.name}: the input is not a pair", fix="give each example `input_a` and `input_b`, or override run()"
        )

    def run_comparison(self, model: Any, input_a: Any, input_b: Any, **kwargs: Any) -> dict[str, Any]:
        """Ask both and return inputs, responses and the comparison."""
        response_a = answer_of(model.generate(input_a, **kwargs), model)
        response_b = answer_of(model.generate(input_b, **kwargs), model)
        return {
            "input_a": input_a,
            "input_b": input_b,
            "response_a": response_a,
            "response_b": response_b,
            "comparison": self.compare_responses(response_a, response_b, input_a, input_b),
        }

    def compare_responses(self, response_a: str, response_b: str, input_a: Any, input_b: Any) -> dict[str, Any]:
        """Compare two answers; by default their lengths and whether they are the same."""
        del input_a, input_b  # here for those who override
        return {"length_diff": len(response_a) - len(response_b), "response_identical": response_a == response_b}


def as_scores(verdict: object, *, probe: str) -> Scores:
    """Turn what `evaluate_single` returned into Scores.

    A bool is `correct`, a number `score`. Of a mapping: `is_correct` or `correct` (a bool, or a number from 0
    to 1) becomes `correct`, and a bool is the verdict `passed`; every other number or bool is a score under its
    name; `label` and `explanation` (or `reason`) keep their meaning; the rest are details. Raises
    InsideLLMsError for a number that is not finite, and for a mapping which contains no score.
    """
    if isinstance(verdict, Scores):
        return verdict
    if isinstance(verdict, bool):
        return Scores.of(verdict)
    if isinstance(verdict, int | float):
        return Scores(values={"score": _finite(verdict, "score", probe)})
    if not isinstance(verdict, Mapping):
        raise _nothing_scored(probe, type(verdict).__name__)
    rest = dict(verdict)
    values: dict[str, float] = {}
    correct = rest.pop("is_correct", rest.pop("correct", None))
    rest.pop("correct", None)
    if correct is not None:
        values["correct"] = _finite(correct, "correct", probe)
    label, reason = rest.pop("label", None), rest.pop("reason", "")
    explanation = str(rest.pop("explanation", reason))
    numbers = [name for name, value in rest.items() if isinstance(value, int | float)]
    values.update({str(name): _finite(rest.pop(name), str(name), probe) for name in numbers})
    if not values:
        raise _nothing_scored(probe, f"the keys {', '.join(map(str, verdict)) or '(none)'}")
    return Scores(
        values=values,
        passed=correct if isinstance(correct, bool) else None,
        label=None if label is None else str(label),
        explanation=explanation,
        details={str(name): value for name, value in rest.items()},
    )


def _finite(value: object, name: str, probe: str) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise InsideLLMsError(
            f"{probe}: evaluate_single returned {name} = {value!r}; scores must be finite numbers",
            fix="return a bool or a finite number, or leave the key out",
        )
    return float(value)


def _nothing_scored(probe: str, returned: str) -> InsideLLMsError:
    return InsideLLMsError(
        f"{probe}: evaluate_single returned {returned}, which contains no score",
        fix='return a mapping such as {"is_correct": True, "score": 0.8}',
    )
