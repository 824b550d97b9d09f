"""What a comparison says: values only, so that every report, and a script, reads the same."""

from typing import Literal

import msgspec

from insideLLMs.core.subject import Subject
from insideLLMs.core.types import EmbeddingModel


class RunSide(msgspec.Struct, frozen=True, kw_only=True):
    """Which run stood on one side."""

    run_id: str
    label: str
    models: tuple[str, ...]
    trials: int


class RunName(msgspec.Struct, frozen=True, kw_only=True):
    """A further run of the baseline, which the statistics read beside the one that is shown."""

    run_id: str
    label: str


class SubjectPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two subjects that were compared, by their labels; one is None where the other had no counterpart."""

    baseline: str | None
    candidate: str | None

    @classmethod
    def of(cls, baseline: Subject | None, candidate: Subject | None) -> "SubjectPair":
        """Name a pair."""
        return cls(baseline=baseline and baseline.label, candidate=candidate and candidate.label)


class SideCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One side's Trials: all of them, by status, how many have a verdict (`scored`), and how many passed.

    Trials without a verdict are in `trials` and not in `scored`: show both.
    """

    trials: int
    statuses: dict[str, int]
    scored: int
    passed: int


class PairedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The Trials with a verdict on both sides, unedited: the ones on which pass rates may be compared."""

    trials: int
    baseline_passed: int
    candidate_passed: int


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Trials by class (every class is named; they add up to `trials`), and each side's counts."""

    trials: int
    classes: dict[str, int]
    levels: dict[str, int]
    baseline: SideCounts
    candidate: SideCounts
    paired: PairedCounts

    @property
    def aligned(self) -> int:
        """The Trials that both runs have, edited ones included."""
        return self.trials - self.classes["new"] - self.classes["removed"]


class ProbeTally(msgspec.Struct, frozen=True, kw_only=True):
    """The tally of one probe and one pair of subjects; `waived` says how many of each class the gate leaves out.

    `alike` are equivalent to an embedding model alone (without the waived): the gate takes them for changed unless
    it may trust the model. Of the Trials that it counts, `able` could have got worse; in `blank`, neither answer
    shows anything and nothing is scored. `shows` is whether any has a pass, a score or an answer to compare. `unscored`
    have two answers, but no verdict on both, nor all the scores that the baseline has.
    """

    probe: str
    models: SubjectPair
    tally: Tally
    waived: dict[str, int] = {}
    alike: int = 0
    able: int = 0
    blank: int = 0
    shows: bool = False
    unscored: int = 0

    @property
    def usable(self) -> int:
        """The Trials that both runs have, unedited and without the waived."""
        return sum(self.count(kind) for kind in self.tally.classes if kind not in {"new", "removed", "edited"})

    def count(self, kind: str) -> int:
        """The Trials of one class, without the waived."""
        return self.tally.classes[kind] - self.waived.get(kind, 0)


class TrialName(msgspec.Struct, frozen=True, kw_only=True):
    """Where to find a Trial; `models` says under which id each run has it."""

    probe: str
    dataset: str
    example_id: str
    models: SubjectPair
    repeat: int


class ShownAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a Trial as it is shown; long texts are cut, and `cut_characters` says how much is missing.

    `parts` are those beside the text that the other side has otherwise.
    """

    status: str
    text: str
    cut_characters: int = 0
    finish_reason: str | None = None
    tool_calls: str = ""
    parts: dict[str, str] = {}
    passed: bool | None = None
    label: str | None = None
    scores: dict[str, float] = {}
    explanation: str = ""
    failure: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A Trial that is not as it was.

    `level` is the highest that differs, `note` says what in one line, `paths` are JSON paths that differ.
    `baseline_prompt` is given only where it differs from `prompt`. `waived` is whether the gate leaves it out.
    `similarity` is the cosine of the two texts where an embedding model weighed them. `steps` says what changed in the
    calls of tools, and in what these gave.
    """

    kind: str
    level: str | None
    note: str
    trial: TrialName
    prompt: str
    baseline_prompt: str | None
    expected: tuple[str, ...]
    baseline: ShownAnswer | None
    candidate: ShownAnswer | None
    paths: tuple[str, ...] = ()
    waived: bool = False
    similarity: float | None = None
    steps: tuple[str, ...] = ()


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Changes, worst first and at most as many as asked for; `total` counts all there are."""

    total: int
    listed: tuple[Change, ...]


class NameListing(msgspec.Struct, frozen=True, kw_only=True):
    """Trials by name, in order and at most as many as asked for; `total` counts all there are."""

    total: int
    listed: tuple[TrialName, ...]


class ServedChange(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider said of an answer changed, in so many Trials; None where it said nothing."""

    field: Literal["model", "fingerprint", "finish_reason"]
    baseline: str | None
    candidate: str | None
    trials: int


class UsageChange(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens over the aligned Trials in which both sides counted them and the counts differ."""

    trials: int
    baseline_input_tokens: int
    candidate_input_tokens: int
    baseline_output_tokens: int
    candidate_output_tokens: int


class SemanticFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How meanings were weighed: the model, the threshold and where it is from, and what became of the pairs.

    Of `pairs` that differed in their wording alone, `equivalent` reached the threshold, `below` did not, and
    `held_apart` names the checks that decided before the model was asked.
    """

    model: EmbeddingModel
    threshold: float
    threshold_from: str
    pairs: int = 0
    equivalent: int = 0
    below: int = 0
    held_apart: dict[str, int] = {}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Baseline against candidate: what differs, and what does not, with counts that add up.

    `changes` holds what is neither unchanged, edited, new nor removed; those have lists of their own. `pool` names
    the baseline's further runs, oldest first. `semantic` says how meanings were weighed, None if nobody asked for it.
    `experiment_changes` says what the two experiments differ in, None where no experiments were given.
    """

    baseline: RunSide
    candidate: RunSide
    models: tuple[SubjectPair, ...]
    score_tolerance: float
    overall: Tally
    probes: tuple[ProbeTally, ...]
    changes: Listing
    edited: Listing
    removed: NameListing
    new: NameListing
    served: tuple[ServedChange, ...]
    usage: UsageChange
    warnings: tuple[str, ...]
    pool: tuple[RunName, ...] = ()
    semantic: SemanticFacts | None = None
    experiment_changes: tuple[str, ...] | None = None
