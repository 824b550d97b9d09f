"""A folder of runs, served on loopback: reports, comparisons, and the progress of runs that are being made."""

import io
import shutil
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from insideLLMs.api.compare import compare_runs
from insideLLMs.compare.view import views_of
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report.viewer.diff_page import write_diff_page
from insideLLMs.report.viewer.folder_page import RunEntry, folder_page, message_page
from insideLLMs.store.progress import JournalWatch
from insideLLMs.store.sealed_run import MARKER, REPORT, SealedRun, State, state_of

LOOPBACK = "127.0.0.1"
_HOSTS = {"127.0.0.1", "localhost", "[::1]"}


class RunFolder:
    """The runs right below a folder, read anew whenever they are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._watches: dict[str, JournalWatch] = {}

    def names(self) -> Iterator[str]:
        """Yield the names of the runs, newest last as far as names tell."""
        if self.root.is_dir():
            yield from sorted(path.name for path in self.root.iterdir() if (path / MARKER).is_file())

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
    """Serves a RunFolder to this machine alone; port 0 takes a free one."""

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
            self._say(HTTPStatus.FORBIDDEN, "This server answers to 127.0.0.1 and localhost alone.")
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
        # Only names that the folder's own listing has: nothing of the address becomes a path.
        if name not in set(self.server.folder.names()):
            self._say(HTTPStatus.NOT_FOUND, f"There is no run {name!r}.")
            return
        try:
            file = (self.server.folder.root / name / REPORT).open("rb")
        except OSError:
            self._say(HTTPStatus.NOT_FOUND, f"The run {name!r} has no page yet.")
            return
        with file:
            self._head(HTTPStatus.OK, file.seek(0, 2))
            file.seek(0)
            shutil.copyfileobj(file, self.wfile)

    def _diff(self, query: dict[str, str]) -> None:
        names = [query.get("baseline", ""), query.get("candidate", "")]
        known = set(self.server.folder.names())
        if not known.issuperset(names):
            self._say(HTTPStatus.NOT_FOUND, "Name two runs of this folder as baseline and candidate.")
            return
        page = io.BytesIO()
        try:
            baseline, candidate = (SealedRun.open(self.server.folder.root / name) for name in names)
            judged = compare_runs([baseline], [candidate])
            before, after = views_of((baseline, candidate))
            write_diff_page(
                page,
                comparison=judged.comparison,
                verdict=judged.verdict,
                baseline=before,
                candidate=after,
                options=judged.options,
            )
        except InsideLLMsError as error:
            self._say(HTTPStatus.CONFLICT, error.message, error.fix or "")
            return
        self._send(HTTPStatus.OK, page.getvalue())

    def _say(self, status: HTTPStatus, *lines: str) -> None:
        self._send(status, message_page(status.phrase, *lines))

    def _send(self, status: HTTPStatus, page: bytes) -> None:
        self._head(status, len(page))
        self.wfile.write(page)

    def _head(self, status: HTTPStatus, size_bytes: int) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(size_bytes)),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what people look at is nobody's business."""
