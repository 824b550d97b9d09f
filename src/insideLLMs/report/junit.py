"""A comparison as JUnit XML: a suite per probe, a case per listed Trial, a failure where the gate counts it."""

import html
import re

from insideLLMs.compare.comparison import Change, Comparison, ProbeTally, ShownAnswer
from insideLLMs.compare.gate import Verdict, counted_classes
from insideLLMs.compare.policies import blame_of
from insideLLMs.report import wording
from insideLLMs.report.safe_text import printable, shorten

_TEXT_LIMIT = 4_000
# What XML 1.0 does not allow even as a reference (production 2, Char); printable() spells most of them already.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def diff_junit(comparison: Comparison, verdict: Verdict) -> str:
    """Write JUnit XML.

    Trials that did not change are one case per suite that says how many they are; a last suite holds the gate's
    verdict, so that a gate that fails or cannot decide is red even where no single Trial is to blame.
    """
    suites = [_experiment_suite(comparison)] if comparison.experiment_changes is not None else []
    suites += [_suite(comparison, probe, verdict) for probe in comparison.probes]
    suites.append(_gate_suite(verdict))
    failures = sum(failed for _, _, failed in suites)
    tests = sum(count for _, count, _ in suites)
    body = "\n".join(text for text, _, _ in suites)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="insidellms" tests="{tests}" failures="{failures}">\n{body}\n</testsuites>\n'
    )


Suite = tuple[str, int, int]


def _suite(comparison: Comparison, probe: ProbeTally, verdict: Verdict) -> Suite:
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
        cases.append(f"    <testcase classname={_attribute(name)} name={_attribute(f'{rest:,} trials not listed')}/>")
    failures = sum(failed)
    summary = f"{wording.paired_rates(probe.tally)} passed; {wording.classes(probe.tally)}"
    properties = f'    <properties><property name="trials" value={_attribute(summary)}/></properties>'
    return _wrap(name, [properties, *cases], len(cases), failures), len(cases), failures


def _case(change: Change, suite: str, *, failed: bool) -> str:
    trial = change.trial
    name = f"{trial.dataset} / {trial.example_id}" + (f" / repeat {trial.repeat}" if trial.repeat else "")
    start = f"    <testcase classname={_attribute(suite)} name={_attribute(name)}"
    told = "\n".join(
        (f"prompt: {change.prompt}", f"baseline: {_told(change.baseline)}", f"candidate: {_told(change.candidate)}")
    )
    message = _attribute(f"{wording.words(change.kind)}: {change.note}")
    if failed:
        kind = _attribute(change.kind)
        return f"{start}><failure type={kind} message={message}>{_text(told)}</failure></testcase>"
    if change.kind == "skipped":
        return f"{start}><skipped message={message}/></testcase>"
    return f"{start}><system-out>{_text(f'{change.kind}: {change.note}')}</system-out></testcase>"


def _experiment_suite(comparison: Comparison) -> Suite:
    told = _attribute("\n".join(wording.experiment(comparison)))
    properties = f'    <properties><property name="changed" value={told}/></properties>'
    return _wrap("experiment", [properties], 0, 0), 0, 0


def _gate_suite(verdict: Verdict) -> Suite:
    reasons = _text("\n".join(verdict.reasons))
    message = _attribute(f"{wording.MARKS[verdict.state]} (exit code {verdict.exit_code})")
    red = verdict.state != "passed"
    inner = f"<failure type={_attribute(verdict.state)} message={message}>{reasons}</failure>" if red else ""
    case = f'    <testcase classname="gate" name={_attribute(verdict.policy)}>{inner}</testcase>'
    return _wrap("gate", [case], 1, int(red)), 1, int(red)


def _wrap(name: str, lines: list[str], tests: int, failures: int) -> str:
    start = f'  <testsuite name={_attribute(name)} tests="{tests}" failures="{failures}">'
    return "\n".join((start, *lines, "  </testsuite>"))


def _told(answer: ShownAnswer | None) -> str:
    return shorten(wording.told(answer), _TEXT_LIMIT)


def _text(text: str) -> str:
    return html.escape(_ILLEGAL.sub("\ufffd", printable(text, keep_newlines=True)), quote=False)


def _attribute(text: str) -> str:
    return f'"{html.escape(_ILLEGAL.sub(chr(0xFFFD), printable(text)))}"'
