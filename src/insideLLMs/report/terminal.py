"""What a person sees in the terminal: the summary of a run, and a comparison with its verdict.

Both are returned as text for a given width; without colour it is plain, with `[-removed-]` and `{+added+}`
as git writes word diffs. Nothing that a model wrote reaches the terminal unescaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from insideLLMs.core.subject import label_in
from insideLLMs.report import wording
from insideLLMs.report.drawing import DrawnTable, StyledText, draw
from insideLLMs.report.safe_text import printable, shorten, without_commands

if TYPE_CHECKING:  # the summary of a run is drawn without what compares
    from insideLLMs.compare.comparison import Change, Comparison, RunSide
    from insideLLMs.compare.differences.word_diff import Segment
    from insideLLMs.compare.gate.decide import Verdict
    from insideLLMs.compare.one_run.verdict import DecidedRun, FailedExample

_PROMPT_LIMIT = 240
_TEXT_LIMIT = 600
_CHANGE_LIMIT = 800
_LOOK_FIRST = 5
_REASONS = 20
_NARROWEST = 40
_BAD, _GOOD, _WARN, _DIM = "bold red", "green", "yellow", "dim"
_STYLES = {
    "regressed": _BAD,
    "newly_failing": _BAD,
    "changed": _WARN,
    "errored": _WARN,
    "skipped": _WARN,
    "edited": _WARN,
    "fixed": _GOOD,
    "improved": _GOOD,
    "recovered": _GOOD,
}
_VERDICT_STYLES = {"passed": "bold green", "failed": _BAD, "inconclusive": "bold yellow"}


def render_summary(summary: Mapping[str, Any], *, width: int = 80, color: bool = False) -> str:
    """Show `summary.json` as a table: every rate with its denominator, its interval, and what went unanswered."""
    level = f"{summary.get('confidence_level', 0.95):.0%}"
    noun = "model · prompt" if any("prompt" in result for result in summary["results"]) else "model"
    table = DrawnTable("probe", noun, "passed", f"{level} interval", "no answer", "tokens")
    scores: list[str] = []
    for result in summary["results"]:
        pass_rate, usage = result["pass_rate"], result["usage"]
        table.add_row(
            _plain(result["probe"]),
            _plain(label_in(result)),
            wording.rate(result["passed"], result["scored"])
            if result["scored"]
            else f"{_unscored(result)}, {result['trials']:,}",
            wording.interval(pass_rate, percent=True) if pass_rate else "–",
            wording.unanswered(result["statuses"]),
            "shared"
            if result.get("shared") == result["trials"]
            else f"{_count(usage.get('input_tokens'))}/{_count(usage.get('output_tokens'))}",
        )
        scores += _score_lines(result, level)
    trials, examples = summary["trials"], max((result["examples"] for result in summary["results"]), default=0)
    closing = f"{wording.many(trials, 'trial')}, {summary['statuses'].get('success', 0):,} answered"
    shared = sum(result.get("shared", 0) for result in summary["results"])
    if shared:
        closing += f"; {shared:,} shared an answer that another trial asked for"
    if any(result["examples"] < result["trials"] for result in summary["results"]):
        closing += f"; intervals take the examples (up to {examples:,}) as the sample, not the repeats"
    doubtful = [_styled(f"warning: {doubt}", _WARN) for doubt in wording.doubts(summary)]
    lines = [*map(_plain, scores), *doubtful, *map(_plain, wording.reused(summary)), _plain(closing)]
    return _draw([table, _plain(""), *lines], width=width, color=color)


def _unscored(result: Mapping[str, Any]) -> str:
    """Say why no trial has a verdict: answers that nobody scores are meant so, missing ones are not."""
    is_recorded = result["statuses"].get("success") and not result["scores"]
    return "recorded, not scored" if is_recorded else "no verdict"


def _score_lines(result: Mapping[str, Any], level: str) -> Iterable[str]:
    for name, score in result["scores"].items():
        if name == "correct" and result["scored"]:
            continue  # the verdict as a number: the table has it already
        spread = wording.interval(score, percent=False)
        within = f", {level} interval {spread}" if spread != "–" else ""
        where = f"{result['probe']} · {label_in(result)}"
        yield f"{where}: {name} {score['value']:.4g} (n={score['n']:,}{within})"
    if "agreement" in result:
        yield f"{result['probe']} · {label_in(result)}: {wording.agreement(result['agreement'], level)}"


def render_tables(
    tables: Iterable[tuple[str, Iterable[str], Iterable[Iterable[str]]]],
    notes: Iterable[str],
    *,
    width: int = 80,
    color: bool = False,
) -> str:
    """Show titled tables of plain cells, each with its columns and rows, and notes below them."""
    parts: list[StyledText | DrawnTable] = []
    for title, columns, rows in tables:
        table = DrawnTable(*columns)
        for row in rows:
            table.add_row(*map(_plain, row))
        parts += [_styled(title, "bold"), table, _plain("")]
    return _draw([*parts, *map(_plain, notes)], width=width, color=color)


def render_comparison(
    comparison: Comparison, verdict: Verdict | None = None, *, limit: int = 10, width: int = 80, color: bool = False
) -> str:
    """Show a comparison: which runs, a table per probe, the worst `limit` changes with word diffs, the verdict."""
    several = len(comparison.models) > 1
    parts: list[StyledText | DrawnTable] = [_header(comparison), _plain(""), _probe_table(comparison, several=several)]
    notes = [*wording.served_notes(comparison), *_usage(comparison), *comparison.warnings]
    if notes:
        parts += [_plain(""), *(_styled(f"note: {note}", _WARN) for note in notes)]
    shown = comparison.changes.listed[: max(0, limit)]
    for number, change in enumerate(shown, start=1):
        parts += [_plain(""), _change_title(number, change, several=several), _change_body(change)]
    edited = comparison.edited.listed[: max(0, limit - len(shown))]
    for change in edited:
        parts += [_plain(""), _change_title(None, change, several=several), _edited_body(change)]
    left = comparison.changes.total - len(shown)
    if left and limit > 0:
        parts += [_plain(""), _styled(f"… and {left:,} more; --limit shows more, --json lists them", _DIM)]
    if verdict is not None:
        parts += [*_evidence(verdict), _plain(""), *_verdict(verdict)]
    return _draw(parts, width=width, color=color)


def render_verdict(verdict: Verdict, *, width: int = 80, color: bool = False) -> str:
    """Show the verdict alone: the policy, its reasons, and the examples to look at first."""
    return _draw(_verdict(verdict), width=width, color=color)


def render_run_verdict(decided: DecidedRun, *, width: int = 80, color: bool = False) -> str:
    """Show the verdict on a run by itself, and the examples to look at first with the beginnings of their answers."""
    verdict = decided.verdict
    line = _styled(wording.MARKS[verdict.state], _VERDICT_STYLES[verdict.state])
    line.append(f"  gate: {wording.conditions(verdict)} (exit code {verdict.exit_code})")
    parts: list[StyledText | DrawnTable] = [line, *(_plain(f"  {reason}") for reason in verdict.reasons[:_REASONS])]
    if len(verdict.reasons) > _REASONS:
        parts.append(_plain(f"  … and {len(verdict.reasons) - _REASONS:,} more; --json lists them"))
    if verdict.look_first:
        parts.append(_plain("  look first at:"))
    for failed in verdict.look_first:
        parts += [_plain(f"    {wording.failed(failed, several=decided.several)}"), _failed_body(failed)]
    return _draw(parts, width=width, color=color)


def _failed_body(failed: FailedExample) -> DrawnTable:
    grid = DrawnTable()
    if failed.answer:
        grid.add_row("      answer", _plain(shorten(failed.answer, _PROMPT_LIMIT)))
    if failed.expected:
        grid.add_row("      expected", _plain(shorten(" | ".join(failed.expected), _PROMPT_LIMIT)))
    grid.add_row("      why", _plain(shorten(failed.why or "no reason given", _PROMPT_LIMIT)))
    return grid


def _header(comparison: Comparison) -> DrawnTable:
    grid = DrawnTable()
    grid.add_row("baseline", _side(comparison.baseline))
    if comparison.pool:
        grid.add_row("  and", _plain(", ".join(run.label for run in comparison.pool)))
    grid.add_row("candidate", _side(comparison.candidate))
    renamed = [pair for pair in comparison.models if pair.baseline != pair.candidate]
    if renamed:
        grid.add_row("compared", _plain(", ".join(wording.pair(pair) for pair in renamed)))
    for number, line in enumerate(wording.experiment(comparison)):
        grid.add_row("" if number else "changed", _plain(shorten(line, _CHANGE_LIMIT)))
    return grid


def _side(side: RunSide) -> StyledText:
    models = ", ".join(side.models)
    return _plain(f"{side.label} (run {side.run_id[:12]}, {side.trials:,} trials, {shorten(models, 60)})")


def _probe_table(comparison: Comparison, *, several: bool) -> DrawnTable:
    table = DrawnTable("probe", "passed", "change", "trials")
    for probe in comparison.probes:
        tally = probe.tally
        fell = tally.paired.candidate_passed < tally.paired.baseline_passed
        rose = tally.paired.candidate_passed > tally.paired.baseline_passed
        table.add_row(
            _plain(wording.member(probe, several=several)),
            wording.paired_rates(tally),
            _styled(wording.points(tally), _BAD if fell else _GOOD if rose else ""),
            wording.classes(tally),
        )
    if len(comparison.probes) != 1:
        overall = comparison.overall
        table.add_row("all", wording.paired_rates(overall), wording.points(overall), wording.classes(overall))
    return table


def _usage(comparison: Comparison) -> list[str]:
    usage = comparison.usage
    if not usage.trials:
        return []
    tokens_in = f"in {usage.baseline_input_tokens:,} → {usage.candidate_input_tokens:,}"
    tokens_out = f"out {usage.baseline_output_tokens:,} → {usage.candidate_output_tokens:,}"
    return [f"tokens changed in {wording.many(usage.trials, 'trial')}: {tokens_in}, {tokens_out}"]


def _change_title(number: int | None, change: Change, *, several: bool) -> StyledText:
    title = _plain(f"{number}. " if number else "")
    title.append(wording.words(change.kind), style=_STYLES.get(change.kind, ""))
    title.append(f"  {wording.trial(change.trial, several=several)}")
    if change.waived:
        title.append("  (waived)", style=_DIM)
    if change.note:
        title.append(f"  {shorten(printable(change.note), 120)}", style=_DIM)
    return title


def _change_body(change: Change) -> DrawnTable:
    from insideLLMs.compare.differences.word_diff import word_diff  # noqa: PLC0415 - a run alone has none

    grid = DrawnTable()
    grid.add_row("   prompt", _plain(shorten(change.prompt, _PROMPT_LIMIT)))
    if change.expected:
        grid.add_row("   expected", _plain(shorten(" | ".join(change.expected), _PROMPT_LIMIT)))
    if change.steps:
        grid.add_row("   steps", _block("\n".join(change.steps)))
    elif change.paths:
        grid.add_row("   differs at", _plain(shorten(", ".join(change.paths), _PROMPT_LIMIT)))
    before, after = wording.outcome_text(change.baseline), wording.outcome_text(change.candidate)
    diff = word_diff(before, after) if before != after else None
    if before == after:
        grid.add_row("   answer", _block(before))
    elif diff is not None:
        grid.add_row("   answer", _diff_text(diff))
    else:
        grid.add_row("   - before", _block(before, style="red"))
        grid.add_row("   + after", _block(after, style=_GOOD))
    return grid


def _edited_body(change: Change) -> DrawnTable:
    grid = DrawnTable()
    grid.add_row("   - before", _block(change.baseline_prompt or change.prompt, style="red"))
    grid.add_row("   + after", _block(change.prompt, style=_GOOD))
    return grid


def _diff_text(diff: Iterable[Segment]) -> StyledText:
    text = _plain("")
    for kind, words in diff:
        shown = printable(words, keep_newlines=True)
        if kind == "removed":
            text.append(f"[-{shown}-]", style="red")
        elif kind == "added":
            text.append(f"{{+{shown}+}}", style=_GOOD)
        else:
            text.append(shown, style=_DIM if kind == "gap" else "")
    return text


def _evidence(verdict: Verdict) -> Iterable[StyledText | DrawnTable]:
    from insideLLMs.report import evidence  # noqa: PLC0415 - brings the statistics, which a run's summary needs not

    if verdict.assessment is not None and verdict.assessment.overall.n_paired:
        table = DrawnTable(*evidence.COLUMNS)
        for row in evidence.evidence_rows(verdict.assessment):
            table.add_row(*(_plain(cell) for cell in row))
        yield _plain("")
        yield _styled("evidence, in points of the pass rate or score", "bold")
        yield table
    yield from (_plain(f"  {line}") for line in evidence.evidence_lines(verdict))


def _verdict(verdict: Verdict) -> Iterable[StyledText]:
    line = _styled(wording.MARKS[verdict.state], _VERDICT_STYLES[verdict.state])
    line.append(f"  gate: {wording.policy(verdict)} (exit code {verdict.exit_code})")
    yield line
    yield from (_plain(f"  {reason}") for reason in verdict.reasons)
    if verdict.look_first and verdict.state == "failed":
        several = len({name.models for name in verdict.look_first}) > 1
        names = ", ".join(wording.trial(name, several=several) for name in verdict.look_first[:_LOOK_FIRST])
        yield _plain(f"  look first at: {names}")


def _count(tokens: int | None) -> str:
    return "–" if tokens is None else f"{tokens:,}"


def _plain(text: str) -> StyledText:
    return _styled(text, "")


def _block(text: str, style: str = "") -> StyledText:
    return _styled(shorten(text, _TEXT_LIMIT), style, keep_newlines=True)


def _styled(text: str, style: str, *, keep_newlines: bool = False) -> StyledText:
    return StyledText(printable(text, keep_newlines=keep_newlines), style=style)


def _draw(parts: Iterable[StyledText | DrawnTable], *, width: int, color: bool) -> str:
    return without_commands(draw(parts, width=max(width, _NARROWEST), color=color))
