"""People's labels of a run as text and as a table."""

from collections.abc import Iterable, Iterator, Mapping

from insideLLMs.compare.agreed_labels import AgreedLabel, PairAgreement, PeopleAgreement
from insideLLMs.compare.run_labels import LabelsReport
from insideLLMs.core.run_summary import Interval
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import expand
from insideLLMs.report import wording
from insideLLMs.report.records_table import Row, Table
from insideLLMs.report.safe_text import printable, shorten
from insideLLMs.store.labels import PersonLabel, latest

_COLUMNS = {
    "probe": "string", "dataset": "string", "example_id": "string", "model": "string", "prompt": "string",
    "repeat": "int64", "by": "string", "verdict": "string", "note": "string", "at": "string", "drawn": "string",
    "decides": "bool", "answer": "string",
}  # fmt: skip
_MOST_DISPUTED = 20


def labels_table(labels: Iterable[PersonLabel]) -> Table:
    """Return the labels that count, and notes without one, in the order of probe, example and person."""
    counting = [label for label in latest(labels).values() if label.verdict != "open" or label.note]
    ordered = sorted(counting, key=lambda label: (label.probe, label.dataset, label.example_id, label.answer, label.by))

    def rows() -> Iterator[Row]:
        return (tuple(getattr(label, name) for name in _COLUMNS) for label in ordered)

    return Table(columns=_COLUMNS, rows=rows)


def labels_text(found: LabelsReport, agreed: Mapping[str, AgreedLabel]) -> str:
    """Write people's labels of a run, how far people agree, and how far the probes' verdicts agree with them."""
    return "\n".join(
        [
            *label_counts(found),
            *people_lines(found.people),
            *disputed_lines(found.people, agreed),
            *verdict_lines(found),
        ]
    )


def label_counts(found: LabelsReport) -> Iterator[str]:
    """Say how many answers are labelled, and how many labels cannot be used, and why."""
    yield f"{wording.many(found.labelled, 'answer')} of {printable(found.run)} labelled"
    yield from (f"  {printable(name)}: {wording.many(n, 'verdict')}" for name, n in found.people.people.items())
    for count, why in (
        (found.undecided, "without a majority, so not used"),
        (found.chosen, "not drawn at random, so they measure nothing"),
        (found.stale, "stale: of another answer to an example of the run, so not used"),
        (found.elsewhere, "of answers of other runs"),
    ):
        if count:
            yield f"  {count:,} {why}"


def people_lines(found: PeopleAgreement) -> Iterator[str]:
    """Say how far people agree: each two of them, and of more than two all together."""
    for pair in found.pairs:
        yield f"{printable(pair.one)} and {printable(pair.other)}: {_pair(pair)}"
    if len(found.people) > 2 and found.same is not None:
        yield f"all of {len(found.people)}: {_same(found.same)}, {figure('Krippendorff alpha', found.alpha)}"


def _pair(pair: PairAgreement) -> str:
    if pair.same is None:
        return "no answer that both labelled"
    return f"{_same(pair.same)}, {figure('Cohen kappa', pair.kappa)}"


def _same(share: Interval) -> str:
    return f"agree on {share.value:.1%} of {wording.many(share.n, 'answer')}"


def figure(name: str, found: Interval | None) -> str:
    """Write a figure with its 95 % interval, or a dash."""
    if found is None:
        return f"{name} – (undefined where all verdicts are one and the same)"
    spread = "" if found.low is None else f" (95% interval {found.low:.2f} to {found.high:.2f})"
    return f"{name} {found.value:.2f}{spread}"


def disputed_lines(found: PeopleAgreement, agreed: Mapping[str, AgreedLabel]) -> Iterator[str]:
    """List the answers on which people differ and nobody has decided."""
    if found.disputed:
        yield f"{wording.many(len(found.disputed), 'disputed answer')}; decide in `insidellms view`, sample `disputed`:"
    for answer in found.disputed[:_MOST_DISPUTED]:
        yield f"  {disputed_name(agreed[answer])}: {dispute(agreed[answer])}"
    left = len(found.disputed) - _MOST_DISPUTED
    if left > 0:
        yield f"  … and {left:,} more; --json lists them"


def disputed_name(one: AgreedLabel) -> str:
    """Name the Trial whose answer is in dispute."""
    label = one.said[0]
    parts = [label.probe, label.example_id, Subject(label.model, label.prompt).label]
    return printable(" / ".join(parts))


def dispute(one: AgreedLabel) -> str:
    """Say who said what."""
    notes = {label.by: label.note for label in one.said}
    return ", ".join(
        printable(f"{name} {'pass' if passed else 'fail'}{f' ({shorten(notes[name], 60)})' if notes[name] else ''}")
        for name, passed in sorted(one.verdicts.items())
    )


def verdict_lines(found: LabelsReport) -> Iterator[str]:
    """Say how far each probe's verdicts agree with people, and what that leaves in doubt."""
    for each in found.verdicts:
        agreement = expand(each.agreement)
        yield f"{printable(f'{each.probe} · {each.subject}')}: {wording.agreement(agreement, '95%')}"
        yield from (f"  {doubt}" for doubt in wording.label_doubts(agreement))
