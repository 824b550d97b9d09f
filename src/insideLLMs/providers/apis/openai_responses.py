"""OpenAI's responses API: input items instead of messages, output items instead of choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import orjson

from insideLLMs.core.foreign_json import read_arguments
from insideLLMs.core.types import JsonValue, Message, Response, TextPart, ToolCall
from insideLLMs.providers.answer_fields import (
    read_list,
    read_logprobs,
    read_mapping,
    read_text,
    read_usage,
)
from insideLLMs.providers.apis.openai import OPENAI
from insideLLMs.providers.chat_model import (
    ChatCodec,
    ChatModel,
    Connection,
    Form,
    Options,
    Sampling,
    Streaming,
    Tools,
    merge,
    move,
    spelt_out,
)
from insideLLMs.providers.codec import Endpoint, HttpAnswer
from insideLLMs.providers.events import EventAssembler, ResponseEvents
from insideLLMs.providers.request_options import JsonFormat, parts_of, read_choice, read_format, read_tools

_NAMES = {"max_tokens": "max_output_tokens", "temperature": "temperature", "top_p": "top_p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesCodec(ChatCodec):
    """The responses wire; nothing is stored at the provider (`store: false`) unless `extra` says so."""

    batch_prefix: ClassVar[str | None] = "/v1"
    events: ClassVar[type[EventAssembler]] = ResponseEvents

    endpoint: Endpoint = OPENAI

    def path(self) -> str:
        """Return the path of responses."""
        return "/responses"

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body. Raises RequestRefusedError for a seed or stop texts, which this API does not have."""
        self.refuse(options, "seed", "stop")
        body: dict[str, JsonValue] = {
            "model": self.model_name,
            "input": [item for message in messages for item in _write_items(message)],
            "store": False,
            **move(options, _NAMES),
        }
        if "reasoning_effort" in options:
            body["reasoning"] = {"effort": options.pop("reasoning_effort")}
        if "tools" in options:
            tools = read_tools(options.pop("tools"))
            body["tools"] = [{"type": "function", **tool.written("parameters"), "strict": False} for tool in tools]
        if "tool_choice" in options:
            choice = read_choice(options.pop("tool_choice"))
            body["tool_choice"] = {"type": "function", "name": choice.name} if choice.name else choice.kind
        wanted = read_format(options.pop("response_format")) if "response_format" in options else None
        if wanted is not None:
            body["text"] = {"format": _write_format(wanted)}
        if options.pop("logprobs", False):
            body["include"] = ["message.output_text.logprobs"]
        return merge(body, options)

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read a response object."""
        if not isinstance(body.get("output"), list):
            raise self.unexpected(body, answer, "output")
        found = _Output()
        for item in body["output"]:
            found.take(item)
        return Response(
            text="".join(found.texts) or "".join(found.refusals),
            finish_reason=_finish_reason(body, found),
            usage=read_usage(body.get("usage")),
            model=read_text(body.get("model")),
            reasoning="\n".join(found.thoughts) or None,
            tool_calls=tuple(found.calls),
            logprobs=read_logprobs(found.logprobs),
        )


class _Output:
    """What the items of an output come to."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.refusals: list[str] = []
        self.thoughts: list[str] = []
        self.calls: list[ToolCall] = []
        self.logprobs: list[object] = []

    def take(self, item: object) -> None:
        match item:
            case {"type": "message", "content": list(parts)}:
                for part in parts:
                    self._take_part(part)
            case {"type": "function_call", "name": str(name), **rest}:
                arguments = read_arguments(rest.get("arguments"))
                self.calls.append(ToolCall(name=name, arguments=arguments, id=read_text(rest.get("call_id"))))
            case {"type": "reasoning", **rest}:
                for part in (*read_list(rest.get("summary")), *read_list(rest.get("content"))):
                    if isinstance(part, dict) and isinstance(part.get("text"), str):
                        self.thoughts.append(part["text"])

    def _take_part(self, part: object) -> None:
        match part:
            case {"type": "output_text", "text": str(text), **rest}:
                self.texts.append(text)
                self.logprobs.extend(read_list(rest.get("logprobs")))
            case {"type": "refusal", "refusal": str(text)}:
                self.refusals.append(text)


def _finish_reason(body: Mapping[str, Any], found: _Output) -> str | None:
    if body.get("status") == "incomplete":
        return read_text(read_mapping(body.get("incomplete_details")).get("reason"))
    if found.refusals:
        return "refusal"
    if found.calls:
        return "tool_calls"
    return "stop" if body.get("status") == "completed" else read_text(body.get("status"))


def _write_items(message: Message) -> list[dict[str, JsonValue]]:
    if message.role == "tool":
        return [{"type": "function_call_output", "call_id": message.tool_call_id or "", "output": message.text}]
    items: list[dict[str, JsonValue]] = []
    if message.content or not message.tool_calls:
        items.append({"role": message.role, "content": _write_content(message)})
    items.extend(
        {
            "type": "function_call",
            "call_id": call.id or f"call_{position}",
            "name": call.name,
            "arguments": orjson.dumps(call.arguments).decode(),
        }
        for position, call in enumerate(message.tool_calls)
    )
    return items


def _write_content(message: Message) -> JsonValue:
    if isinstance(message.content, str):
        return message.content
    kind = "output_text" if message.role == "assistant" else "input_text"
    return [
        {"type": kind, "text": part.text}
        if isinstance(part, TextPart)
        else {"type": "input_image", "image_url": part.url}
        for part in parts_of(message)
    ]


def _write_format(wanted: JsonFormat) -> dict[str, JsonValue]:
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "name": wanted.name, "schema": dict(wanted.schema), "strict": True}


class ResponsesArgs(Sampling, Tools, Form, Streaming, Connection, total=False):
    """What the responses API takes."""

    reasoning_effort: str | None


class OpenAIResponsesModel(ChatModel):
    """A model behind OpenAI's responses API; $OPENAI_API_KEY. It has no seed and no stop texts."""

    endpoint: ClassVar[Endpoint] = OPENAI
    codec_type: ClassVar[type[ChatCodec]] = ResponsesCodec

    @spelt_out()
    def __init__(self, model_name: str, **args: Unpack[ResponsesArgs]) -> None:
        super().__init__(model_name, args)

    def identity(self) -> Mapping[str, JsonValue]:
        """Return what `HttpModel` does; the API asked is part of it."""
        return {**super().identity(), "type": "openai_responses"}
