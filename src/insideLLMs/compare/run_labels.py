"""What people's labels say of a run: which are of its answers, how far people agree, and how far its verdicts do."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, Self

import msgspec

from insideLLMs.compare.agreed_labels import (
    AgreedLabel,
    PeopleAgreement,
    agreed_labels,
    people_agreement,
    random_verdicts,
)
from insideLLMs.compare.one_run.summary import judge_agreement
from insideLLMs.compare.statistics.judges import Verdicts
from insideLLMs.core.answer_digest import answer_digest
from insideLLMs.core.record_views import AnsweredRecord, TrialOrder, trial_order
from insideLLMs.core.run_summary import Agreement
from insideLLMs.core.subject import Subject
from insideLLMs.store.labels import LABELS, PersonLabel, read_labels
from insideLLMs.store.sealed_run import SealedRun


class VerdictAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """How the verdicts of a probe on a subject's answers agree with people's, over answers drawn at random."""

    probe: str
    subject: str
    agreement: Agreement


class LabelsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `labels show --json` prints.

    Of `labelled` answers of the run, `undecided` have no majority, and `chosen` were not drawn at random: neither is
    used. `stale` ones are of another answer to an example of the run, `elsewhere` ones of no Trial of it.
    """

    run: str
    labelled: int
    undecided: int
    chosen: int
    stale: int
    elsewhere: int
    people: PeopleAgreement
    verdicts: tuple[VerdictAgreement, ...]
    format: Literal["insidellms/labels/1"] = "insidellms/labels/1"


class RunLabels:
    """The labels that are of answers of one run: what people `agreed` on, by the digest of the answer.

    `stale` are answers with labels to examples of the run, which have another answer there.
    """

    def __init__(self, run: SealedRun, labels: Iterable[PersonLabel]) -> None:
        self.run = run
        found = agreed_labels(labels)
        self._usable = random_verdicts(found)
        self._pairs: dict[tuple[str, Subject], dict[tuple[str, str], list[Verdicts]]] = {}
        held, trials = self._read(found) if found else (set(), set())
        self.agreed = {answer: one for answer, one in found.items() if answer in held}
        others = {answer: one for answer, one in found.items() if answer not in held}
        self.stale = {
            answer for answer, one in others.items() if any(trial_order(label) in trials for label in one.said)
        }
        self.elsewhere = len(others) - len(self.stale)

    @classmethod
    def beside(cls, run: SealedRun) -> Self:
        """Read the labels in the run's own folder. Raises RunDirectoryError."""
        return cls(run, read_labels(run.path / LABELS))

    def _read(self, found: Mapping[str, AgreedLabel]) -> tuple[set[str], set[TrialOrder]]:
        """Return which answers the run has, and its Trials; keep the verdicts on usable ones."""
        held: set[str] = set()
        trials: set[TrialOrder] = set()
        for record in self.run.records(AnsweredRecord):
            answer = answer_digest(record)
            trials.add(trial_order(record))
            if answer in found:
                held.add(answer)
                if answer in self._usable and record.passed is not None:
                    examples = self._pairs.setdefault((record.probe, record.subject), {})
                    verdicts = Verdicts.of(label=self._usable[answer], passed=record.passed)
                    examples.setdefault((record.dataset, record.example_id), []).append(verdicts)
        return held, trials

    def report(self) -> LabelsReport:
        """Say what the labels show. Raises RunDirectoryError."""
        return LabelsReport(
            run=self.run.label,
            labelled=len(self.agreed),
            undecided=undecided(self.agreed),
            chosen=chosen(self.agreed),
            stale=len(self.stale),
            elsewhere=self.elsewhere,
            people=people_agreement(self.agreed),
            verdicts=tuple(self._agreements()),
        )

    def _agreements(self) -> Iterator[VerdictAgreement]:
        for member in self.run.summary.results:
            examples = self._pairs.get((member.probe, member.subject))
            if examples and member.pass_rate is not None:
                table = Counter(map(Verdicts.total, examples.values()))
                yield VerdictAgreement(
                    probe=member.probe,
                    subject=member.subject.label,
                    agreement=judge_agreement(table, member.pass_rate.value),
                )


def undecided(agreed: Mapping[str, AgreedLabel]) -> int:
    """Count the answers that people gave verdicts on, but no majority."""
    return sum(one.passed is None and bool(one.verdicts) for one in agreed.values())


def chosen(agreed: Mapping[str, AgreedLabel]) -> int:
    """Count the answers that have a verdict, but were not drawn at random."""
    return sum(one.passed is not None and not one.is_random for one in agreed.values())


def unused_labels(runs: Sequence[RunLabels]) -> str:
    """Say which labels a comparison of the runs does not use, and why; nothing where it uses all.

    A label is stale that is of an answer of none of them.
    """
    held = {answer: one for run in runs for answer, one in run.agreed.items()}
    stale = {answer for run in runs for answer in run.stale if answer not in held}
    counts = (
        (len(stale), "stale: of another answer to these examples"),
        (chosen(held), "of answers that were not drawn at random"),
        (undecided(held), "without a majority"),
    )
    return "; ".join(f"{count:,} {why}" for count, why in counts if count)
