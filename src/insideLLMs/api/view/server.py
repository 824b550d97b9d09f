"""A folder of runs, served on loopback: its home page, reports, comparisons, and labelling."""

import io
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from insideLLMs.api.compare import DecidedComparison, compare_runs
from insideLLMs.api.view.example_reviews import ReviewFile
from insideLLMs.api.view.label_sample import LabelSample, SampledAnswer, draw, rubrics_of, shown_answers
from insideLLMs.api.view.run_folder import RunFolder
from insideLLMs.compare.answers.ignored import Ignored
from insideLLMs.compare.run_labels import RunLabels
from insideLLMs.compare.sides import views_of
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.report.viewer.diff_page import write_diff_page
from insideLLMs.report.viewer.home_page import HOME_PROGRAM, home_page
from insideLLMs.report.viewer.label_page import LABEL_PROGRAM, answers_page, review_page, start_page
from insideLLMs.report.viewer.page import content_policy, escape, plain_page, served_policy
from insideLLMs.report.viewer.run_page import write_sealed_page
from insideLLMs.store.labels import MAX_NOTE, Drawn, PersonLabel, Said, append_label, now
from insideLLMs.store.sealed_run import SealedRun

LOOPBACK = "127.0.0.1"
_HOSTS = {"127.0.0.1", "localhost", "[::1]"}
_MOST_BODY_BYTES = 8 * MAX_NOTE
_IDLE_S = 60
_ONLY_A_COPY = (
    "The runs here are copies of those at a URL, and labels in a copy would be lost.",
    "Copy the run to this machine, and label it there.",
)


class SentLabel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the labelling page sends: a person's word on an answer of the sample that it shows."""

    answer: str
    verdict: Said
    note: str
    drawn: Drawn
    shown: tuple[str, ...]


class ViewServer(ThreadingHTTPServer):
    """Serves a RunFolder to this machine alone; port 0 chooses a free one.

    Labels are those of `person`; of None nothing can be labelled, as the runs are copies that are not kept. `reviews`
    are examples to be accepted or rejected. `token` is in the pages that store either, and in no other page.
    """

    daemon_threads = True

    def __init__(
        self, root: Path, port: int = 0, *, person: str | None = None, reviews: ReviewFile | None = None
    ) -> None:
        self.folder = RunFolder(root)
        self.reviews = reviews
        self.person = person
        self.token = secrets.token_urlsafe(32)
        self.sampled: dict[tuple[str, str], SampledAnswer] = {}
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def save(self, run: str, sent: SentLabel) -> bool:
        """Store a label; whether its answer is one that a page of this server showed. Raises RunDirectoryError."""
        found = self.sampled.get((run, sent.answer))
        if found is None or self.person is None:
            return False
        trial = found.trial
        label = PersonLabel(
            answer=sent.answer,
            by=self.person,
            verdict=sent.verdict,
            at=now(),
            probe=trial.probe,
            dataset=trial.dataset,
            example_id=trial.example_id,
            model=trial.model,
            prompt=trial.prompt,
            repeat=trial.repeat,
            drawn=sent.drawn,
            note=sent.note[:MAX_NOTE],
            shown=sent.shown,
        )
        append_label(self.folder.root / run, label)
        return True


class _Handler(BaseHTTPRequestHandler):
    server: ViewServer
    server_version = "insidellms"
    sys_version = ""
    timeout = _IDLE_S

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        match [unquote(part) for part in parts.path.split("/") if part]:
            case []:
                self._home(query)
            case ["diff"]:
                self._diff(query)
            case ["runs", name] | ["runs", name, "report.html"]:
                self._report(name)
            case ["runs", name, "label"]:
                self._label(name, query)
            case ["review"] if self.server.reviews is not None:
                self._review(self.server.reviews)
            case _:
                self._say(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:
        """Store a label that a page of this very server sends, as its origin and its token say."""
        if not self._is_ours():
            return
        body = self._body()
        match [unquote(part) for part in urlsplit(self.path).path.split("/") if part]:
            case ["runs", name, "labels"] if name in set(self.server.folder.names()):
                self._save(body, lambda sent: self.server.save(name, sent))
            case ["review"] if (reviews := self.server.reviews) is not None:
                self._save(body, lambda sent: reviews.save(sent.answer, sent.verdict))
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "There is no such run any more.")

    def _is_ours(self) -> bool:
        # A page from elsewhere may have its name resolve to loopback; its requests still name its own host.
        if (self.headers.get("Host") or "").rpartition(":")[0] in _HOSTS:
            return True
        self._say(HTTPStatus.FORBIDDEN, "This server answers only to 127.0.0.1 and localhost.")
        return False

    def _body(self) -> bytes | None:
        """Return what was sent; None if it is too much to be a label, or is said to be none."""
        said = self.headers.get("Content-Length") or ""
        is_fine = said.isascii() and said.isdigit() and len(said) < 9 and int(said) <= _MOST_BODY_BYTES
        self.close_connection = True
        return self.rfile.read(int(said)) if is_fine else None

    def _save(self, body: bytes | None, save: Callable[[SentLabel], bool]) -> None:
        origin, token = self.headers.get("Origin"), self.headers.get("X-Insidellms-Token") or ""
        is_json = self.headers.get("Content-Type") == "application/json"
        if origin != f"http://{self.headers.get('Host')}" or not is_json:
            self._answer(HTTPStatus.FORBIDDEN, "Labels are taken from a page of this server only.")
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._answer(HTTPStatus.FORBIDDEN, "The server was started again: reload this page, and go on.")
        else:
            self._store(body, save)

    def _store(self, body: bytes | None, save: Callable[[SentLabel], bool]) -> None:
        try:
            is_known = save(msgspec.json.decode(body or b"", type=SentLabel))
        except (msgspec.DecodeError, ValueError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, f"That is no label: {error}")
        except InsideLLMsError as error:
            self._answer(HTTPStatus.CONFLICT, f"{error.message}. {error.fix or ''}")
        else:
            told = "saved" if is_known else "This answer is not known here: reload this page."
            self._answer(HTTPStatus.OK if is_known else HTTPStatus.CONFLICT, told)

    def _home(self, query: Mapping[str, list[str]]) -> None:
        folder = self.server.folder
        try:
            runs = folder.entries()
        except InsideLLMsError as error:
            self._say(HTTPStatus.CONFLICT, error.message, error.fix or "")
            return
        baseline = _last(query, "baseline")
        known = baseline if any(run.name == baseline for run in runs) else None
        shown = str(folder.root if folder.root.name else folder.root.resolve())  # `.` names no folder
        self._send(HTTPStatus.OK, home_page(shown, runs, baseline=known), served_policy(HOME_PROGRAM))

    def _report(self, name: str) -> None:
        # Only names that the folder's own listing has: nothing of the address becomes a path. The page is made of the
        # records, here and now: the run may be somebody else's, and its report.html anything.
        if self._knows(name):
            path = self.server.folder.root / name
            self._send_page(lambda out: write_sealed_page(out, SealedRun.open(path)))

    def _knows(self, name: str) -> bool:
        if name in set(self.server.folder.names()):
            return True
        self._say(HTTPStatus.NOT_FOUND, f"There is no run {name!r}.")
        return False

    def _diff(self, query: Mapping[str, list[str]]) -> None:
        names = [_last(query, "baseline"), _last(query, "candidate")]
        if not set(self.server.folder.names()).issuperset(names):
            self._say(HTTPStatus.NOT_FOUND, "Name two runs of this folder as baseline and candidate.")
            return
        baseline, candidate = (self.server.folder.root / name for name in names)

        def write(out: BinaryIO) -> None:
            found = compare_runs([SealedRun.open(baseline)], [SealedRun.open(candidate)])
            self.server.folder.verdicts[names[1]] = f"{found.verdict.state} against {names[0]}"
            _write_diff(out, found)

        self._send_page(write)

    def _label(self, name: str, query: Mapping[str, list[str]]) -> None:
        person = self.server.person
        if not self._knows(name):
            return
        if person is None:
            self._say(HTTPStatus.CONFLICT, *_ONLY_A_COPY)
            return
        try:
            page = self._answers(name, query, person) if query else self._start(name, person)
        except InsideLLMsError as error:
            self._say(HTTPStatus.CONFLICT, error.message, error.fix or "")
        except msgspec.ValidationError as error:
            self._say(HTTPStatus.BAD_REQUEST, f"There is no such sample: {error}.")
        else:
            self._send(HTTPStatus.OK, page, served_policy(LABEL_PROGRAM))

    def _review(self, reviews: ReviewFile) -> None:
        try:
            page = review_page(reviews.path.name, token=self.server.token, answers=reviews.shown())
        except InsideLLMsError as error:
            self._say(HTTPStatus.CONFLICT, error.message, error.fix or "")
        else:
            self._send(HTTPStatus.OK, page, served_policy(LABEL_PROGRAM))

    def _start(self, name: str, person: str) -> bytes:
        found = RunLabels.beside(SealedRun.open(self.server.folder.root / name))
        return start_page(name, person, found.report(), found.agreed)

    def _answers(self, name: str, query: Mapping[str, list[str]], person: str) -> bytes:
        given = {key: values[-1] for key, values in query.items() if key != "show"}
        sample = msgspec.convert({**given, "shown": sorted(set(query.get("show", ())))}, LabelSample, strict=False)
        run = SealedRun.open(self.server.folder.root / name)
        answers = draw(run, sample)
        self.server.sampled.update({(name, each.answer): each for each in answers})
        return answers_page(
            name,
            person=person,
            token=self.server.token,
            drawn=sample.drawn,
            shown=sample.shown,
            rubrics=rubrics_of(run),
            answers=shown_answers(answers, sample, person),
        )

    def _send_page(self, write: Callable[[BinaryIO], None]) -> None:
        """Send a page with what runs hold, in a sandbox: it is of no origin, so that it can read nothing else here."""
        page = io.BytesIO()
        try:
            write(page)
        except InsideLLMsError as error:
            self._say(HTTPStatus.CONFLICT, error.message, error.fix or "")
            return
        self._send(HTTPStatus.OK, page.getvalue(), f"{content_policy()}; sandbox allow-scripts")

    def _say(self, status: HTTPStatus, *lines: str) -> None:
        self._send(status, message_page(status.phrase, *lines), content_policy())

    def _answer(self, status: HTTPStatus, told: str) -> None:
        self._send(status, told.encode(), content_policy(), kind="text/plain")

    def _send(self, status: HTTPStatus, page: bytes, policy: str, *, kind: str = "text/html") -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(page))),
            ("Content-Security-Policy", f"{policy}; frame-ancestors 'none'"),
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


def _last(query: Mapping[str, list[str]], name: str) -> str:
    return query.get(name, [""])[-1]


def _write_diff(out: BinaryIO, found: DecidedComparison) -> None:
    before, after = views_of((found.baseline, found.candidate), Ignored(found.policy))
    write_diff_page(
        out,
        comparison=found.comparison,
        verdict=found.verdict,
        baseline=before,
        candidate=after,
        options=found.setup.options,
    )


def message_page(title: str, *lines: str) -> bytes:
    """Return a page that says something in so many paragraphs."""
    paragraphs = (f"<p>{escape(line)}</p>" for line in lines)
    return plain_page(title=title, body=[*paragraphs, '<p><a href="/">All runs</a></p>'])
