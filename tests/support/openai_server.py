"""A small OpenAI-compatible server for tests and benchmarks: real sockets, scripted faults, exact counts.

Written on asyncio.Protocol, because it shares the machine's cores with the client that is measured. In a test
use `OpenAIServer` (it runs on a thread of its own); as a process::

    python tests/support/openai_server.py --port 0 --latency-ms 50 --log prompts.log --faults faults.json

prints its port on a line. An answer depends on the last message alone: the first rule of `answers` whose key is
part of it, else ``echo: <prompt>``; ``<nth>`` in it is the number of requests so far. A request with `stream` gets it
in events. A fault rule is a JSON object: `kind` (see FAULTS), `share` (of prompts, by hash; default 1), `times` (how
many attempts of a prompt it hits; default 1), `match` (part of the prompt), and `retry_after` (text of that header).
GET /stats returns the counts.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import selectors
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

FAULTS = (
    "429", "500", "401", "404", "hang", "reset", "drip", "garbage", "truncated", "short", "content_type", "huge",
    "redirect", "error_in_200", "filter", "odd_bytes", "cut_stream", "stream_without_done",
)  # fmt: skip
HUGE_BYTES = 30 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule; see the module."""

    kind: str
    share: float = 1.0
    times: int = 1
    match: str = ""
    retry_after: str | None = None

    def hits(self, prompt: str, attempt: int, salt: int) -> bool:
        """Whether it strikes this attempt (from 1) at a prompt; `salt` keeps rules independent of each other."""
        if attempt > self.times or self.match not in prompt:
            return False
        if self.share >= 1:
            return True
        digest = hashlib.blake2b(f"{salt}\n{prompt}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64 < self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a request shapes its answer."""

    prompt: str
    model: str
    is_streamed: bool


class OpenAIServer:
    """The server; `with OpenAIServer(...) as server:` runs it on a thread, at `server.base_url`.

    `prompts` lists the last message of every request in order of arrival, `bodies` the requests themselves
    (when `keep_bodies`), `faults_done` counts faults by kind, `headers` are those of the last request.
    """

    def __init__(
        self,
        *,
        faults: Sequence[Fault | Mapping[str, Any]] = (),
        answers: Mapping[str, str] | None = None,
        latency_s: float = 0.0,
        require_key: str | None = None,
        log: IO[str] | None = None,
        keep_bodies: bool = True,
    ) -> None:
        self.faults = [fault if isinstance(fault, Fault) else Fault(**fault) for fault in faults]
        self.answers = dict(answers or {})
        self.latency_s = latency_s
        self.require_key = require_key
        self.log = log
        self.keep_bodies = keep_bodies
        self.port = 0
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.prompts: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.faults_done: Counter[str] = Counter()
        self.reply_fields: dict[str, Any] = {}
        """Merged into every completion: a test sets `choices` or `usage` here."""
        self.reply: tuple[int, bytes] | None = None
        """Sent as it is instead of a completion: status and body."""
        self.reply_kind = "application/json"
        self.open: set[Connection] = set()
        self._attempts: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()

        def run() -> None:
            self._loop.run_until_complete(self.start())
            ready.set()
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, name="openai-server", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        def stop() -> None:
            if self._server is not None:
                self._server.close()
            for connection in list(self.open):
                connection.abort()
            self._loop.call_soon(self._loop.stop)

        self._loop.call_soon_threadsafe(stop)
        self._thread.join()
        self._loop.close()

    def stats(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "prompts": len(self._attempts),
            "connections": self.connections,
            "most_in_flight": self.most_in_flight,
            "faults": dict(self.faults_done),
        }

    def take(self, body: bytes) -> tuple[Asked, Fault | None]:
        """Count a request and return it with the fault that is to hit it."""
        request = json.loads(body)
        content = request["messages"][-1]["content"] if request.get("messages") else ""
        prompt = content if isinstance(content, str) else json.dumps(content)
        self.requests += 1
        if self.keep_bodies:
            self.prompts.append(prompt)
            self.bodies.append(request)
        if self.log is not None:
            self.log.write(json.dumps(prompt) + "\n")
            self.log.flush()
        self._attempts[prompt] += 1
        attempt = self._attempts[prompt]
        asked = Asked(prompt=prompt, model=request.get("model", ""), is_streamed=bool(request.get("stream")))
        for salt, fault in enumerate(self.faults):
            if fault.hits(prompt, attempt, salt):
                self.faults_done[fault.kind] += 1
                return asked, fault
        return asked, None

    def completion(self, prompt: str, model: str) -> dict[str, Any]:
        answer = next((text for part, text in self.answers.items() if part in prompt), f"echo: {prompt}")
        answer = answer.replace("<nth>", str(self.requests))
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "system_fingerprint": "fp_stub",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": len(prompt.split()),
                "completion_tokens": len(answer.split()),
                "total_tokens": len(prompt.split()) + len(answer.split()),
            },
            **self.reply_fields,
        }


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection; requests on it come one after another."""

    def __init__(self, server: OpenAIServer) -> None:
        self.server = server
        self.buffer = b""
        self.busy = False
        self.transport: Any = None
        self.dripping: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.server.connections += 1
        self.server.open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.server.open.discard(self)
        if self.dripping is not None:
            self.dripping.cancel()
        if self.busy:
            self._end()

    def abort(self) -> None:
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if data[:1] == b"\x16":  # a TLS greeting: this is the wrong port
            self.abort()
            return
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].decode("latin-1")
        lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if len(self.buffer) < end + 4 + length:
            return
        body = self.buffer[end + 4 : end + 4 + length]
        self.buffer = self.buffer[end + 4 + length :]
        self._take(lines[0], headers, body)

    def _take(self, first_line: str, headers: dict[str, str], body: bytes) -> None:
        method, path, _ = first_line.split(" ", 2)
        server = self.server
        if method == "GET":
            found = path.endswith(("/stats", "/models"))
            self._send(200 if found else 404, json.dumps(server.stats()).encode() if found else b"{}")
            return
        server.headers = headers
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if server.require_key is not None and key != server.require_key:
            self._send_error(401, f"Incorrect API key provided: {key}.", "invalid_api_key")
            return
        if not path.partition("?")[0].endswith("/chat/completions"):
            self._send_error(404, f"no such path: {path}", "not_found")
            return
        self.busy = True
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        taken = server.take(body)
        if server.latency_s:
            asyncio.get_running_loop().call_later(server.latency_s, self._answer, *taken)
        else:
            self._answer(*taken)

    def _answer(self, asked: Asked, fault: Fault | None) -> None:
        if self.transport.is_closing():
            return
        if self.busy and (fault is None or fault.kind != "hang"):
            self._end()
        if fault is not None:
            self._fail(fault, asked)
        elif self.server.reply is not None:
            self._send(*self.server.reply, content_type=self.server.reply_kind)
        else:
            self._complete(asked, self.server.completion(asked.prompt, asked.model))

    def _complete(self, asked: Asked, body: dict[str, Any]) -> None:
        if asked.is_streamed:
            self._send_events(events(body))
        else:
            self._send(200, json.dumps(body).encode())

    def _send_events(self, sent: Sequence[bytes]) -> None:
        self._send(200, b"".join(sent), content_type="text/event-stream")

    def _end(self) -> None:
        self.busy = False
        self.server.in_flight -= 1

    def _fail(self, fault: Fault, asked: Asked) -> None:  # noqa: C901 - one case per kind
        whole = self.server.completion(asked.prompt, asked.model)
        good = b"".join(events(whole)) if asked.is_streamed else json.dumps(whole).encode()
        extra = f"Retry-After: {fault.retry_after}\r\n" if fault.retry_after is not None else ""
        match fault.kind:
            case "429":
                self._send_error(429, "Rate limit reached", "rate_limit_exceeded", extra)
            case "500" | "401" | "404":
                self._send_error(int(fault.kind), "scripted failure", "scripted", extra)
            case "hang":
                pass
            case "reset":
                self.abort()
            case "drip":
                self.transport.write(head(200, len(good)))
                self._drip(good)
            case "garbage":
                self._send(200, b"\x00\xff\x1b[31m not json at all")
            case "truncated":
                self._send(200, good[: len(good) // 2])
            case "short":
                self.transport.write(head(200, len(good)) + good[: len(good) // 2])
                self.transport.close()
            case "content_type":
                self._send(200, b"<html><body>Welcome to the hotel wifi</body></html>", content_type="text/html")
            case "huge":
                self._send(200, b'{"junk": "' + b"x" * HUGE_BYTES + b'"}')
            case "redirect":
                self._send(307, b"", extra="Location: http://elsewhere.example/v1/chat?key=hush\r\n")
            case "error_in_200":
                failed = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "error",
                          "error": {"code": 502, "message": "the upstream provider failed"}}  # fmt: skip
                self._complete(asked, {**whole, "choices": [failed]})
            case "filter":
                filtered = {"index": 0, "message": {"role": "assistant", "content": ""},
                            "finish_reason": "content_filter"}  # fmt: skip
                self._complete(asked, {**whole, "choices": [filtered]})
            case "odd_bytes":
                self._send(200, b"\xef\xbb\xbf" + good.replace(b'"echo: ', b'"\xff echo: '))
            case "cut_stream":
                self._send_events(events(whole)[:2])
            case "stream_without_done":
                self._send_events(events(whole)[:-1])
            case other:
                raise ValueError(f"no fault is called {other!r}; there are {FAULTS}")

    def _drip(self, rest: bytes) -> None:
        if rest and not self.transport.is_closing():
            self.transport.write(rest[:1])
            self.dripping = asyncio.get_running_loop().call_later(0.05, self._drip, rest[1:])

    def _send_error(self, status: int, message: str, code: str, extra: str = "") -> None:
        body = json.dumps({"error": {"message": message, "type": code, "param": None, "code": code}})
        self._send(status, body.encode(), extra=extra)

    def _send(self, status: int, body: bytes, *, content_type: str = "application/json", extra: str = "") -> None:
        self.transport.write(head(status, len(body), content_type=content_type, extra=extra) + body)


def events(body: Mapping[str, Any]) -> list[bytes]:
    """Cut a completion into the events of its stream: two pieces of text, finish reason, usage, end."""
    choice = body["choices"][0]
    text = choice["message"]["content"]
    facts = {name: value for name, value in body.items() if name not in {"choices", "usage"}}
    facts["object"] = "chat.completion.chunk"
    last = {name: value for name, value in choice.items() if name != "message"} | {"delta": {}}
    pieces = ({"role": "assistant", "content": text[: len(text) // 2]}, {"content": text[len(text) // 2 :]})
    chunks = [{**facts, "choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
    chunks += [{**facts, "choices": [last]}, {**facts, "choices": [], "usage": body.get("usage")}]
    return [*(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def head(status: int, length: int, *, content_type: str = "application/json", extra: str = "") -> bytes:
    """Write an answer's status line and headers."""
    return (f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{extra}\r\n").encode()


@contextlib.contextmanager
def open_log(path: str | None) -> Iterator[IO[str] | None]:
    if path is None:
        yield None
    else:
        with Path(path).open("a", encoding="utf-8") as log:
            yield log


async def serve(server: OpenAIServer, port: int) -> None:
    await server.start(port)
    print(server.port, flush=True)  # noqa: T201 - whoever started the process reads it
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server for tests")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--log", help="append each prompt, as JSON, on a line of its own, flushed")
    parser.add_argument("--faults", help="a JSON file: a list of fault rules")
    parser.add_argument("--answers", help="a JSON file: part of a prompt -> answer")
    options = parser.parse_args()
    with open_log(options.log) as log, contextlib.suppress(KeyboardInterrupt):
        server = OpenAIServer(
            faults=json.loads(Path(options.faults).read_text()) if options.faults else (),
            answers=json.loads(Path(options.answers).read_text()) if options.answers else None,
            latency_s=options.latency_ms / 1000,
            log=log,
            keep_bodies=False,
        )
        # epoll rounds a latency up to the next millisecond; select keeps it to the microsecond
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
            runner.run(serve(server, options.port))


if __name__ == "__main__":
    main()
