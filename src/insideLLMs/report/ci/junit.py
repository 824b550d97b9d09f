"""A comparison or a run as JUnit XML: a suite per probe, a case per Trial or example, a failure where it counts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from insideLLMs.compare.comparison import Change, Comparison, ProbeTally, ShownAnswer
from insideLLMs.compare.gate.decide import Verdict, counted_classes
from insideLLMs.compare.gate.policies import blame_of
from insideLLMs.compare.one_run.verdict import DecidedRun, RunVerdict, failed_example
from insideLLMs.core.record_views import GatedRecord
from insideLLMs.core.subject import Subject
from insideLLMs.report import wording
from insideLLMs.report.ci.junit_xml import JUnitSuite, attribute, element_text, junit_document
from insideLLMs.report.safe_text import shorten

_TEXT_LIMIT = 4_000
_MOST_CASES = 10_000


def diff_junit(comparison: Comparison, verdict: Verdict) -> str:
    """Write JUnit XML.

    Trials that did not change are one case per suite that says how many they are; a last suite holds the gate's
    verdict, so that a gate that fails or cannot decide is red even where no single Trial is to blame.
    """
    suites = [_experiment_suite(comparison)] if comparison.experiment_changes is not None else []
    suites += [_suite(comparison, probe, verdict) for probe in comparison.probes]
    suites += [_part_suite(part) for part in wording.parts(comparison)]
    return junit_document([*suites, _gate_suite(verdict, verdict.policy)])


def run_junit(decided: DecidedRun, records: Iterable[GatedRecord]) -> str:
    """Write one run as JUnit XML: a suite per probe and model, a case per example, and the gate's verdict.

    An example that did not pass is a failure, and one without an answer an error, unless the gate tolerates them. A
    suite of more than 10,000 examples lists so many of those that did not pass, and the others as one case.
    """
    found: dict[tuple[str, Subject], _RunSuite] = {}
    for (probe, dataset, example_id, subject), trials in groupby(records, key=_example_of):
        suite = found.get((probe, subject))
        if suite is None:
            suite = found[probe, subject] = _RunSuite(f"{probe} · {subject.label}" if decided.several else probe)
        suite.add(_ExampleCase(f"{dataset} / {example_id}", tuple(trials), is_red=decided.is_red(probe, subject)))
    suites = [found[key].close() for key in sorted(found, key=lambda key: (key[0], key[1].order))]
    if decided.is_gated:
        suites.append(_gate_suite(decided.verdict, "conditions"))
    suites += map(_part_suite, wording.extent(decided.summary))
    return junit_document(suites)


def _example_of(record: GatedRecord) -> tuple[str, str, str, Subject]:
    return (record.probe, record.dataset, record.example_id, record.subject)


@dataclass(frozen=True, slots=True)
class _ExampleCase:
    """An example of a run: its Trials, of which the worst is shown."""

    name: str
    trials: tuple[GatedRecord, ...]
    is_red: bool

    @property
    def failed(self) -> tuple[GatedRecord, ...]:
        return tuple(
            one for one in self.trials if one.status == "success" and one.scores and one.scores.passed is False
        )

    @property
    def unanswered(self) -> tuple[GatedRecord, ...]:
        return tuple(one for one in self.trials if one.status not in {"success", "skipped"})

    @property
    def kind(self) -> str:
        if self.unanswered or self.failed:
            return ("failure" if self.failed else "error") if self.is_red else "system-out"
        return "skipped" if all(one.status == "skipped" for one in self.trials) else ""

    def text(self, suite: str) -> str:
        start = f"    <testcase classname={attribute(suite)} name={attribute(self.name)}"
        if not self.kind:
            return f"{start}/>"
        bad = (*self.failed, *self.unanswered) or self.trials
        shown = failed_example(bad[0])
        message = f"{shown.why or 'did not pass'}" if shown.status == "success" else f"{shown.status}: {shown.why}"
        if len(self.trials) > 1:
            message = f"{len(bad):,} of {len(self.trials):,} repeats did not pass; {message}"
        if self.kind == "skipped":
            return f"{start}><skipped message={attribute(message)}/></testcase>"
        if self.kind == "system-out":
            tolerated = element_text(f"did not pass, which the gate tolerates: {message}")
            return f"{start}><system-out>{tolerated}</system-out></testcase>"
        told = element_text(f"expected: {' | '.join(shown.expected) or '(nothing)'}\nanswer: {shown.answer}")
        kind = attribute("failed" if self.kind == "failure" else shown.status)
        return f"{start}><{self.kind} type={kind} message={attribute(message)}>{told}</{self.kind}></testcase>"


class _RunSuite:
    """Gathers the examples of a suite, in memory that does not grow with them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._listed: list[tuple[str, str]] = []
        self._kinds: Counter[str] = Counter()

    def add(self, case: _ExampleCase) -> None:
        """Take in the next example."""
        kind = case.kind
        self._kinds[kind] += 1
        total = self._kinds.total()
        if total == _MOST_CASES + 1:
            self._listed = [one for one in self._listed if one[0]]
        if total <= _MOST_CASES or (kind and len(self._listed) < _MOST_CASES):
            self._listed.append((kind, case.text(self._name)))

    def close(self) -> JUnitSuite:
        """Return the suite. An example that is red is red in it, be it among those that are not listed."""
        listed = Counter(kind for kind, _ in self._listed)
        rest = self._kinds - listed
        red = rest["failure"] + rest["error"]
        lines = [line for _, line in self._listed]
        if rest:
            name = attribute(f"{rest.total():,} examples not listed")
            message = attribute(f"{red:,} of them did not pass")
            inner = f'<failure type="failed" message={message}/>' if red else ""
            lines.append(f"    <testcase classname={attribute(self._name)} name={name}>{inner}</testcase>")
        return JUnitSuite(
            name=self._name,
            lines=lines,
            tests=len(lines),
            failures=listed["failure"] + bool(red),
            errors=listed["error"],
        )


def _suite(comparison: Comparison, probe: ProbeTally, verdict: Verdict) -> JUnitSuite:
    counted = counted_classes(verdict, probe.probe)
    name = wording.member(probe, several=len(comparison.models) > 1)
    changes = [
        change
        for change in (*comparison.changes.listed, *comparison.edited.listed)
        if change.trial.probe == probe.probe and change.trial.models == probe.models
    ]
    failed = [blame_of(change) in counted and not change.waived for change in changes]
    cases = [_case(change, name, failed=red) for change, red in zip(changes, failed, strict=True)]
    rest = probe.tally.trials - len(changes)
    if rest:
        cases.append(f"    <testcase classname={attribute(name)} name={attribute(f'{rest:,} trials not listed')}/>")
    summary = f"{wording.paired_rates(probe.tally)} passed; {wording.classes(probe.tally)}"
    properties = f'    <properties><property name="trials" value={attribute(summary)}/></properties>'
    return JUnitSuite(name=name, lines=[properties, *cases], tests=len(cases), failures=sum(failed))


def _case(change: Change, suite: str, *, failed: bool) -> str:
    trial = change.trial
    name = f"{trial.dataset} / {trial.example_id}" + (f" / repeat {trial.repeat}" if trial.repeat else "")
    start = f"    <testcase classname={attribute(suite)} name={attribute(name)}"
    told = "\n".join(
        (f"prompt: {change.prompt}", f"baseline: {_told(change.baseline)}", f"candidate: {_told(change.candidate)}")
    )
    message = attribute(f"{wording.words(change.kind)}: {change.note}")
    if failed:
        kind = attribute(change.kind)
        return f"{start}><failure type={kind} message={message}>{element_text(told)}</failure></testcase>"
    if change.kind == "skipped":
        return f"{start}><skipped message={message}/></testcase>"
    return f"{start}><system-out>{element_text(f'{change.kind}: {change.note}')}</system-out></testcase>"


def _experiment_suite(comparison: Comparison) -> JUnitSuite:
    told = attribute("\n".join(wording.experiment(comparison)))
    properties = f'    <properties><property name="changed" value={told}/></properties>'
    return JUnitSuite(name="experiment", lines=[properties], tests=0)


def _gate_suite(verdict: Verdict | RunVerdict, name: str) -> JUnitSuite:
    reasons = element_text("\n".join(verdict.reasons))
    message = attribute(f"{wording.MARKS[verdict.state]} (exit code {verdict.exit_code})")
    red = verdict.state != "passed"
    inner = f"<failure type={attribute(verdict.state)} message={message}>{reasons}</failure>" if red else ""
    case = f'    <testcase classname="gate" name={attribute(name)}>{inner}</testcase>'
    return JUnitSuite(name="gate", lines=[case], tests=1, failures=int(red))


def _part_suite(part: str) -> JUnitSuite:
    case = f'    <testcase classname="part" name="part"><skipped message={attribute(part)}/></testcase>'
    return JUnitSuite(name="part", lines=[case], tests=1)


def _told(answer: ShownAnswer | None) -> str:
    return shorten(wording.outcome_text(answer), _TEXT_LIMIT)
