"""Plain answers cut into the events that each API streams instead; `cut` splits a text into pieces."""

import json


def halves(text):
    """Cut a text in two."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def data(event):
    """Write an event of chat completions."""
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def named(event):
    """Write an event under its type, as Anthropic and the responses API do."""
    return f"event: {event['type']}\n".encode() + data(event)


def pieces(value, cut):
    """Cut a field into pieces: a text by `cut`, a list into lists of one, a mapping field by field."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, list):
        return [[item] for item in value]
    if isinstance(value, dict):
        return [{name: piece} for name, item in value.items() for piece in pieces(item, cut)]
    return [value]


def chat(body, cut=halves):
    """Stream a chat completion: role, texts and calls in pieces, finish reason, usage and what else stands, end."""
    choice = body["choices"][0]
    last = {name: value for name, value in body.items() if isinstance(value, dict)}
    facts = {name: value for name, value in body.items() if name not in {"choices", "usage", *last}}

    def chunk(delta, reason=None, logprobs=None, more=()):
        part = {**dict(more), "index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return data({**facts, "object": "chat.completion.chunk", "choices": [part], "usage": None})

    message = choice["message"]
    yield b": a comment\n\n"
    yield chunk({"role": "assistant", "content": "" if isinstance(message.get("content"), str) else None})
    for name in sorted(message.keys() - {"role", "tool_calls"}):
        yield from (chunk({name: piece}) for piece in pieces(message[name], cut))
    for token in (choice.get("logprobs") or {}).get("content") or []:
        yield chunk({}, logprobs={"content": [token]})
    for index, call in enumerate(message.get("tool_calls") or []):
        function = call["function"]
        opened = {"index": index, "id": call["id"], "type": "function", "function": {**function, "arguments": ""}}
        yield chunk({"tool_calls": [opened]})
        for piece in cut(function["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    more = {name: value for name, value in choice.items() if name not in {"message", "logprobs", "finish_reason"}}
    yield chunk({}, reason=choice["finish_reason"], more=more)
    yield data({**facts, "choices": [], "usage": body.get("usage"), **last})
    yield b"data: [DONE]\n\n"


def messages(body, cut=halves):
    """Stream a message of Anthropic's."""
    counts = body["usage"]
    start = {name: value for name, value in body.items() if not isinstance(value, dict)}
    start |= {"content": [], "stop_reason": None, "usage": {**counts, "output_tokens": 1}}
    yield named({"type": "message_start", "message": start})
    yield named({"type": "ping"})
    for index, block in enumerate(body["content"]):
        kind, field = {
            "text": ("text_delta", "text"),
            "thinking": ("thinking_delta", "thinking"),
            "tool_use": ("input_json_delta", "partial_json"),
        }[block["type"]]
        empty = {**block, "input": {}} if kind == "input_json_delta" else {**block, field: ""}
        text = json.dumps(block["input"]) if kind == "input_json_delta" else block[field]
        yield named({"type": "content_block_start", "index": index, "content_block": empty})
        for piece in cut(text):
            yield named({"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}})
        yield named({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": body["stop_reason"], "stop_sequence": None}
    late = {name: value for name, value in body.items() if isinstance(value, dict) and name != "usage"}
    end = {"type": "message_delta", "delta": stop, "usage": {"output_tokens": counts["output_tokens"]}, **late}
    yield named(end)
    yield named({"type": "message_stop"})


def responses(body, cut=halves):
    """Stream an answer of OpenAI's responses API."""
    yield named({"type": "response.created", "response": {**body, "status": "in_progress", "output": []}})
    for item in body["output"]:
        for part in item.get("content") or []:
            for piece in cut(part.get("text", "")):
                yield named({"type": "response.output_text.delta", "delta": piece})
    yield named({"type": "response.completed", "response": body})
