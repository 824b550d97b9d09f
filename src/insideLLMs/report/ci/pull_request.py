"""A comparison, or a run, on a pull request: a bounded comment in Markdown, in which nothing is live; and annotations.

A model's text cannot make a link, an image, a mention, a heading or HTML: inline text is escaped sign by sign,
and longer text stands in a code fence that is longer than any run of backticks in it. Annotations are workflow
commands of GitHub Actions, which show in the run.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from insideLLMs.compare.comparison import Change, Comparison
from insideLLMs.compare.differences.word_diff import word_diff
from insideLLMs.compare.gate.decide import Verdict
from insideLLMs.compare.one_run.verdict import DecidedRun, FailedExample
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import expand
from insideLLMs.report import evidence, wording
from insideLLMs.report.safe_text import printable, shorten, without_commands

SIZE_LIMIT = 60_000
"""GitHub refuses comments above 65,536 characters; the rest is for the marker and the link."""
_NAME_LIMIT = 80
_MARKER = re.compile(r"<!-- insidellms:[\w.-]+ -->")
_URL = re.compile(r"https?://[\w.:/%+-]{1,500}")
_INLINE_LIMIT = 200
_TEXT_LIMIT = 1_000
_ROWS = 50
_SPECIAL = re.compile(r"([\\`*_\[\]#!|~$])")
_LINK = re.compile(r"(?i)(:)(//)|(www)(\.)")
_REFERENCE = re.compile(r"([@#])(?=\w)")  # GitHub links these after Markdown is done, so no backslash helps
_BREAK = "\u200b"
_MARKS = {"passed": "✅", "failed": "❌", "inconclusive": "⚠️"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentFrame:
    """What stands around a comment: a marker with `name`, by which it is found again, and where to see everything."""

    name: str
    details_url: str = ""

    @property
    def marker(self) -> str:
        """The first line, which nobody sees."""
        plain = re.sub(r"[^\w.]+", "-", self.name, flags=re.ASCII).strip("-")[:_NAME_LIMIT]
        return f"<!-- insidellms:{plain or 'run'} -->"

    def around(self, text: str) -> str:
        """Return the whole comment."""
        link = f"\n[All trials: see the artefacts of this job]({self.details_url})\n"
        return f"{self.marker}\n{text}{link if _URL.fullmatch(self.details_url) else ''}"


def read_marker(text: str) -> str:
    """Return the marker that a comment begins with. Raises InsideLLMsError where there is none."""
    found = _MARKER.match(text)
    if found is None:
        raise InsideLLMsError(
            "the comment does not begin with a marker such as <!-- insidellms:NAME -->",
            fix="write it with --markdown, and keep its first line",
        )
    return found[0]


def diff_markdown(comparison: Comparison, verdict: Verdict, *, limit: int = 20, size_limit: int = SIZE_LIMIT) -> str:
    """Write the verdict, the table per probe and the worst changes, in fewer than `size_limit` characters.

    Changes that do not fit are left out whole, and their number is said.
    """
    several = len(comparison.models) > 1
    blocks = ("\n".join(_change(change, several=several)) for change in comparison.changes.listed[: max(0, limit)])
    noun = "changes; `insidellms diff --json` lists them"
    return _bounded("\n".join(_head(comparison, verdict)), blocks, comparison.changes.total, noun, size_limit)


def run_markdown(decided: DecidedRun, *, limit: int = 20, size_limit: int = SIZE_LIMIT) -> str:
    """Write one run: its verdict, the table per probe and model, and the worst examples, as `diff_markdown` does."""
    blocks = ("\n".join(_failed(failed, several=decided.several)) for failed in decided.worst[: max(0, limit)])
    return _bounded("\n".join(_run_head(decided)), blocks, decided.failing, "trials that did not pass", size_limit)


def _bounded(head: str, blocks: Iterable[str], total: int, noun: str, size_limit: int) -> str:
    """Put blocks below the head as long as they fit, and say how many are left out."""
    closing_room = 200
    body: list[str] = []
    size = len(head)
    for block in blocks:
        if size + len(block) + closing_room > size_limit:
            break
        body.append(block)
        size += len(block) + 1
    left = total - len(body)
    closing = [f"\n… and {left:,} more {noun}."] if left > 0 else []
    text = "\n".join([head, *body, *closing]) + "\n"
    return text if len(text) <= size_limit else shorten(head, size_limit - 1) + "\n"


def _run_head(decided: DecidedRun) -> Iterator[str]:
    verdict, summary = decided.verdict, decided.summary
    if decided.is_gated:
        yield f"## {_MARKS[verdict.state]} insideLLMs: {wording.MARKS[verdict.state].lower()}"
    else:
        yield f"## insideLLMs: {wording.many(decided.failing, 'trial')} did not pass, and nothing was gated"
    yield ""
    yield from (f"- {escape(reason, 500)}" for reason in verdict.reasons[:_ROWS])
    yield ""
    yield f"run {escape(decided.label)} ({escape(summary.run_id[:12])}, {wording.many(summary.trials, 'trial')})"
    yield ""
    for told in wording.extent(summary):
        yield escape(told)
        yield ""
    yield f"| probe | subject | passed | {summary.confidence_level:.0%} interval | no answer |"
    yield "| --- | --- | --- | --- | --- |"
    for result in summary.results[:100]:
        spread = wording.interval(expand(result.pass_rate), percent=True) if result.pass_rate else "–"
        rate = wording.rate(result.passed, result.scored)
        names = (escape(result.probe, 80), escape(result.subject.label, 80))
        yield f"| {' | '.join((*names, rate, spread, wording.unanswered(result.statuses)))} |"
    yield ""


def _failed(failed: FailedExample, *, several: bool) -> Iterator[str]:
    yield f"<details><summary>{_html(wording.failed(failed, several=several))} — {_html(failed.why)}</summary>\n"
    if failed.expected:
        yield f"expected: {escape(' | '.join(failed.expected))}\n"
    yield f"answer\n\n{fence(failed.answer or '(none)')}\n"
    yield "</details>\n"


def escape(text: str, limit: int = _INLINE_LIMIT) -> str:
    """Make text safe inline, also in a table cell: one line, every sign that Markdown, HTML or GitHub reads escaped."""
    plain = html.escape(_REFERENCE.sub(rf"\1{_BREAK}", shorten(printable(text), limit)), quote=False)
    plain = _SPECIAL.sub(r"\\\1", plain)
    return _LINK.sub(lambda found: f"{found[1] or found[3]}{_BREAK}{found[2] or found[4]}", plain)


def fence(text: str, limit: int = _TEXT_LIMIT, language: str = "text") -> str:
    """Put text into a code fence that it cannot close."""
    body = shorten(printable(text, keep_newlines=True), limit)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{body}\n{ticks}"


def _head(comparison: Comparison, verdict: Verdict) -> Iterator[str]:
    state = f"{_MARKS[verdict.state]} insideLLMs: {wording.MARKS[verdict.state].lower()}"
    yield f"## {state} (gate: {escape(wording.policy(verdict))})"
    yield ""
    yield from (f"- changed: {escape(line, 800)}" for line in wording.experiment(comparison)[:20])
    yield ""
    yield from (f"- {escape(reason, 500)}" for reason in verdict.reasons)
    yield ""
    sides = (("baseline", comparison.baseline), ("candidate", comparison.candidate))
    yield ", ".join(f"{name} {escape(side.label)} (run {escape(side.run_id[:12])})" for name, side in sides)
    yield ""
    yield "| probe | passed | change | trials |"
    yield "| --- | --- | --- | --- |"
    several = len(comparison.models) > 1
    rows = [(wording.member(probe, several=several), probe.tally) for probe in comparison.probes[:100]]
    if len(comparison.probes) != 1:
        rows.append(("all", comparison.overall))
    for name, tally in rows:
        cells = (escape(name, 80), wording.paired_rates(tally), wording.points(tally), wording.classes(tally))
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield from _evidence(verdict)
    yield from (f"- {escape(note, 300)}" for note in wording.served_notes(comparison)[:5])
    yield from (f"- {escape(warning, 300)}" for warning in comparison.warnings[:20])
    yield ""


def _evidence(verdict: Verdict) -> Iterator[str]:
    found = verdict.assessment
    if found is not None and found.overall.n_paired:
        yield f"| {' | '.join(evidence.COLUMNS)} |"
        yield f"|{' --- |' * len(evidence.COLUMNS)}"
        rows = list(evidence.evidence_rows(found))
        shown = rows if len(rows) <= _ROWS else [*rows[:_ROWS], rows[-1]]
        yield from (f"| {' | '.join((*(escape(cell, 80) for cell in row),))} |" for row in shown)
        yield ""
    yield from (f"- {escape(line, 500)}" for line in evidence.evidence_lines(verdict))
    yield ""


def _change(change: Change, *, several: bool) -> Iterator[str]:
    title = f"<b>{wording.words(change.kind)}</b> {_html(wording.trial(change.trial, several=several))}"
    note = f" — {_html(change.note)}" if change.note else ""
    yield f"<details><summary>{title}{note}</summary>\n"
    yield f"prompt\n\n{fence(change.prompt)}\n"
    if change.expected:
        yield f"expected: {escape(' | '.join(change.expected))}\n"
    if change.steps:
        yield f"steps\n\n{fence(chr(10).join(change.steps))}\n"
    elif change.paths:
        yield f"differs at: {escape(', '.join(change.paths))}\n"
    before, after = wording.outcome_text(change.baseline), wording.outcome_text(change.candidate)
    segments = word_diff(before, after) if before != after else None
    if segments is not None:
        marks = {"removed": ("[-", "-]"), "added": ("{+", "+}")}
        told = "".join("{1}{0}{2}".format(text, *marks.get(kind, ("", ""))) for kind, text in segments)
        yield f"answer\n\n{fence(told)}\n"
    else:
        yield f"baseline\n\n{fence(before)}\n\ncandidate\n\n{fence(after)}\n"
    yield "</details>\n"


def _html(text: str) -> str:
    """Make text safe inside an HTML block, where Markdown's signs mean nothing but GitHub's references do."""
    return html.escape(_REFERENCE.sub(rf"\1{_BREAK}", shorten(printable(text), _INLINE_LIMIT)))


_MOST_ANNOTATIONS = 10
"""GitHub shows ten annotations of a kind in a step."""
_ANNOTATION_LIMIT = 600
_KINDS = {"passed": "notice", "failed": "error", "inconclusive": "warning"}


def annotations(comparison: Comparison, verdict: Verdict, *, limit: int = _MOST_ANNOTATIONS) -> Iterator[str]:
    """Yield one command for the verdict, then one for each Trial to look at first, `limit` in all."""
    title = f"insideLLMs: {wording.MARKS[verdict.state].lower()}"
    yield _command(_KINDS[verdict.state], title, " ".join(f"{reason.rstrip('.')}." for reason in verdict.reasons))
    if verdict.state == "passed":
        return
    told = {change.trial: change for change in comparison.changes.listed}
    several = len(comparison.models) > 1
    for name in verdict.look_first[: max(0, limit - 1)]:
        change = told.get(name)
        kind, note = (wording.words(change.kind), change.note) if change else ("look at", "")
        yield _command("warning", f"{kind}: {wording.trial(name, several=several)}", note or kind)


def run_annotations(decided: DecidedRun, *, limit: int = _MOST_ANNOTATIONS) -> Iterator[str]:
    """Yield one command for the verdict on a run, then one for each example to look at first, `limit` in all."""
    verdict = decided.verdict
    shown = verdict.look_first if decided.is_gated else decided.worst
    if decided.is_gated:
        title = f"insideLLMs: {wording.MARKS[verdict.state].lower()}"
        yield _command(_KINDS[verdict.state], title, " ".join(f"{reason.rstrip('.')}." for reason in verdict.reasons))
    for failed in shown[: max(0, limit - 1)]:
        yield _command(
            "warning", f"did not pass: {wording.failed(failed, several=decided.several)}", failed.why or "did not pass"
        )


def _command(kind: str, title: str, text: str) -> str:
    """Spell a command; a text can neither end it nor start another one."""
    safe_title, safe_text = (without_commands(printable(given)) for given in (title, text))
    named = _percent(shorten(safe_title, 200)).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={named}::{_percent(shorten(safe_text, _ANNOTATION_LIMIT))}"


def _percent(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
