"""A real S3 server on this machine: moto's objects over HTTP, one request at a time, with faults that a test names."""

import http.client
import threading
import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

_SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
REGION = "eu-north-7"
"""What a refusal names as the bucket's region."""
KEY, SECRET = "AKIA-THE-TESTS-KEY", "the-secret-of-the-tests-0123456789"


class _Quiet(WSGIRequestHandler):
    def log(self, *_):
        """Log nothing."""


@dataclass
class ObjectStore:
    """The server, and one bucket of it for each test.

    `fault(method, key)` may return a status and a store's code to answer instead, or ("after", ...) to answer 500 once
    it is done; `writes` are the keys that were
    written or removed, in their order. With `age_s`, objects seem to be that much older. One that
    `ignores_conditions` does every write, as stores do that do not know `If-None-Match`.
    """

    bucket: str = field(default_factory=lambda: f"b{uuid.uuid4().hex[:12]}")
    fault: object = None
    writes: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    age_s: float = 0
    ignores_conditions: bool = False

    def __enter__(self):
        backend = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            "127.0.0.1", 0, lambda env, start: self._answer(backend, env, start), threaded=False, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        assert self.request("PUT", f"/{self.bucket}")[0] == 200
        self.requests.clear()
        self.writes.clear()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, backend, env, start):
        method, path = env["REQUEST_METHOD"], env["PATH_INFO"].removeprefix(f"/{self.bucket}/")
        self.requests.append((method, path))
        wrong = self.fault(method, path) if self.fault else None
        if wrong is not None and wrong[0] == "after":  # it is done, and the client is not told
            b"".join(backend(env, lambda *_: None))
            start("500 Lost", [])
            return []
        if wrong is not None:
            env["wsgi.input"].read(int(env.get("CONTENT_LENGTH") or 0))
            status, code = wrong
            start(f"{status} Refused", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>{SECRET}</Message><Region>{REGION}</Region></Error>".encode()]
        if method in {"PUT", "POST", "DELETE"}:
            self.writes.append(path)
            for name in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH") if self.ignores_conditions else ():
                env.pop(name, None)
        return backend(env, lambda status, headers, *more: start(status, self._aged(headers), *more))

    def _aged(self, headers):
        if not self.age_s:
            return headers
        older = formatdate(time.time() - self.age_s, usegmt=True)
        return [(name, older if name.lower() == "last-modified" else value) for name, value in headers]

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def env(self):
        """What a user sets to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def machine(self, folder):
        """The environment of another machine: with a cache of its own."""
        return {**self.env, "INSIDELLMS_CACHE": str(folder)}

    def request(self, method, path, body=None, headers=None):
        """Talk to the server without the client under test."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port, timeout=30)
        connection.request(method, path, body=body, headers={"Authorization": _SIGNED, **(headers or {})})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def at(self, key):
        return f"s3://{self.bucket}/{key}"

    def put(self, key, data):
        assert self.request("PUT", f"/{self.bucket}/{key}", body=data)[0] == 200

    def get(self, key):
        status, data = self.request("GET", f"/{self.bucket}/{key}")
        return data if status == 200 else None

    def all_keys(self):
        """Return all keys of the bucket, sorted."""
        data = self.request("GET", f"/{self.bucket}?list-type=2")[1].decode()
        return sorted(part.partition("</Key>")[0] for part in data.split("<Key>")[1:])
