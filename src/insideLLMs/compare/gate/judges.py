"""The models that score answers: whether the same ones scored all runs, and how often people agree with them."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from insideLLMs.compare.agreed_labels import agreed_labels, random_verdicts
from insideLLMs.compare.differences.identities import differences
from insideLLMs.compare.statistics.judges import Judge, Labelled, Verdicts, judge_quality
from insideLLMs.core.answer_digest import answer_digest
from insideLLMs.core.errors import CompareError
from insideLLMs.core.record_views import LabelledRecord
from insideLLMs.core.shell_words import as_typed
from insideLLMs.store.labels import LABELS, read_labels
from insideLLMs.store.manifest import MemberSpec
from insideLLMs.store.sealed_run import SealedRun


def judges_of(runs: Sequence[SealedRun], candidate: SealedRun, labelled: SealedRun | None) -> tuple[Judge, ...]:
    """Return the probes of the candidate that models score: what other runs' judges differ in, and how good they are.

    `labelled` is a run in which the same judges scored answers that have a person's verdict. Raises
    CompareError if it has other judges, or no labels.
    """
    ours = judged_probes(candidate)
    others = [judged_probes(run) for run in runs]
    found = []
    for name, spec in sorted(ours.items()):
        moved = (differences(other[name].identity, spec.identity) for other in others if name in other)
        found.append(Judge(probe=name, differs=next(filter(None, moved), ())))
    if labelled is None:
        return tuple(found)
    return tuple(_with_quality(found, ours, labelled))


def judged_probes(run: SealedRun) -> dict[str, MemberSpec]:
    """Return the probes that models score, by id."""
    return {probe.id: probe for probe in run.manifest.probes if "judges" in probe.identity}


def _with_quality(judges: Sequence[Judge], ours: dict[str, MemberSpec], labelled: SealedRun) -> Iterator[Judge]:
    theirs = judged_probes(labelled)
    labels = _labels(labelled)
    shared = [judge.probe for judge in judges if judge.probe in theirs and labels.get(judge.probe)]
    if not shared:
        raise CompareError(
            f"{labelled.path} has no probe of this comparison whose judge scored labelled answers",
            fix="give a run of the same judge, by the same id, over examples with `label: true` or `false`, or one "
            f"of whose answers people labelled a random sample: insidellms view {as_typed(labelled.path.parent)}",
        )
    for one in judges:
        if one.probe not in shared:
            yield one
            continue
        moved = differences(theirs[one.probe].identity, ours[one.probe].identity)
        if moved:
            raise CompareError(
                f"{labelled.path}: another judge scored the labelled answers of {one.probe!r}: {'; '.join(moved)}",
                fix="run the labelled examples with the judge of the candidate",
            )
        yield msgspec.structs.replace(one, quality=judge_quality(labels[one.probe]))


def _labels(run: SealedRun) -> dict[str, Labelled]:
    """Return the verdicts on labelled answers: what people agree on beside the run, or the label of the example."""
    found: dict[str, dict[tuple[str, str], list[Verdicts]]] = {}
    people = random_verdicts(agreed_labels(read_labels(run.path / LABELS)))
    for record in run.records(LabelledRecord):
        label = record.example.fields.get("label")
        if people:
            label = people.get(answer_digest(record), label)
        if isinstance(label, bool) and record.passed is not None:
            verdicts = found.setdefault(record.probe, {}).setdefault((record.dataset, record.example_id), [])
            verdicts.append(Verdicts.of(label=label, passed=record.passed))
    return {probe: Counter(map(Verdicts.total, each.values())) for probe, each in found.items()}
