"""What is said of one run held against its gate: each condition, the verdict, and the examples to look at."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from insideLLMs.compare.comparison import SubjectPair, TrialName
from insideLLMs.core.errors import ExitCode
from insideLLMs.core.gate_spec import Severity
from insideLLMs.core.record_views import GatedRecord
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.subject import Subject

State = Literal["passed", "failed", "inconclusive"]
EXIT_CODES: Mapping[State, ExitCode] = {
    "passed": ExitCode.OK,
    "failed": ExitCode.GATE_FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
}
RANK: Mapping[State, int] = {"failed": 0, "inconclusive": 1, "passed": 2}
"""Of several states the one of the lowest rank counts."""
_SHOWN_CHARACTERS = 1_000


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A condition, held against what was measured; `probe` is None where it holds for all of a subject's answers.

    `value` is the estimate, `low` and `high` its confidence interval, from `n` examples (of a quantity: values).
    `held` is what was compared with `limit`: the estimate, or the bound of its interval. They are None where nothing
    could be measured.
    """

    setting: str
    probe: str | None
    model: str | None
    prompt: str | None = None
    limit: float
    state: State
    severity: Severity
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    held: float | None = None
    n: int = 0


class FailedExample(msgspec.Struct, frozen=True, kw_only=True):
    """An example to look at: the beginning of the answer, and why that is not good enough."""

    probe: str
    dataset: str
    example_id: str
    model: str
    repeat: int
    status: str
    answer: str
    why: str
    prompt: str | None = None
    expected: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """What answered."""
        return Subject(self.model, self.prompt)

    @property
    def trial(self) -> TrialName:
        """The Trial's name, as that of a run compared with nothing."""
        return TrialName(
            probe=self.probe, dataset=self.dataset, example_id=self.example_id, repeat=self.repeat,
            models=SubjectPair(baseline=None, candidate=self.subject.label),
        )  # fmt: skip


class RunVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the conditions came to: the worst of the critical ones; an advisory one changes neither state nor code."""

    state: State
    exit_code: int
    reasons: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    look_first: tuple[FailedExample, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the gate passed; an inconclusive one did not."""
        return self.state == "passed"

    @property
    def unmet(self) -> int:
        """How many critical conditions are not met, or cannot be decided."""
        return sum(one.severity == "critical" and one.state != "passed" for one in self.conditions)

    def doubted(self, why: str) -> "RunVerdict":
        """Return what it is where the run is not the whole: nothing passes for what was not run."""
        if self.state != "passed" or not self.conditions:
            return self
        told = f"{why}, which cannot pass for the whole (`--set gate.accept_missing=true` lets it)"
        code = int(EXIT_CODES["inconclusive"])
        return msgspec.structs.replace(self, state="inconclusive", exit_code=code, reasons=(told, *self.reasons))

    def blames(self, probe: str, subject: Subject) -> bool:
        """Whether a critical condition of this probe is not met by this subject."""
        return any(
            one.state == "failed"
            and one.severity == "critical"
            and (one.model, one.prompt) == subject
            and one.probe == probe
            for one in self.conditions
        )


class DecidedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run with the verdict on it. `failing` counts the Trials that did not pass; `worst` has up to 1,000 of them."""

    label: str
    summary: Summary
    verdict: RunVerdict
    failing: int
    worst: tuple[FailedExample, ...]

    @property
    def is_gated(self) -> bool:
        """Whether the gate says anything of a run by itself."""
        return bool(self.verdict.conditions)

    @property
    def several(self) -> bool:
        """Whether there are several subjects, so that each must be named."""
        return len({result.subject for result in self.summary.results}) > 1

    def is_red(self, probe: str, subject: Subject) -> bool:
        """Whether what failed of this probe on this subject counts: the gate blames it, or there is no gate."""
        return not self.is_gated or self.verdict.blames(probe, subject)


def failed_example(record: GatedRecord, note: str = "") -> FailedExample:
    """Return a Trial as it is shown to a person: the beginning of the answer, and why it did not pass."""
    failure = record.failure
    text = record.response.text if record.response is not None else ""
    why = record.scores.explanation if record.scores is not None else ""
    if failure is not None:
        why = f"{failure.type}: {failure.message}"
    why = "; ".join(filter(None, (note, why)))
    return FailedExample(
        probe=record.probe,
        dataset=record.dataset,
        example_id=record.example_id,
        model=record.model,
        prompt=record.prompt,
        repeat=record.repeat,
        status=record.status,
        answer=text[:_SHOWN_CHARACTERS],
        why=why[:_SHOWN_CHARACTERS],
        expected=tuple(str(value) for value in record.example.expected[:5]),
    )
