"""Instructions that a program can verify, alone or beside a right answer: length, format, keywords, case."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from insideLLMs.core.arguments import refuse
from insideLLMs.core.chat_template import prompt_template
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import Example, JsonValue, Request, Response, Scores, as_text
from insideLLMs.probes.exact import shown
from insideLLMs.scoring.constraints import Constraint, check_constraints, parse_constraint
from insideLLMs.scoring.mentions import claims


class InstructionFollowingProbe(PromptProbe):
    """Check an answer against constraints: the probe's, for every example, and the example's own `constraints`.

    A constraint is ``{"type": "words", "max": 50}`` or a bare name such as ``no_comma``. The families follow
    IFEval (arXiv 2311.07911); `repeat_prompt` without a `prompt` means the example's own.

    Scores: `strict` and `loose`, the shares of constraints satisfied by the answer as it stands, and by a reading
    without its first line, its last line or its asterisks; `passed` is 1 if every one is kept strictly.
    """

    version: ClassVar[str] = "3"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {"passed": (0, 1), "strict": (0, 1), "loose": (0, 1)}
    scores_in_place: ClassVar[bool] = True
    default_dataset: ClassVar[str] = "data/instruction_following.jsonl"

    def __init__(self, name: str | None = None, *, constraints: JsonValue = (), template: JsonValue = None) -> None:
        super().__init__(
            name or "instruction_following", "instruction_following", "Instructions that a program can verify."
        )
        if isinstance(constraints, str) or not isinstance(constraints, Sequence):
            raise refuse("instruction_following", "constraints", constraints, "a list of constraints")
        self.constraints = tuple(constraints)
        self.template = template
        self._constraints = tuple(parse_constraint(spec) for spec in self.constraints)
        self._template = prompt_template("instruction_following", template)

    def request(self, example: Example) -> Request:
        """Ask the example's input, or the template."""
        return self._template.request(example) if self._template is not None else example.request()

    def check_example(self, example: Example) -> str | None:
        """Say why this example cannot be scored: no constraint, or one that cannot be read."""
        try:
            constraints = self._all_constraints(example)
        except ArgumentError as error:
            return f"{error.message} ({error.fix})"
        if not constraints:
            return "no constraints; give the probe or the example some"
        if self._template is not None:
            self._template.check(example)
        return None

    def score(self, example: Example, response: Response) -> Scores:
        """Check the answer's text against every constraint."""
        results = check_constraints(response.text, self._all_constraints(example))
        strict = sum(result.strict for result in results)
        loose = sum(result.loose for result in results)
        passed = bool(results) and strict == len(results)
        count = len(results) or 1
        failed = [f"{result.constraint.name}: {result.why}" for result in results if not result.strict]
        return Scores(
            values={"passed": float(passed), "strict": strict / count, "loose": loose / count},
            passed=passed,
            explanation="; ".join(failed) or f"all {len(results)} constraints satisfied",
            details={
                "constraints": [
                    {"constraint": str(one.constraint), "strict": one.strict, "loose": one.loose, "why": one.why}
                    for one in results
                ]
            },
        )

    def _all_constraints(self, example: Example) -> tuple[Constraint, ...]:
        own = example.fields.get("constraints", ())
        if isinstance(own, str) or not isinstance(own, Sequence):
            raise ArgumentError(f"`constraints` is {own!r}", fix="it takes a list of constraints")
        constraints = (*self._constraints, *(parse_constraint(spec) for spec in own))
        return tuple(_for_example(one, example) for one in constraints)


def _for_example(constraint: Constraint, example: Example) -> Constraint:
    """Give `repeat_prompt` the example's own prompt where it names none."""
    if constraint.name != "repeat_prompt" or "prompt" in constraint.parameters:
        return constraint
    return replace(constraint, parameters={"prompt": example.text})


class ConstraintComplianceProbe(InstructionFollowingProbe):
    """Give a task with a right answer and constraints on its form: is it right, and does it comply, at once?

    The constraints are those of instruction_following. The answer counts as right if it mentions one of the
    expected values.

    Scores: `correct`, right and compliant; `right`; `compliant`, every constraint kept; `strict` and `loose`, the
    shares of constraints satisfied by the answer as it stands and by its lenient readings.
    """

    default_dataset: ClassVar[str] = "data/constraint_compliance.jsonl"
    score_ranges: ClassVar[Mapping[str, tuple[float, float]]] = dict.fromkeys(
        ("correct", "right", "compliant", "strict", "loose"), (0.0, 1.0)
    )

    def __init__(self, name: str | None = None, *, constraints: JsonValue = (), template: JsonValue = None) -> None:
        super().__init__(name or "constraint_compliance", constraints=constraints, template=template)

    def check_example(self, example: Example) -> str | None:
        """Say that nothing is expected, or what else keeps it from being scored."""
        return super().check_example(example) if example.expected else "nothing is expected; give it `expected`"

    def score(self, example: Example, response: Response) -> Scores:
        """Score both."""
        form = super().score(example, response)
        right = claims(response.text, list(map(as_text, example.expected)))
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
