"""What Google's storage answers over its XML interface, as documented, on this machine: no emulator at hand speaks it.

https://cloud.google.com/storage/docs/xml-api: every write gives a new generation, and x-goog-if-generation-match names
the one that must be there, 0 for none.
"""

import hashlib
import itertools
import threading
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "evals"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Log nothing."""

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            if not self._is_in_bucket():
                return
            now = self.server.objects.get(self._key, (b"", 0))[1]
            expected = self.headers.get("x-goog-if-generation-match")
            if expected is not None and int(expected) != now:
                self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            self.server.objects[self._key] = (data, next(self.server.generations))
            self._answer(200, headers=self._facts())

    def do_GET(self):
        with self.server.lock:
            if not self._is_in_bucket():
                return
            found = self.server.objects.get(self._key)
            if not self._key:
                self._answer(200, self._listing())
            elif found is None:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            elif self.headers.get("If-None-Match") == self._facts()["ETag"]:
                self._answer(304)
            else:
                self._answer(200, found[0], self._facts())

    def do_DELETE(self):
        with self.server.lock:
            found = self.server.objects.pop(self._key, None)
            self._answer(404 if found is None else 204)

    @property
    def _key(self):
        return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}").lstrip("/")

    def _is_in_bucket(self):
        is_there = unquote(self.path).startswith(f"/{BUCKET}")
        if not is_there:
            self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        return is_there

    def _facts(self):
        data, generation = self.server.objects[self._key]
        return {
            "ETag": f'"{hashlib.md5(data).hexdigest()}"',
            "x-goog-generation": str(generation),
            "Last-Modified": formatdate(usegmt=True),
        }

    def _listing(self):
        asked = parse_qs(urlsplit(self.path).query)
        prefix = asked.get("prefix", [""])[0]
        found = {key: key.removeprefix(prefix) for key in sorted(self.server.objects) if key.startswith(prefix)}
        is_flat = "delimiter" not in asked
        objects = [self._listed(key) for key, rest in found.items() if is_flat or "/" not in rest]
        folders = sorted({prefix + rest.partition("/")[0] + "/" for rest in found.values() if "/" in rest} - {prefix})
        told = [f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in folders if not is_flat]
        count = f"<KeyCount>{len(objects) + len(told)}</KeyCount>"
        return f"<ListBucketResult>{count}{''.join(objects + told)}</ListBucketResult>".encode()

    def _listed(self, key):
        data, _ = self.server.objects[key]
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        digest = hashlib.md5(data).hexdigest()
        facts = f"<LastModified>{when}</LastModified><ETag>&quot;{digest}&quot;</ETag><Size>{len(data)}</Size>"
        return f"<Contents><Key>{escape(key)}</Key>{facts}</Contents>"

    def _answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class GoogleStore:
    """The server, with one bucket; `env` is what a user of an emulator sets."""

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.objects, self._server.generations = {}, itertools.count(1)
        self._server.lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def env(self):
        return {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{self._server.server_port}"}

    def at(self, key):
        return f"gs://{BUCKET}/{key}"
