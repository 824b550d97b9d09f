"""Tasks of several steps, each with a result that can be checked."""

import re
from collections.abc import Mapping
from typing import ClassVar

from insideLLMs.core.types import Example, JsonValue, Scores
from insideLLMs.probes.check import CheckProbe
from insideLLMs.probes.code import comes_to
from insideLLMs.probes.exact import shown
from insideLLMs.scoring.normalise import bounded

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
    version = "2"
    default_dataset: ClassVar[str] = "data/multi_step_task.jsonl"
    needs_expected: ClassVar[bool] = False
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "steps", "final", "before_error"), (0.0, 1.0)
    )

    def __init__(self, name: str | None = None, *, template: JsonValue = None) -> None:
        super().__init__(name, "Tasks of several steps.", template or f"{{{{ question }}}}\n{_FORM}")

    def complaint(self, example: Example) -> str | None:
        """Say that there are no steps."""
        steps = example.fields.get("steps")
        return None if isinstance(steps, list) and steps else "no `steps`, the list of what each step comes to"

    def check(self, example: Example, answer: str) -> Scores:
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


def _steps(answer: str) -> dict[int, str]:
    text = bounded(answer)
    marks = list(_STEP.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
    return {int(mark["number"]): text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}
