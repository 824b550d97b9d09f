"""The words and figures that every report shares: rates with their denominators, classes, names of Trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from insideLLMs.compare.statistics.judges import MIN_KAPPA, MIN_LABELLED
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.subject import label_in
from insideLLMs.core.types import SinceMark
from insideLLMs.report.safe_text import printable

if TYPE_CHECKING:  # a run's page and summary share these words, and need no comparison
    from insideLLMs.compare.comparison import (
        Comparison,
        ProbeTally,
        ServedChange,
        ShownAnswer,
        SubjectPair,
        Tally,
        TrialName,
    )
    from insideLLMs.compare.gate.decide import Verdict
    from insideLLMs.compare.one_run.verdict import FailedExample, RunVerdict

_SERVED = 5
FAILURES = ("error", "timeout", "rate_limited", "skipped")
MARKS = {"passed": "PASSED", "failed": "FAILED", "inconclusive": "INCONCLUSIVE"}


def rate(passed: int, scored: int) -> str:
    """Write a share with its denominator; of nothing there is no rate."""
    return f"{passed:,}/{scored:,} ({passed / scored:.1%})" if scored else "0/0"


def interval(value: Mapping[str, float | None], *, percent: bool) -> str:
    """Write an interval, or a dash where there is none."""
    low, high = value.get("low"), value.get("high")
    if low is None or high is None:
        return "–"
    return f"{low * 100:.1f}–{high * 100:.1f}%" if percent else f"{low:.4g}–{high:.4g}"


def unanswered(statuses: Mapping[str, int]) -> str:
    """Write how many Trials have no answer, by reason; a dash if all have one."""
    return ", ".join(f"{statuses[name]:,} {words(name)}" for name in FAILURES if statuses.get(name)) or "–"


def classes(tally: Tally) -> str:
    """Write how many Trials fell into each class, worst first, empty classes left out."""
    return ", ".join(f"{count:,} {words(kind)}" for kind, count in tally.classes.items() if count) or "no trials"


def paired_rates(tally: Tally) -> str:
    """Write the pass rate before and after, over the Trials that have a verdict on both sides."""
    paired = tally.paired
    if not paired.trials:
        return "no verdicts on both sides"
    return f"{paired.baseline_passed:,}/{paired.trials:,} → {paired.candidate_passed:,}/{paired.trials:,}"


def points(tally: Tally) -> str:
    """Write the change of the pass rate in percentage points."""
    paired = tally.paired
    if not paired.trials:
        return "–"
    change = (paired.candidate_passed - paired.baseline_passed) / paired.trials * 100
    return f"{change:+.1f} pt".replace("-", "−") if change else "±0 pt"


def many(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def words(name: str) -> str:
    """Turn an identifier of ours into words."""
    return name.replace("_", " ")


def member(probe: ProbeTally, *, several: bool) -> str:
    """Name a row of the table: the probe, and its subjects where there are several."""
    return printable(f"{probe.probe} · {pair(probe.models)}" if several else probe.probe)


def pair(models: SubjectPair) -> str:
    """Name two subjects that are compared, once if they have one label."""
    if models.baseline == models.candidate:
        return models.baseline or ""
    return f"{models.baseline or '(none)'} → {models.candidate or '(none)'}"


def trial(name: TrialName, *, several: bool = False) -> str:
    """Name a Trial in one line; the repeat only from the second on."""
    parts = [name.probe, name.example_id]
    if several:
        parts.append(pair(name.models))
    if name.repeat:
        parts.append(f"repeat {name.repeat}")
    return printable(" / ".join(parts))


def failed(example: FailedExample, *, several: bool = False) -> str:
    """Name an example that did not pass, and how it ended."""
    parts = [example.probe, example.example_id, *([example.subject.label] if several else [])]
    if example.repeat:
        parts.append(f"repeat {example.repeat}")
    return printable(" / ".join(parts)) + ("" if example.status == "success" else f": {words(example.status)}")


def conditions(verdict: RunVerdict) -> str:
    """Say how many of a run's conditions are met."""
    total = len(verdict.conditions)
    return (
        f"{many(total, 'condition')} met" if not verdict.unmet else f"{verdict.unmet:,} of {total:,} conditions not met"
    )


def policy(verdict: Verdict) -> str:
    """Name the policy, and what `auto` came to."""
    told = verdict.policy if verdict.policy == verdict.resolved else f"{verdict.policy} = {verdict.resolved}"
    return told if verdict.by_itself is None else f"{told}; {conditions(verdict.by_itself)}"


def experiment(comparison: Comparison) -> tuple[str, ...]:
    """Say what was changed in the experiment, and by the provider; nothing for imported runs. Not escaped."""
    if comparison.experiment_changes is None:
        return ()
    nothing = "nothing in the experiment: what differs comes from the provider, or from chance"
    moved = (served(change) for change in comparison.served[:_SERVED] if change.field != "finish_reason")
    return (*(comparison.experiment_changes or (nothing,)), *moved)


def served_notes(comparison: Comparison) -> tuple[str, ...]:
    """Say what the provider says differently where `experiment` does not: how answers end, and of imported runs all."""
    is_told = comparison.experiment_changes is not None
    return tuple(served(one) for one in comparison.served if one.field == "finish_reason" or not is_told)


def served(change: ServedChange) -> str:
    """Say what the provider says differently of its answers. Not escaped."""
    before, after = change.baseline or "not said", change.candidate or "not said"
    return f"served {words(change.field)}: {before} → {after} in {many(change.trials, 'trial')}"


def outcome_text(answer: ShownAnswer | None) -> str:
    """Write what came of a Trial: the answer with its tool calls and the parts that differ, or in parentheses why there
    is none. Not escaped.
    """
    if answer is None:
        return "(no such trial)"
    if answer.status != "success":
        return f"({words(answer.status)}) {answer.failure or ''}".rstrip()
    parts = (f"{name}: {text or '(empty)'}" for name, text in answer.parts.items())
    return "\n".join(part for part in (answer.text, answer.tool_calls, *parts) if part) or "(empty answer)"


def agreement(found: Mapping[str, Any], level: str) -> str:
    """Write how a judge agrees with the people who labelled its examples."""
    parts = [f"agrees with {found['accuracy']['value']:.1%} of {many(found['n'], 'label')}"]
    for name in ("kappa", "sensitivity", "specificity"):
        value = found[name]
        spread = (
            ""
            if value is None or value["low"] is None
            else f" ({level} interval {value['low']:.2f} to {value['high']:.2f})"
        )
        parts.append(f"{name} {'–' if value is None else format(value['value'], '.2f')}{spread}")
    corrected = found["corrected_pass_rate"]
    return ", ".join(parts) + ("" if corrected is None else f"; pass rate corrected for its errors {corrected:.1%}")


def doubts(summary: Mapping[str, Any]) -> list[str]:
    """Say what a summary does not show: the whole experiment, every row, or verdicts that people bear out."""
    part = [f"this is {summary['part']}"] if summary.get("part") else []
    return [*part, *skipped_rows(summary), *doubtful_judges(summary)]


def reused(summary: Mapping[str, Any]) -> list[str]:
    """Say how many answers are those of other runs."""
    return [summary["reused"]] if summary.get("reused") else []


_SINCE_MARKS = {"reused": "reused", "canary": "asked again", "retried": "retried"}


def since_mark(mark: SinceMark | None) -> str:
    """Say how a trial came to its answer."""
    return "new" if mark is None else _SINCE_MARKS[mark.answer]


def in_brackets(summary: Summary) -> str:
    """Return the same as short as it can be, to stand behind a run's name."""
    told = ["a part"] * bool(summary.part) + ["reuses answers"] * bool(summary.reused)
    return f" ({', '.join(told)})" if told else ""


def extent(summary: Summary) -> list[str]:
    """Say that a run is of a part of its experiment, and that it reuses answers of others."""
    return [f"this is {summary.part}"] * bool(summary.part) + [str(summary.reused)] * bool(summary.reused)


def skipped_rows(summary: Mapping[str, Any]) -> list[str]:
    """Say of which datasets rows were left out."""
    skipped = summary.get("skipped_rows") or {}
    return [
        f"{many(count, 'bad row')} of dataset {name!r} skipped; `insidellms validate` shows which"
        for name, count in skipped.items()
    ]


def parts(comparison: Comparison) -> list[str]:
    """Say which side is only a part of its experiment."""
    return [warning for warning in comparison.warnings if " is a part of the experiment: " in warning]


def doubtful_judges(summary: Mapping[str, Any]) -> list[str]:
    """Say which verdicts are advice rather than a measure, and why: their judge agrees too little with people."""
    return [
        f"{result['probe']} · {label_in(result)}: {doubt}"
        for result in summary["results"]
        if "agreement" in result
        for doubt in label_doubts(result["agreement"])
    ]


def label_doubts(found: Mapping[str, Any]) -> list[str]:
    """Say why verdicts that were held against people's labels are in doubt."""
    kappa = found["kappa"]
    told = []
    if found["n"] < MIN_LABELLED:
        told.append(f"only {many(found['n'], 'example')} with a label; at least {MIN_LABELLED} are needed")
    if kappa is None:
        told.append("kappa is undefined when all labels and verdicts agree")
    elif kappa["value"] < MIN_KAPPA:
        told.append(
            f"kappa {kappa['value']:.2f} is below {MIN_KAPPA}: treat its verdicts as advice, and do not gate on them"
        )
    return told
