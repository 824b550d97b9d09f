"""A server as a program that speaks chat completions, in the manner of those that serve local models.

    python tests/support/own_server.py --port N --folder FOLDER [--loading N] [--answers N] [--broken TEXT]

It has a child in a session of its own, as such servers have. The file `starts` in FOLDER gets a line for each start:
its number, its child's, and the GPUs that it may use. The path /health says 503 `loading` times first, and while there
is a file `closed` in FOLDER. It ends itself with status 9 after so many `answers`; a `broken` one says TEXT on its
standard error and ends with status 3.
"""

import argparse
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

IDLE = [sys.executable, "-c", "import time; time.sleep(600)"]


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked, and the variable GREETING before it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.loading > 0 or self.server.closed.exists():
            self.server.loading -= 1
            self.send(503, {})
        else:
            self.send(200 if self.path == "/health" else 404, {})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.answers == 0:
            os._exit(9)
        self.server.answers -= 1
        text = os.environ.get("GREETING", "") + asked["messages"][-1]["content"]
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        self.send(200, {"id": "x", "model": asked["model"], "choices": [choice]})

    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        sys.stdout.write("a line of its log\n" * 1000)


def main():
    """Serve until somebody ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--loading", type=int, default=1)
    parser.add_argument("--answers", type=int, default=-1)
    parser.add_argument("--broken")
    options = parser.parse_args()
    child = subprocess.Popen(IDLE, start_new_session=True)
    with (options.folder / "starts").open("a") as log:
        log.write(f"{os.getpid()} {child.pid} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")
    if options.broken:
        sys.stderr.write(options.broken)
        sys.exit(3)
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.loading, server.answers, server.closed = options.loading, options.answers, options.folder / "closed"
    server.serve_forever()


if __name__ == "__main__":
    main()
