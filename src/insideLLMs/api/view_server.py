"""A folder of runs, served on loopback: reports, comparisons, and the progress of runs that are being made."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import msgspec

from insideLLMs.api.compare import compare_runs
from insideLLMs.compare.ignored import Ignored
from insideLLMs.compare.sides import views_of
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report import wording
from insideLLMs.report.viewer.diff_page import write_diff_page
from insideLLMs.report.viewer.page import content_policy, escape, plain_page
from insideLLMs.report.viewer.run_page import write_sealed_page
from insideLLMs.store.progress import JournalWatch
from insideLLMs.store.run_root import run_paths
from insideLLMs.store.sealed_run import SealedRun, State, state_of

LOOPBACK = "127.0.0.1"
_HOSTS = {"127.0.0.1", "localhost", "[::1]"}


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


class RunFolder:
    """The runs right below a folder, read again at each request."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._watches: dict[str, JournalWatch] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of the runs, newest last as far as names tell."""
        return tuple(path.name for path in run_paths(self.root)) if self.root.is_dir() else ()

    def entries(self) -> list[RunEntry]:
        """Return what there is to say of each run; one that changes under our eyes or is damaged is left out."""
        entries = []
        for name in self.names():
            try:
                entries.append(self._entry(name))
            except (InsideLLMsError, OSError):
                continue
        return entries

    def _entry(self, name: str) -> RunEntry:
        path = self.root / name
        if state_of(path) is State.SEALED:
            run = SealedRun.open(path)
            return RunEntry(
                name=name,
                run_id=run.manifest.run_id,
                trials=run.manifest.trials,
                statuses=run.manifest.statuses,
                results=msgspec.to_builtins(run.summary.results),
            )
        found = self._watches.setdefault(name, JournalWatch(path)).look()
        return RunEntry(name=name, run_id=found.run_id, trials=found.trials, statuses=found.statuses, is_done=False)


class ViewServer(ThreadingHTTPServer):
    """Serves a RunFolder to this machine alone; port 0 chooses a free one."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self.folder = RunFolder(root)
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    server_version = "insidellms"
    sys_version = ""

    def do_GET(self) -> None:
        # A page from elsewhere may have its name resolve to loopback; its requests still name its own host.
        if (self.headers.get("Host") or "").rpartition(":")[0] not in _HOSTS:
            self._say(HTTPStatus.FORBIDDEN, "This server answers only to 127.0.0.1 and localhost.")
            return
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = [unquote(part) for part in parts.path.split("/") if part]
        match path:
            case []:
                self._folder(query)
            case ["diff"]:
                self._diff(query)
            case ["runs", name] | ["runs", name, "report.html"]:
                self._report(name)
            case _:
                self._say(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _folder(self, query: dict[str, str]) -> None:
        folder = self.server.folder
        baseline = query.get("baseline")
        known = baseline if baseline in set(folder.names()) else None
        self._send(HTTPStatus.OK, folder_page(str(folder.root), folder.entries(), baseline=known))

    def _report(self, name: str) -> None:
        # Only names that the folder's own listing has: nothing of the address becomes a path. The page is made of the
        # records, here and now: the run may be somebody else's, and its report.html anything.
        if name not in set(self.server.folder.names()):
            self._say(HTTPStatus.NOT_FOUND, f"There is no run {name!r}.")
            return
        run_path = self.server.folder.root / name
        self._send_page(lambda out: write_sealed_page(out, SealedRun.open(run_path)))

    def _diff(self, query: dict[str, str]) -> None:
        names = [query.get("baseline", ""), query.get("candidate", "")]
        known = set(self.server.folder.names())
        if not known.issuperset(names):
            self._say(HTTPStatus.NOT_FOUND, "Name two runs of this folder as baseline and candidate.")
            return
        paths = [self.server.folder.root / name for name in names]
        self._send_page(lambda out: _write_diff(out, *map(SealedRun.open, paths)))

    def _send_page(self, write: Callable[[BinaryIO], None]) -> None:
        """Send a page with what runs hold, in a sandbox: it is of no origin, so that it can read nothing else here."""
        page = io.BytesIO()
        try:
            write(page)
        except InsideLLMsError as error:
            self._say(HTTPStatus.CONFLICT, error.message, error.fix or "")
            return
        self._send(HTTPStatus.OK, page.getvalue(), sandbox="; sandbox allow-scripts")

    def _say(self, status: HTTPStatus, *lines: str) -> None:
        self._send(status, message_page(status.phrase, *lines))

    def _send(self, status: HTTPStatus, page: bytes, *, sandbox: str = "") -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(page))),
            ("Content-Security-Policy", f"{content_policy()}; frame-ancestors 'none'{sandbox}"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what people look at is nobody's business."""


def _write_diff(out: BinaryIO, baseline: SealedRun, candidate: SealedRun) -> None:
    found = compare_runs([baseline], [candidate])
    before, after = views_of((baseline, candidate), Ignored(found.policy))
    write_diff_page(
        out,
        comparison=found.comparison,
        verdict=found.verdict,
        baseline=before,
        candidate=after,
        options=found.setup.options,
    )


REFRESH_S = 2


def folder_page(folder: str, entries: Sequence[RunEntry], *, baseline: str | None = None) -> bytes:
    """Return the page; with a `baseline` every other run offers to be compared with it.

    While a run is not done the page reloads itself every REFRESH_S seconds.
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
