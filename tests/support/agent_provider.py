"""A provider that agents can work with: it calls the first tool that it is offered, then answers with what that said.

Speaks chat completions, responses, embeddings, Anthropic's messages and Gemini, with their streams, and lists models.
"""

import json
import time

from support import streams, wire
from support.api_server import last_text
from support.local_server import LocalServer, QuietHandler


def _arguments(schema):
    """Fill in a tool's arguments: a word for each."""
    return dict.fromkeys((schema or {}).get("properties", {}), "Rome")


def _asks_for_tool(body):
    text = json.dumps(body)
    done = ('"role": "tool"', '"tool_result"', '"function_call_output"', '"functionResponse"')
    return bool(body.get("tools")) and not any(mark in text for mark in done)


def chat(body):
    answer = wire.chat_completion(last_text(body).upper())
    if _asks_for_tool(body):
        tool = body["tools"][0]["function"]
        call = {"name": tool["name"], "arguments": json.dumps(_arguments(tool.get("parameters")))}
        answer["choices"][0]["finish_reason"] = "tool_calls"
        answer["choices"][0]["message"] |= {
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        }
    return answer


def responses(body):
    answer = wire.responses(last_text(body).upper())
    answer |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    if _asks_for_tool(body):
        tool = body["tools"][0]
        arguments = json.dumps(_arguments(tool.get("parameters")))
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": tool["name"], "status": "completed"}
        answer["output"] = [call | {"arguments": arguments}]
    return answer


def messages(body):
    answer = wire.anthropic(last_text(body).upper())
    if _asks_for_tool(body):
        tool = body["tools"][0]
        use = {"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": _arguments(tool.get("input_schema"))}
        answer |= {"content": [use], "stop_reason": "tool_use"}
    return answer


def gemini(body):
    return wire.gemini(last_text(body).upper())


def embeddings(body):
    asked = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [{"object": "embedding", "index": at, "embedding": [0.25, len(text)]} for at, text in enumerate(asked)]
    return {"object": "list", "data": data, "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def _gemini_stream(body):
    yield streams.data(body)


POSTS = {
    "/chat/completions": (chat, streams.chat),
    "/responses": (responses, streams.responses),
    "/embeddings": (embeddings, None),
    "/messages": (messages, streams.messages),
    "/count_tokens": (lambda body: {"input_tokens": 7}, None),
    ":generateContent": (gemini, None),
    ":streamGenerateContent": (gemini, _gemini_stream),
}
MODELS = {
    "object": "list",
    "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "stub"}],
    "has_more": False,
}


class AgentProvider(LocalServer):
    """`with AgentProvider() as server:` listens at `server.url`; `asked` counts requests. Each waits `delay_s`."""

    def __init__(self, *, delay_s=0.0):
        self.asked = 0
        self.headers = []
        server = self

        class Handler(QuietHandler):
            disable_nagle_algorithm = True

            def do_GET(self):
                server.asked += 1
                self.answer(200, MODELS)

            def do_POST(self):
                server.asked += 1
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if delay_s:
                    time.sleep(delay_s)
                path = self.path.partition("?")[0]
                plain, stream = next((both for end, both in POSTS.items() if path.endswith(end)), (None, None))
                if plain is None:
                    self.answer(404, {"error": {"message": "no such path"}})
                elif stream and (body.get("stream") or "stream" in path):
                    self._stream(stream(plain(body)))
                else:
                    self.answer(200, plain(body))

            def _stream(self, events):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for event in events:
                    self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

        super().__init__(Handler)
