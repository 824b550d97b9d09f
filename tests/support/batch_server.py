"""A server that speaks the batch APIs of OpenAI, Anthropic and Gemini, and answers single requests as support.wire.

Answers are the last user text in upper case. A test scripts it: `looks` is how often a batch is looked at before it
ends, `fate(job, number)` what becomes of a request ("ok", "expired", "busy" or "refused"), `doubles` repeats every
result, `hides(job)` keeps a batch out of listings, a creation whose number is in `loses` is answered with an error
though the batch is there, and `on_event(event, count)` is called at "upload", "creating" (before a batch exists),
"created" (before its answer is sent), "looked" and "results", each with how often it has come.
"""

import json
import threading
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

from support.api_server import SHAPES, last_text
from support.local_server import LocalServer, QuietHandler

REFUSED = {"type": "invalid_request_error", "message": "too long"}
BUSY = {"type": "server_error", "message": "busy"}


class Job:
    """One batch: `requests` are (custom_id, path, body); `created` is its number, from 1."""

    def __init__(self, created, kind, token, requests):
        self.id = f"{'batches/' if kind == 'gemini' else 'batch_'}{created:04}"
        self.created = created
        self.kind = kind
        self.token = token
        self.requests = requests
        self.looks = 0
        self.is_cancelled = False
        self.is_file = False


class BatchServer(LocalServer):
    """`with BatchServer() as server:` listens at `server.url`.

    `jobs` has every batch, `single` the single requests, and `most_bytes` is the size of the largest file.
    """

    def __init__(self, *, looks=1, fate=None, doubles=False, on_event=None, create_delay_s=0.0, refuses=None, loses=()):
        self.jobs = []
        self.files = {}
        self.single = []
        self.uploads = []
        self.most_bytes = 0
        self.events = Counter()
        self.looks = looks
        self.fate = fate or (lambda job, number: "ok")
        self.doubles = doubles
        self.on_event = on_event or (lambda event, count: None)
        self.create_delay_s = create_delay_s
        self.refuses = refuses
        self.loses = loses
        self.hides = lambda job: False
        self.lock = threading.RLock()
        server = self

        class Handler(QuietHandler):
            def do_POST(self):
                self.handle_call(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def do_GET(self):
                self.handle_call(b"")

            def handle_call(self, body):
                split = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(split.query).items()}
                status, value, *more = server.answer(self.command, split.path, query, body, self.headers)
                try:
                    self.answer(status, value, *more)
                except OSError:
                    self.close_connection = True  # the client was killed

        super().__init__(Handler)

    def answer(self, method, path, query, body, headers):
        """Return status and body for a call, and headers if it has some of its own."""
        if path == "/v1/files":
            return self.upload(body)
        if path.startswith("/v1/files/"):
            self.event("results")
            return 200, self.files[path.split("/")[3]]
        if path.startswith("/v1/messages/batches"):
            return self.anthropic(method, path, query, body)
        if path.startswith("/v1/batches"):
            return self.openai(method, path, query, body)
        if path == "/upload/v1beta/files":
            return self.gemini_upload(query, body, headers)
        if path.startswith("/download/v1beta/files/"):
            self.event("results")
            assert query == {"alt": "media"}
            return 200, self.files[path.removeprefix("/download/v1beta/").removesuffix(":download")]
        if path.startswith("/v1beta/batches") or path.endswith(":batchGenerateContent"):
            return self.gemini(method, path, query, body)
        shape = next(shape for end, shape in SHAPES.items() if path.endswith(end))
        with self.lock:
            self.single.append(path)
        return 200, shape(last_text(json.loads(body)).upper())

    def event(self, name):
        with self.lock:
            self.events[name] += 1
            count = self.events[name]
        self.on_event(name, count)

    def upload(self, body):
        with self.lock:
            name = f"file_{len(self.files)}"
            _, _, rest = body.partition(b"application/jsonl\r\n\r\n")
            self.files[name] = rest.rpartition(b"\r\n--")[0]
            self.most_bytes = max(self.most_bytes, len(self.files[name]))
        self.event("upload")
        return 200, {"id": name, "object": "file"}

    def gemini_upload(self, query, body, headers):
        """Take a file in the two steps of Google's resumable protocol."""
        told = {name.removeprefix("X-Goog-Upload-"): text for name, text in headers.items()}
        if not query:
            assert told["Protocol"] == "resumable"
            assert told["Command"] == "start"
            with self.lock:
                self.uploads.append((json.loads(body)["file"]["display_name"], int(told["Header-Content-Length"])))
            place = f"{self.url}/upload/v1beta/files?upload_id={len(self.uploads) - 1}&upload_protocol=resumable"
            return 200, {}, {"X-Goog-Upload-URL": place, "X-Goog-Upload-Status": "active"}
        assert told["Command"] == "upload, finalize"
        assert told["Offset"] == "0"
        number = int(query["upload_id"])
        shown, size = self.uploads[number]
        assert len(body) == size
        name = f"files/{number:08}"
        with self.lock:
            self.files[name] = body
            self.most_bytes = max(self.most_bytes, len(body))
        self.event("upload")
        return 200, {"file": {"name": name, "displayName": shown, "sizeBytes": str(size), "state": "ACTIVE"}}

    def create(self, kind, token, requests):
        self.event("creating")
        time.sleep(self.create_delay_s)
        with self.lock:
            job = Job(len(self.jobs) + 1, kind, token, requests)
            self.jobs.append(job)
        self.event("created")
        return job

    def created(self, job, form):
        return (500, {"error": BUSY}) if job.created in self.loses else (200, form(job))

    def listed(self):
        """Return what listings have, the newest first."""
        return [job for job in self.jobs[::-1] if not self.hides(job)]

    def look(self, path, prefix):
        with self.lock:
            job = next(
                job
                for job in self.jobs
                if job.id == path.removeprefix(prefix).split("/cancel")[0].split(":")[0].removesuffix("/results")
            )
            if path.endswith(("/cancel", ":cancel")):
                job.is_cancelled = job.is_cancelled or not self.ended(job)
            job.looks += 1
        self.event("looked")
        return job

    def ended(self, job):
        return job.is_cancelled or job.looks > self.looks

    def fates(self, job):
        return ["expired" if job.is_cancelled else self.fate(job, number) for number in range(len(job.requests))]

    def results(self, job, form):
        """Return what `form` makes of each request that did not expire unheard, in reverse order."""
        made = []
        for (custom_id, path, body), fate in zip(job.requests, self.fates(job), strict=True):
            shape = next(shape for end, shape in SHAPES.items() if path.endswith(end))
            line = form(custom_id, shape(last_text(body).upper()), fate)
            made += [line] * (2 if self.doubles else 1) if line is not None else []
        return made[::-1]

    def counts(self, job):
        fates = self.fates(job) if self.ended(job) else []
        return fates.count("ok"), len(fates) - fates.count("ok"), len(job.requests)

    def openai(self, method, path, query, body):
        if method == "POST" and path == "/v1/batches":
            order = json.loads(body)
            if self.refuses:
                return self.refuses
            lines = [json.loads(line) for line in self.files[order["input_file_id"]].splitlines()]
            assert {line["url"] for line in lines} == {order["endpoint"]}
            requests = [(line["custom_id"], line["url"], line["body"]) for line in lines]
            job = self.create("openai", order["metadata"]["insidellms"], requests)
            return self.created(job, self.openai_batch)
        if path == "/v1/batches":
            return 200, self.page(query, "after", self.openai_batch, 2)
        return 200, self.openai_batch(self.look(path, "/v1/batches/"))

    def openai_batch(self, job):
        done, failed, total = self.counts(job)
        batch = {
            "id": job.id,
            "status": "in_progress",
            "metadata": {"insidellms": job.token},
            "request_counts": {"completed": done, "failed": failed, "total": total},
        }
        if self.ended(job):
            fates = self.fates(job)
            batch["status"] = "cancelled" if job.is_cancelled else "expired" if "expired" in fates else "completed"
            lines = [json.dumps(line).encode() + b"\n" for line in self.results(job, openai_line)]
            with self.lock:
                self.files[f"out{job.created}"] = b"".join(lines)
            batch["output_file_id"] = f"out{job.created}"
        return batch

    def page(self, query, name, form, size):
        """Return a page of a listing, the newest first."""
        jobs = self.listed()
        start = next((place + 1 for place, job in enumerate(jobs) if job.id == query.get(name)), 0)
        size = min(size, int(query.get("limit", size)))
        shown = jobs[start : start + size]
        has_more = start + size < len(jobs)
        return {"data": [form(job) for job in shown], "has_more": has_more, "last_id": shown[-1].id if shown else None}

    def anthropic(self, method, path, query, body):
        if method == "POST" and path == "/v1/messages/batches":
            requests = [(one["custom_id"], "/v1/messages", one["params"]) for one in json.loads(body)["requests"]]
            return self.created(self.create("anthropic", "", requests), self.anthropic_batch)
        if path == "/v1/messages/batches":
            for job in self.jobs:
                job.looks += 1  # time goes by
            return 200, self.page(query, "after_id", self.anthropic_batch, 2)
        job = self.look(path, "/v1/messages/batches/")
        if path.endswith("/results"):
            self.event("results")
            return 200, b"".join(json.dumps(line).encode() + b"\n" for line in self.results(job, anthropic_line))
        return 200, self.anthropic_batch(job)

    def anthropic_batch(self, job):
        done, failed, total = self.counts(job)
        is_ended = self.ended(job)
        return {
            "id": job.id,
            "processing_status": "ended" if is_ended else "in_progress",
            "request_counts": {
                "processing": 0 if is_ended else total,
                "succeeded": done,
                "errored": failed,
                "canceled": 0,
                "expired": 0,
            },
        }

    def gemini(self, method, path, query, body):
        if path.endswith(":batchGenerateContent"):
            order = json.loads(body)["batch"]
            single = path.replace(":batchGenerateContent", ":generateContent")
            asked = order["input_config"]
            if "file_name" in asked:
                lines = [json.loads(line) for line in self.files[asked["file_name"]].splitlines()]
                requests = [(line["key"], single, line["request"]) for line in lines]
            else:
                requests = [(one["metadata"]["key"], single, one["request"]) for one in asked["requests"]["requests"]]
            job = self.create("gemini", order["display_name"], requests)
            job.is_file = "file_name" in asked
            return self.created(job, self.gemini_batch)
        if path == "/v1beta/batches":
            start, jobs = int(query.get("pageToken", 0)), self.listed()
            page = {"operations": [self.gemini_batch(job) for job in jobs[start : start + 2]]}
            return 200, {**page, **({"nextPageToken": str(start + 2)} if start + 2 < len(jobs) else {})}
        return 200, self.gemini_batch(self.look(path, "/v1beta/"))

    def gemini_batch(self, job):
        done, failed, total = self.counts(job)
        stats = {"requestCount": str(total), "successfulRequestCount": str(done), "failedRequestCount": str(failed)}
        facts = {"displayName": job.token, "state": "BATCH_STATE_RUNNING", "batchStats": stats}
        if not self.ended(job):
            return {"name": job.id, "metadata": facts}
        done = {"name": job.id, "done": True, "metadata": {**facts, "state": "BATCH_STATE_SUCCEEDED"}}
        if job.is_cancelled:
            facts["state"] = "BATCH_STATE_CANCELLED"
            return {**done, "metadata": facts, "error": {"code": 1, "message": "The operation was cancelled."}}
        if not job.is_file:
            return {**done, "response": {"inlinedResponses": {"inlinedResponses": self.results(job, gemini_line)}}}
        name = f"files/batch-{job.created}"
        lines = [{"key": line.pop("metadata")["key"], **line} for line in self.results(job, gemini_line)]
        with self.lock:
            self.files[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return {**done, "response": {"responsesFile": name}}


def openai_line(custom_id, body, fate):
    line = {"id": "x", "custom_id": custom_id, "response": None, "error": None}
    match fate:
        case "expired":
            return {**line, "error": {"code": "batch_expired", "message": "expired"}}
        case "busy":
            return {**line, "response": {"status_code": 500, "body": {"error": BUSY}}}
        case "refused":
            return {**line, "response": {"status_code": 400, "body": {"error": REFUSED}}}
        case "lost":
            return None
    return {**line, "response": {"status_code": 200, "request_id": "r", "body": body}}


def anthropic_line(custom_id, body, fate):
    match fate:
        case "ok":
            result = {"type": "succeeded", "message": body}
        case "expired":
            result = {"type": "expired"}
        case "lost":
            return None
        case _:
            result = {"type": "errored", "error": {"type": "error", "error": REFUSED if fate == "refused" else BUSY}}
    return {"custom_id": custom_id, "result": result}


def gemini_line(custom_id, body, fate):
    line = {"metadata": {"key": custom_id}}
    match fate:
        case "ok":
            return {**line, "response": body}
        case "lost":
            return None
    return {**line, "error": {"code": 3, "message": "too long"} if fate == "refused" else {"code": 14, "message": fate}}
