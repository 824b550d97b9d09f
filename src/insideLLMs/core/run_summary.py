"""`summary.json`: how a run came out, by subject and probe."""

import msgspec

from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Usage

SUMMARY_FORMAT = "insidellms/summary/1"


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mean over `n` examples with its confidence interval; `low` and `high` are None where none can be had."""

    value: float
    low: float | None
    high: float | None
    n: int


class Agreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a judge's verdicts agree with the human `label` of the `n` examples that have one.

    `sensitivity` is the share of what a person passes that the judge passes, `specificity` that of what a person
    fails that it fails; `corrected_pass_rate` is the pass rate of all examples, less what the judge's errors make
    of it. None where the labels, or the verdicts, are all one and the same.
    """

    n: int
    accuracy: Interval
    kappa: Interval | None
    sensitivity: Interval | None
    specificity: Interval | None
    corrected_pass_rate: float | None


class MemberSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One subject on one probe. `trials` = the sum of `statuses`; `scored` of them have a verdict, `passed` pass.

    `shared` of them took an answer that another Trial asked for, whose tokens are counted there.
    `agreement` is there where scores say whether the verdict `agrees` with a person's.
    """

    model: str
    probe: str
    trials: int
    examples: int
    statuses: dict[str, int]
    scored: int
    passed: int
    pass_rate: Interval | None
    scores: dict[str, Interval]
    usage: Usage
    shared: int | msgspec.UnsetType = msgspec.UNSET
    agreement: Agreement | msgspec.UnsetType = msgspec.UNSET
    prompt: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def subject(self) -> Subject:
        """The model with its prompt."""
        return Subject(self.model, self.prompt or None)

    @property
    def failing(self) -> int:
        """How many Trials did not pass: those that failed, and those without an answer that were not skipped."""
        answered = self.statuses.get("success", 0) + self.statuses.get("skipped", 0)
        return self.scored - self.passed + self.trials - answered


class Summary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`summary.json`; `part` says which part of its experiment the run is of, where it is not of the whole.

    `skipped_rows` counts, by dataset, the bad rows that were left out, where there were any. `reused` says how many
    answers are those of other runs.
    """

    run_id: str
    trials: int
    statuses: dict[str, int]
    confidence_level: float
    results: tuple[MemberSummary, ...]
    format: str = SUMMARY_FORMAT
    part: str | msgspec.UnsetType = msgspec.UNSET
    skipped_rows: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    reused: str | msgspec.UnsetType = msgspec.UNSET
