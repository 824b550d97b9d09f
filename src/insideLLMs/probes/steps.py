"""Tasks with more than one thing to get right: steps one after the other, and answers under constraints."""

import re
from collections.abc import Mapping
from typing import ClassVar

from insideLLMs.core.types import Example, JsonValue, Response, Scores
from insideLLMs.probes.check import CheckProbe
from insideLLMs.probes.code import comes_to
from insideLLMs.probes.exact import shown
from insideLLMs.probes.factuality import mentions
from insideLLMs.probes.instruction_following import InstructionFollowingProbe
from insideLLMs.probes.template import as_text
from insideLLMs.scoring.text import bounded

_STEP = re.compile(
    r"^[ \t>#*_-]{0,8}step\s{0,2}(?P<number>\d{1,3})[*_ \t]{0,4}[:.)-]?[*_ \t]{0,4}", re.IGNORECASE | re.MULTILINE
)
_FORM = "Work step by step. Give the result of each step on a line of its own, as 'Step 1: ...'."


class MultiStepTaskProbe(CheckProbe):
    """Give a task of several steps, each of which has a result that can be checked.

    `steps`, a field, lists the results in order; the last is the task's answer. The answer's lines "Step 1: ..."
    are read, the later one where a step is given twice; unless a template says otherwise, that form is asked for.

    Scores: `correct`, every step right; `steps`, the share that is right; `final`, whether the last is;
    `before_error`, the share of steps before the first wrong one.
    """

    kind = "multi_step_task"
    default_dataset: ClassVar[str] = "data/multi_step_task.jsonl"
    needs_expected: ClassVar[bool] = False
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "steps", "final", "before_error"), (0.0, 1.0)
    )

    def __init__(self, name: str | None = None, *, template: str | None = None) -> None:
        super().__init__(name, "Tasks of several steps.", template or f"{{question}}\n{_FORM}")

    def complaint(self, example: Example) -> str | None:
        """Say that there are no steps."""
        steps = example.fields.get("steps")
        return None if isinstance(steps, list) and steps else "no `steps`, the list of what each step comes to"

    def judge(self, example: Example, answer: str) -> Scores:
        """Compare step by step."""
        wanted: list[JsonValue] = example.fields["steps"]
        given = _steps(answer)
        right = [number in given and comes_to(given[number], value) for number, value in enumerate(wanted, start=1)]
        first_wrong = right.index(False) if False in right else len(right)
        values = {
            "correct": float(all(right)),
            "steps": sum(right) / len(right),
            "final": float(right[-1]),
            "before_error": first_wrong / len(right),
        }
        why = "every step is right"
        if first_wrong < len(right):
            said = shown(given[first_wrong + 1]) if first_wrong + 1 in given else "not given"
            why = f"step {first_wrong + 1} is {said}, expected {shown(wanted[first_wrong])}"
        return Scores(values=values, passed=all(right), label=f"{sum(right)}/{len(right)}", explanation=why)


class ConstraintComplianceProbe(InstructionFollowingProbe):
    """Give a task with a right answer and constraints on its form: is it right, and does it comply, at once?

    The constraints are those of instruction_following. The answer counts as right if it mentions one of the
    expected values.

    Scores: `correct`, right and compliant; `right`; `compliant`, every constraint kept; `strict` and `loose`, the
    shares of constraints kept by the answer as it stands and by its lenient readings.
    """

    default_dataset: ClassVar[str] = "data/constraint_compliance.jsonl"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "right", "compliant", "strict", "loose"), (0.0, 1.0)
    )

    def __init__(self, name: str | None = None, *, constraints: JsonValue = (), template: str | None = None) -> None:
        super().__init__(name or "constraint_compliance", constraints=constraints, template=template)

    def check_example(self, example: Example) -> str | None:
        """Say that nothing is expected, or what else keeps it from being scored."""
        return super().check_example(example) if example.expected else "nothing is expected; give it `expected`"

    def score(self, example: Example, response: Response) -> Scores:
        """Score both."""
        form = super().score(example, response)
        right = any(mentions(response.text, as_text(value)) for value in example.expected)
        compliant = form.passed is True
        values = {
            "correct": float(right and compliant),
            "right": float(right),
            "compliant": float(compliant),
            "strict": form.values["strict"],
            "loose": form.values["loose"],
        }
        wrong = "" if right else f"does not mention {' or '.join(map(shown, example.expected))}; "
        return Scores(
            values=values,
            passed=right and compliant,
            label=("right" if right else "wrong") + (", compliant" if compliant else ", not compliant"),
            explanation=wrong + form.explanation,
            details=form.details,
        )


def _steps(answer: str) -> dict[int, str]:
    text = bounded(answer)
    marks = list(_STEP.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    return {int(mark["number"]): text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
