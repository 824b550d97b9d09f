"""A server that speaks the API of any provider, as support.wire has it: real sockets, requests kept for a look.

Answers with the last user text in upper case, in the shape of the API whose path was asked.
"""

import json

from support import streams, wire
from support.local_server import LocalServer, QuietHandler

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


STREAMS = {wire.chat_completion: streams.chat, wire.anthropic: streams.messages, wire.responses: streams.responses}


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


class ApiServer(LocalServer):
    """`with ApiServer() as server:` listens at `server.url`; `requests` lists (path, headers, body).

    Where a request asks for a stream, the answer is sent in events; `streams` may hold what is sent instead, as
    lists of byte strings, one for each of the first requests: after it the connection is closed.
    """

    def __init__(self, *, status=200, failure=None, streams=()):
        self.requests = []
        self.methods = []
        self.streams = list(streams)
        self.status = status
        self.failure = failure
        server = self

        class Handler(QuietHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
                server.requests.append((self.path, dict(self.headers.items()), body))
                server.methods.append(self.command)
                path = self.path.partition("?")[0]
                shape = next((shape for end, shape in SHAPES.items() if path.endswith(end)), None)
                if server.failure is not None:
                    self.answer(server.status, server.failure)
                elif (body or {}).get("stream") and shape in STREAMS:
                    self.stream(shape, body)
                else:
                    self.answer(200 if shape else 404, shape(last_text(body).upper()) if shape else {})

            do_PUT = do_GET = do_POST

            def stream(self, shape, body):
                sent = server.streams.pop(0) if server.streams else STREAMS[shape](shape(last_text(body).upper()))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream; charset=utf-8")
                self.send_header("Connection", "close")
                self.end_headers()
                for piece in sent:
                    self.wfile.write(piece)
                    self.wfile.flush()
                self.close_connection = True

        super().__init__(Handler)
