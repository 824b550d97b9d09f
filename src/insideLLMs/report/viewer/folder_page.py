"""The list of a folder's runs as a page: results of those that are done, progress of those that are not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from insideLLMs.report import wording
from insideLLMs.report.viewer.page import escape, plain_page

REFRESH_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """A run of the folder. `results` are those of its summary; a run that is not done has none."""

    name: str
    run_id: str
    trials: int
    statuses: Mapping[str, int]
    results: Sequence[Mapping[str, Any]] = ()
    is_done: bool = True

    @property
    def finished(self) -> int:
        """How many Trials are finished, answered or not."""
        return sum(self.statuses.values())


def folder_page(folder: str, entries: Sequence[RunEntry], *, baseline: str | None = None) -> bytes:
    """Return the page; with a `baseline` every other run offers to be compared with it.

    While a run is not done the page loads itself anew every REFRESH_S seconds.
    """
    live = any(not entry.is_done for entry in entries)
    body = _body(entries, baseline)
    return plain_page(title=f"Runs in {folder}", body=body, refresh_s=REFRESH_S if live else None)


def message_page(title: str, *lines: str) -> bytes:
    """Return a page that says something in so many paragraphs."""
    paragraphs = (f"<p>{escape(line)}</p>" for line in lines)
    return plain_page(title=title, body=[*paragraphs, '<p><a href="/">All runs</a></p>'])


def _body(entries: Sequence[RunEntry], baseline: str | None) -> Iterator[str]:
    yield f'<p class="said">{escape(wording.many(len(entries), "run"))}</p>'
    if baseline is not None:
        yield f'<p>Compare with the baseline {escape(baseline)}: choose a candidate. <a href="/">Leave it</a></p>'
    yield '<div class="wide" tabindex="0" role="group" aria-label="Runs"><table class="results"><thead><tr>'
    yield from (f'<th scope="col">{title}</th>' for title in ("Run", "Answered", "Passed", "Compare"))
    yield "</tr></thead><tbody>"
    for entry in entries:
        yield _row(entry, baseline)
    yield "</tbody></table></div>"
    if not entries:
        yield '<p class="nothing">No runs yet; <code>insidellms run</code> makes one.</p>'


def _row(entry: RunEntry, baseline: str | None) -> str:
    name = escape(entry.name)
    shown = f'<a href="/runs/{quote(entry.name, safe="")}/">{name}</a>' if entry.is_done else name
    cells = (f'{shown}<br><span class="said">{escape(entry.run_id[:12])}</span>', _state(entry), _passed(entry))
    row = "".join(f"<td>{cell}</td>" for cell in (*cells, _compare(entry, baseline)))
    return f"<tr>{row}</tr>\n"


def _state(entry: RunEntry) -> str:
    if entry.is_done:
        missing = wording.unanswered(entry.statuses)
        told = f"{entry.statuses.get('success', 0):,} of {entry.trials:,}"
        return escape(told if missing == "–" else f"{told}; {missing}")
    name = escape(f"Progress of {entry.name}")
    told = ", ".join(f"{count:,} {wording.words(status)}" for status, count in entry.statuses.items()) or "no trial yet"
    return (
        f'<progress max="{max(entry.trials, 1)}" value="{entry.finished}" aria-label="{name}"></progress> '
        f'{entry.finished:,} of {entry.trials:,} trials<br><span class="said">{escape(told)}</span>'
    )


def _passed(entry: RunEntry) -> str:
    several = len({result["model"] for result in entry.results}) > 1
    lines = (
        escape(
            f"{result['probe']}{' · ' + result['model'] if several else ''}: "
            f"{wording.rate(result['passed'], result['scored'])}"
        )
        for result in entry.results
        if result["scored"]
    )
    return "<br>".join(lines) or "–"


def _compare(entry: RunEntry, baseline: str | None) -> str:
    if not entry.is_done or entry.name == baseline:
        return "baseline" if entry.name == baseline else ""
    if baseline is None:
        return f'<a href="/?{urlencode({"baseline": entry.name})}">as the baseline …</a>'
    query = urlencode({"baseline": baseline, "candidate": entry.name})
    return f'<a href="/diff?{escape(query)}">with {escape(baseline)}</a>'
