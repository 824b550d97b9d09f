"""A stream of server-sent events -> the one plain answer that it tells in pieces.

The pieces are put together before anything is read: a streamed answer is read by the code that reads a whole one,
and secrets are blanked out of it where they were cut in two. Each API has an Assembler of its own; none of them
lets an error quote what was sent, which is not blanked yet.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from insideLLMs.core.errors import BadAnswerError
from insideLLMs.providers.answer_fields import read_list, read_mapping

_MARK = b"\xef\xbb\xbf"


class EventData:
    """Takes bytes as they arrive, and gives the data of each event once it is whole.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream; comments and the
    fields other than `data` are left out.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._begun = False

    @property
    def pending_bytes(self) -> int:
        """How much of an event is held back because its end is not there yet."""
        return len(self._rest) + sum(map(len, self._data))

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of the events that `piece` completes."""
        held = self._rest + piece
        # a return at the very end may be the first half of a line's end
        end = 1 + max(held.rfind(b"\n"), held.rfind(b"\r", 0, len(held) - 1))
        lines, self._rest = held[:end].splitlines(), held[end:]
        if lines and not self._begun:
            self._begun, lines[0] = True, lines[0].removeprefix(_MARK)
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                yield data

    def end(self) -> Iterator[bytes]:
        """Yield the last event of a stream that ends without an empty line."""
        yield from self.feed(b"\n\n")


class EventAssembler(ABC):
    """Puts the events of one answer together; `provider` is named in errors."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self._error: Mapping[str, Any] | None = None

    def add(self, data: bytes) -> None:
        """Take the next event. Raises BadAnswerError for what is none."""
        if data == b"[DONE]":
            self.finish()
            return
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            raise BadAnswerError(f"{self.provider} sent an event of {len(data)} bytes that is no JSON object")
        if event.get("error") or event.get("type") == "error":
            self._error = event if event.get("error") else {"error": event}
        else:
            self.take(event)

    def body(self) -> bytes:
        """Return the plain answer. Raises BadAnswerError for a stream that broke off; an error sent is an answer."""
        if self._error is None and not self.is_whole():
            raise BadAnswerError(f"the stream from {self.provider} breaks off before the answer's end")
        return orjson.dumps(self.answer() if self._error is None else self._error)

    def finish(self) -> None:  # noqa: B027 - most APIs tell the end by an event of its own
        """Note that the stream says that it is done."""

    @abstractmethod
    def take(self, event: dict[str, Any]) -> None:
        """Add an event."""

    @abstractmethod
    def is_whole(self) -> bool:
        """Whether the answer's end was sent."""

    @abstractmethod
    def answer(self) -> Mapping[str, Any]:
        """Return what the API would have answered without streaming."""


class ChatEvents(EventAssembler):
    """Chunks of chat completions: the end is a finish reason and then ``[DONE]``.

    https://platform.openai.com/docs/api-reference/chat-streaming
    """

    _TEXTS = ("refusal", "reasoning_content", "reasoning")
    _FACTS = ("model", "system_fingerprint", "provider", "usage")

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._facts: dict[str, Any] = {}
        self._content: list[Any] = []
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, _Call] = {}
        self._logprobs: list[Any] = []
        self._reason: Any = None
        self._done = False

    def finish(self) -> None:
        self._done = True

    def is_whole(self) -> bool:
        return self._done and self._reason is not None

    def take(self, event: dict[str, Any]) -> None:
        for name in self._FACTS:
            if event.get(name):
                self._facts[name] = event[name]
        for choice in read_list(event.get("choices")):
            if isinstance(choice, dict) and not choice.get("index"):
                self._take_delta(read_mapping(choice.get("delta")))
                self._logprobs.extend(read_list(read_mapping(choice.get("logprobs")).get("content")))
                self._reason = choice.get("finish_reason") or self._reason

    def _take_delta(self, delta: dict[str, Any]) -> None:
        content = delta.get("content")
        self._content.extend(content if isinstance(content, list) else [content] if isinstance(content, str) else [])
        for name in self._TEXTS:
            if isinstance(delta.get(name), str):
                self._texts.setdefault(name, []).append(delta[name])
        for call in read_list(delta.get("tool_calls")):
            if isinstance(call, dict):
                # some servers number no calls: then one with an id is another call
                number = call.get("index")
                following = len(self._calls) if call.get("id") or not self._calls else len(self._calls) - 1
                self._calls.setdefault(number if isinstance(number, int) else following, _Call()).take(call)

    def answer(self) -> Mapping[str, Any]:
        content: Any = self._content
        if all(isinstance(piece, str) for piece in content):
            content = "".join(content) if content else None
        else:
            content = [{"type": "text", "text": piece} if isinstance(piece, str) else piece for piece in content]
        message = {
            "role": "assistant",
            "content": content,
            **{name: "".join(pieces) for name, pieces in self._texts.items()},
            "tool_calls": [self._calls[number].whole() for number in sorted(self._calls)] or None,
        }
        logprobs = {"content": self._logprobs} if self._logprobs else None
        choice = {"index": 0, "message": message, "finish_reason": self._reason, "logprobs": logprobs}
        return {**self._facts, "choices": [choice]}


class _Call:
    """A tool call as its pieces come in."""

    def __init__(self) -> None:
        self._id: Any = None
        self._name: Any = None
        self._arguments: list[str] = []
        self._given: Any = None

    def take(self, call: dict[str, Any]) -> None:
        function = read_mapping(call.get("function"))
        self._id = call.get("id") or self._id
        self._name = function.get("name") or self._name
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            self._arguments.append(arguments)
        elif arguments is not None:
            self._given = arguments

    def whole(self) -> dict[str, Any]:
        arguments = "".join(self._arguments) if self._given is None else self._given
        return {"id": self._id, "type": "function", "function": {"name": self._name, "arguments": arguments}}


_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class MessageEvents(EventAssembler):
    """Events of Anthropic's messages: the end is ``message_stop``.

    https://docs.claude.com/en/docs/build-with-claude/streaming
    """

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, dict[str, list[str]]] = {}
        self._stopped = False

    def is_whole(self) -> bool:
        return self._stopped and bool(self._message)

    def take(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "message_start", "message": dict(message)}:
                self._message = {**message, "usage": dict(read_mapping(message.get("usage")))}
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                self._blocks[index] = block
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)}:
                field = _DELTAS.get(str(delta.get("type")), "")
                if isinstance(delta.get(field), str):
                    self._pieces.setdefault(index, {}).setdefault(field, []).append(delta[field])
            case {"type": "message_delta", "delta": dict(delta), **rest} if self._message:
                self._message.update(delta)
                counts = read_mapping(rest.get("usage"))  # they are of the whole message so far
                self._message["usage"].update({name: count for name, count in counts.items() if count is not None})
            case {"type": "message_stop"}:
                self._stopped = True

    def answer(self) -> Mapping[str, Any]:
        return {**self._message, "content": [self._block(index) for index in sorted(self._blocks)]}

    def _block(self, index: int) -> dict[str, Any]:
        block = dict(self._blocks[index])
        for field, pieces in self._pieces.get(index, {}).items():
            text = "".join(pieces)
            if field == "partial_json":
                block["input"] = text
            else:
                held = block.get(field)
                block[field] = f"{held if isinstance(held, str) else ''}{text}"
        return block


class ResponseEvents(EventAssembler):
    """Events of OpenAI's responses: the last one holds the whole answer.

    https://platform.openai.com/docs/api-reference/responses-streaming
    """

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._response: Mapping[str, Any] | None = None

    def is_whole(self) -> bool:
        return self._response is not None

    def take(self, event: dict[str, Any]) -> None:
        match event:
            case {
                "type": "response.completed" | "response.incomplete" | "response.failed",
                "response": dict(response),
            }:
                self._response = response

    def answer(self) -> Mapping[str, Any]:
        return self._response or {}
