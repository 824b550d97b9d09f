"""Runs, results and comparisons as a notebook shows them: small tables in which every text is escaped."""

import html
from collections.abc import Iterable, Sequence
from itertools import islice

from insideLLMs.compare.comparison import Comparison
from insideLLMs.compare.gate.decide import Verdict
from insideLLMs.compare.one_run.verdict import RunVerdict
from insideLLMs.core.run_summary import Interval, Summary
from insideLLMs.report import wording
from insideLLMs.report.safe_text import printable, shorten

_MOST_ROWS = 50
_MOST_CHARACTERS = 500


def as_html(head: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, total: int) -> str:
    """Return a table with `head` above it, of at most 50 of its `total` rows, each text cut to 500 characters."""
    body = "".join(_row("td", cells) for cells in islice(rows, _MOST_ROWS))
    more = f"<p>{total - _MOST_ROWS:,} more rows are not shown</p>" if total > _MOST_ROWS else ""
    return f"<p><b>{_cell(head)}</b></p><table>{_row('th', columns)}{body}</table>{more}"


def summary_html(summary: Summary, verdict: RunVerdict | None = None) -> str:
    """Return how a run came out: a row for each subject and probe, and the verdict where its gate has one."""
    rows = [
        (one.subject.label, one.probe, f"{one.passed} of {one.scored}", _rate(one.pass_rate), one.trials - one.scored)
        for one in summary.results
    ]
    said = "" if verdict is None else f": gate {verdict.state}"
    head = f"run {summary.run_id[:12]}, {wording.many(summary.trials, 'trial')}{said}"
    return as_html(head, ("model", "probe", "passed", "rate", "without a verdict"), rows, total=len(rows))


def comparison_html(found: Comparison, verdict: Verdict) -> str:
    """Return the gate's verdict, its reasons, and the changes with both answers."""
    rows = (
        (
            change.kind,
            wording.trial(change.trial),
            change.prompt,
            wording.outcome_text(change.baseline),
            wording.outcome_text(change.candidate),
        )
        for change in found.changes.listed
    )
    head = f"gate: {verdict.state} ({wording.policy(verdict)}). {'; '.join(verdict.reasons)}"
    columns = ("change", "example", "input", "baseline", "candidate")
    return as_html(head, columns, rows, total=found.changes.total)


def _rate(rate: Interval | None) -> str:
    if rate is None:
        return ""
    span = "" if rate.low is None or rate.high is None else f" ({rate.low:.0%} to {rate.high:.0%})"
    return f"{rate.value:.0%}{span}"


def _row(tag: str, cells: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<{tag} style=text-align:left>{_cell(cell)}</{tag}>' for cell in cells)}</tr>"


def _cell(value: object) -> str:
    text = shorten(printable(str(value), keep_newlines=True), _MOST_CHARACTERS)
    return html.escape(text).replace("\n", "<br>")
