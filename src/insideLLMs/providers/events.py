"""A stream of server-sent events -> the one plain answer that it holds in pieces.

The pieces are put together before anything is read: a streamed answer is read by the code that reads a whole one,
and secrets are blanked out of it where they were cut in two. Each API has an Assembler of its own; none of them
lets an error quote what was sent, which is not blanked yet.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from insideLLMs.core.errors import BadAnswerError
from insideLLMs.providers.answer_fields import read_list, read_mapping
from insideLLMs.providers.failures import find_error
from insideLLMs.providers.lenient_json import read_json, write_json

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


def looks_like_events(body: bytes) -> bool | None:
    """Whether a body begins as events do, whatever its content type says; None where comments are all there is yet."""
    if body.startswith(b"{"):
        return False
    lines = body.removeprefix(_MARK).splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith(b":")), None)
    return None if first is None else first.startswith((b"data:", b"event:", b"id:", b"retry:"))


class EventAssembler(ABC):
    """Puts the events of one answer together; `provider` is named in errors."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.held_bytes = 0
        self._error: Mapping[str, Any] | None = None

    def add(self, data: bytes) -> None:
        """Take the next event. Raises BadAnswerError for what is none."""
        if data.strip() == b"[DONE]":
            self.finish()
            return
        try:
            event = read_json(data, keep_halves=True)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise BadAnswerError(f"{self.provider} sent an event of {len(data)} bytes that is not a JSON object")
        self.held_bytes += _held_bytes(event)
        if find_error(event) is not None:
            self._error = event
        else:
            self.take(event)

    def body(self) -> bytes:
        """Return the plain answer. Raises BadAnswerError for a stream that broke off; an error sent is an answer."""
        if self._error is None and not self.is_whole():
            raise BadAnswerError(f"the stream from {self.provider} ends before the answer does")
        try:
            return write_json(self.answer() if self._error is None else self._error)
        except ValueError as error:
            raise BadAnswerError(f"the stream from {self.provider} nests too deep") from error

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


_LEVELS = 4
"""So deep are mappings of several events joined; below that the latest counts as it stands."""


def update(held: dict[str, Any], news: Mapping[str, Any], levels: int = _LEVELS) -> None:
    """Take facts that are sent whole each time: the latest counts, and null says nothing."""
    for name, value in news.items():
        known = held.get(name)
        if levels and isinstance(known, dict) and isinstance(value, dict):
            update(known, value, levels - 1)
        elif value is not None:
            held[name] = dict(value) if isinstance(value, dict) else value


def _held_bytes(event: object) -> int:
    """Return at most how much memory an event leaves held: an object's own, and its texts."""
    size, open_values = 0, [event]
    while open_values:
        value = open_values.pop()
        if isinstance(value, str):
            size += _OBJECT_BYTES + len(value)
        elif isinstance(value, dict):
            open_values.extend(value.values())
        elif isinstance(value, list):
            open_values.extend(value)
    return max(size, _OBJECT_BYTES)


_OBJECT_BYTES = 56


class ChatEvents(EventAssembler):
    """Chunks of chat completions: the end is a finish reason, and then the usage or ``[DONE]``.

    Whatever stands beside the choices, in a choice or in its delta gets to its place in the plain answer, known or
    not. https://platform.openai.com/docs/api-reference/chat-streaming
    """

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._facts: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}
        self._pieces: dict[str, list[Any]] = {}
        self._calls: dict[int, _Call] = {}
        self._logprobs: list[Any] = []
        self._done = False

    def finish(self) -> None:
        self._done = True

    def is_whole(self) -> bool:
        counted = self._facts.get("usage") or self._choice.get("usage")
        return bool(self._choice.get("finish_reason")) and (self._done or bool(counted))

    def take(self, event: dict[str, Any]) -> None:
        update(self._facts, {name: value for name, value in event.items() if name != "choices"})
        for choice in read_list(event.get("choices")):
            if isinstance(choice, dict) and not choice.get("index"):
                self._take_choice(choice)

    def _take_choice(self, choice: dict[str, Any]) -> None:
        facts = {name: value for name, value in choice.items() if name not in {"delta", "logprobs"}}
        update(self._choice, {**facts, "finish_reason": facts.get("finish_reason") or None})
        self._logprobs.extend(read_list(read_mapping(choice.get("logprobs")).get("content")))
        for name, piece in read_mapping(choice.get("delta")).items():
            if name == "tool_calls":
                self._take_calls(piece)
            elif piece is not None:
                self._pieces.setdefault(name, []).append(piece)

    def _take_calls(self, calls: object) -> None:
        for call in read_list(calls):
            if isinstance(call, dict):
                # some servers number no calls: then one with an id is another call
                number = call.get("index")
                following = len(self._calls) if call.get("id") or not self._calls else len(self._calls) - 1
                self._calls.setdefault(number if isinstance(number, int) else following, _Call()).take(call)

    def answer(self) -> Mapping[str, Any]:
        message = {name: _joined(name, pieces) for name, pieces in self._pieces.items()}
        calls = [self._calls[number].whole() for number in sorted(self._calls)] or None
        logprobs = {"content": self._logprobs} if self._logprobs else None
        choice = {**self._choice, "message": {**message, "tool_calls": calls}, "logprobs": logprobs}
        return {**self._facts, "choices": [choice]}


_WHOLE = frozenset({"role", "id", "type", "name", "index", "status", "format"})
"""Texts of a delta that are sent whole, and may be sent again; every other text comes in pieces."""


def _joined(name: str, pieces: list[Any], levels: int = _LEVELS) -> Any:
    """Join the pieces of the field `name`: texts and lists in their order, mappings field by field, else the last."""
    if levels and all(isinstance(piece, dict) for piece in pieces):
        keys = dict.fromkeys(key for piece in pieces for key in piece)
        held = {key: [piece[key] for piece in pieces if piece.get(key) is not None] for key in keys}
        return {key: _joined(key, values, levels - 1) if values else None for key, values in held.items()}
    if all(isinstance(piece, str) for piece in pieces):
        return pieces[-1] if name in _WHOLE else "".join(pieces)
    if all(isinstance(piece, str | list) for piece in pieces):
        parts = (piece if isinstance(piece, list) else [{"type": "text", "text": piece}] for piece in pieces)
        return [part for several in parts for part in several]
    return pieces[-1]


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


def _field(name: str) -> str:
    """Return the field of a block that a delta's field adds to."""
    return {"partial_json": "input", "citation": "citations"}.get(name, name)


class MessageEvents(EventAssembler):
    """Events of Anthropic's messages: the end is ``message_stop``.

    https://docs.claude.com/en/docs/build-with-claude/streaming
    """

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, dict[str, list[Any]]] = {}
        self._stopped = False

    def is_whole(self) -> bool:
        return self._stopped and bool(self._message)

    def take(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "message_start", "message": dict(message)}:
                self._message = {}
                update(self._message, message)
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                self._blocks[index] = block
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)}:
                for name, piece in delta.items():
                    if name != "type" and piece is not None:
                        self._pieces.setdefault(index, {}).setdefault(_field(name), []).append(piece)
            case {"type": "message_delta", "delta": dict(delta), **rest} if self._message:
                update(self._message, {**delta, **rest})  # counts are of the whole message so far
            case {"type": "message_stop"}:
                self._stopped = True

    def answer(self) -> Mapping[str, Any]:
        return {**self._message, "content": [self._block(index) for index in sorted(self._blocks)]}

    def _block(self, index: int) -> dict[str, Any]:
        block = dict(self._blocks[index])
        for field, pieces in self._pieces.get(index, {}).items():
            if all(isinstance(piece, str) for piece in pieces):
                held = block.get(field)
                block[field] = "".join([held if isinstance(held, str) else "", *pieces])
            else:
                block[field] = [*read_list(block.get(field)), *pieces]
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
                "type": "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled",
                "response": dict(response),
            }:
                self._response = response

    def answer(self) -> Mapping[str, Any]:
        return self._response or {}
