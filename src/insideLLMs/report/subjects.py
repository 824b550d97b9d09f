"""The subjects of one run side by side, for the terminal and for Markdown."""

import itertools
from collections.abc import Iterator, Sequence

from insideLLMs.compare.one_run.subject_table import SubjectRow, SubjectTable
from insideLLMs.compare.statistics.evidence import p_value, points
from insideLLMs.core.run_summary import Interval, MemberSummary
from insideLLMs.core.types import expand
from insideLLMs.report import wording
from insideLLMs.report.ci.pull_request import escape
from insideLLMs.report.evidence import signed
from insideLLMs.report.terminal import render_tables

Rows = Sequence[tuple[str, ...]]


def render_subjects(table: SubjectTable, *, width: int = 80, color: bool = False) -> str:
    """Show a table for each probe, and below what was compared and how."""
    return render_tables(_tables(table), _notes(table), width=width, color=color)


def subjects_markdown(table: SubjectTable) -> str:
    """Write the same tables in Markdown."""
    lines = []
    for probe, columns, rows in _tables(table):
        lines += [f"### {escape(probe, 80)}", "", _line(columns), f"|{' --- |' * len(columns)}"]
        lines += [*(_line(row) for row in rows), ""]
    return "\n".join([*lines, *(f"- {escape(note, 500)}" for note in _notes(table)), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escape(cell, 80) for cell in cells)} |"


def _tables(table: SubjectTable) -> Iterator[tuple[str, tuple[str, ...], Rows]]:
    level = f"{table.confidence_level:.0%}"
    noun = "model · prompt" if any(row.result.prompt for row in table.rows) else "model"
    columns = (noun, "passed", f"{level} interval", "difference", "p", "no answer")
    shown = len(columns) - all(row.result.trials == row.result.statuses["success"] for row in table.rows)
    for probe, rows in itertools.groupby(table.rows, key=lambda row: row.result.probe):
        cells = ((*_result(row.result), *_difference(row), wording.unanswered(row.result.statuses)) for row in rows)
        yield probe, columns[:shown], [each[:shown] for each in cells]


def _result(result: MemberSummary) -> tuple[str, ...]:
    told, interval = wording.rate(result.passed, result.scored), result.pass_rate
    is_percent = interval is not None
    if interval is None:
        told, interval = _mean(result)
    spread = "–" if interval is None else wording.interval(expand(interval), percent=is_percent)
    return result.subject.label, told, spread


def _mean(result: MemberSummary) -> tuple[str, Interval | None]:
    """Show a score where there is no verdict: the one named `score`, or the first."""
    name = "score" if "score" in result.scores else next(iter(result.scores), None)
    if name is None:
        return "–", None
    interval = result.scores[name]
    return f"{name} {interval.value:.3g} (n={interval.n:,})", interval


def _difference(row: SubjectRow) -> tuple[str, ...]:
    found = row.difference
    if found is None:
        return "baseline" if row.is_baseline else "–", ""
    return f"{signed(found.delta)} ({signed(found.low)} to {signed(found.high)})", p_value(found.p_holm)


def _notes(table: SubjectTable) -> Iterator[str]:
    chosen = "the best, as none was given with --baseline" if table.chosen == "best" else "as given"
    yield f"run {table.run_id[:12]} in {table.label}; compared with {table.baseline} ({chosen})"
    paired = [row.difference for row in table.rows if row.difference is not None]
    if not paired:
        return
    yield (
        "differences in points, paired over the same examples; p: permutation test, two-sided, corrected by Holm over "
        f"{wording.many(table.comparisons, 'comparison')}"
    )
    alpha = 1 - table.confidence_level
    if all(found.p_holm > alpha for found in paired):
        widest = max((found.high - found.low) / 2 for found in paired)
        yield f"no difference is significant at {alpha:.2g}; the widest interval is ±{points(widest)} points"
