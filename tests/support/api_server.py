"""A server that speaks the API of any provider, as support.wire has it: real sockets, requests kept for a look.

Answers with the last user text in upper case, in the shape of the API whose path was asked.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import wire

SHAPES = {
    "/chat/completions": wire.chat_completion,
    "/responses": wire.responses,
    "/v1/messages": wire.anthropic,
    ":generateContent": wire.gemini,
    "/v2/chat": wire.cohere,
    "/api/chat": wire.ollama,
    "/converse": wire.bedrock,
    "/answer": lambda text: {"data": {"reply": text, "tokens": 7}},
}


def last_text(body):
    """Find the last text that a request holds, whatever the API: it is the prompt."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            for key in ("messages", "input", "contents", "content", "parts", "text", "question"):
                if isinstance(value.get(key), str):
                    found.append(value[key])
                elif key in value:
                    walk(value[key])
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(body)
    return found[-1] if found else ""


class ApiServer:
    """`with ApiServer() as server:` listens at `server.url`; `requests` lists (path, headers, body)."""

    def __init__(self, *, status=200, failure=None):
        self.requests = []
        self.status = status
        self.failure = failure
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append((self.path, dict(self.headers.items()), body))
                path = self.path.partition("?")[0]
                shape = next((shape for end, shape in SHAPES.items() if path.endswith(end)), None)
                if server.failure is not None:
                    self.answer(server.status, server.failure)
                else:
                    self.answer(200 if shape else 404, shape(last_text(body).upper()) if shape else {})

            def answer(self, status, value):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
