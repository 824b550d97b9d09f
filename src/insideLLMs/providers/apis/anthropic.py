"""Anthropic's messages API: the system prompt apart, content in blocks, `max_tokens` always sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

from insideLLMs.core.errors import BadAnswerError, RequestRefusedError
from insideLLMs.core.foreign_json import read_arguments
from insideLLMs.core.types import ImagePart, JsonValue, Message, Response, TextPart, ToolCall
from insideLLMs.providers.answer_fields import read_text, read_usage
from insideLLMs.providers.chat_model import (
    ChatCodec,
    ChatModel,
    Connection,
    Options,
    Sampling,
    Streaming,
    Tools,
    merge,
    move,
    spelt_out,
)
from insideLLMs.providers.codec import Endpoint, HttpAnswer
from insideLLMs.providers.events import EventAssembler, MessageEvents
from insideLLMs.providers.request_options import (
    inline_image,
    join_turns,
    parts_of,
    read_choice,
    read_format,
    read_tools,
    split_system,
)

ANTHROPIC = Endpoint(
    provider="anthropic",
    base_url="https://api.anthropic.com",
    base_url_env="ANTHROPIC_BASE_URL",
    key_env="ANTHROPIC_API_KEY",
    key_header="x-api-key",
    key_format="{key}",
    headers={"anthropic-version": "2023-06-01"},
    operations=r"/v1(?:/(?:messages|complete|models)(?:/[^?]*)?)?",
)
_NAMES = {"stop": "stop_sequences"}
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicCodec(ChatCodec):
    """The messages wire."""

    batch_prefix: ClassVar[str | None] = ""
    events: ClassVar[type[EventAssembler]] = MessageEvents

    endpoint: Endpoint = ANTHROPIC

    def path(self) -> str:
        """Return the path of messages."""
        return "/v1/messages"

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body. Raises RequestRefusedError for a seed, for log probabilities, and for JSON without schema."""
        self.refuse(options, "seed", "logprobs")
        system, rest = split_system(messages)
        body: dict[str, JsonValue] = {
            "model": self.model_name,
            "system": system or None,
            "messages": [
                {"role": role, "content": [block for message in turn for block in _write_blocks(message)]}
                for role, turn in join_turns(rest)
            ],
            **move(options, _NAMES),
        }
        if "tools" in options:
            body["tools"] = [tool.written("input_schema") for tool in read_tools(options.pop("tools"))]
        if "tool_choice" in options:
            choice = read_choice(options.pop("tool_choice"))
            body["tool_choice"] = (
                {"type": "tool", "name": choice.name} if choice.name else {"type": _CHOICES[choice.kind]}
            )
        wanted = read_format(options.pop("response_format")) if "response_format" in options else None
        if wanted is not None:
            if wanted.schema is None:
                raise RequestRefusedError("anthropic writes JSON only by a schema", fix="give a json_schema")
            body["output_config"] = {"format": {"type": "json_schema", "schema": dict(wanted.schema)}}
        return merge(body, options)

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read a message."""
        if not isinstance(body.get("content"), list):
            raise self.unexpected(body, answer, "content")
        texts, thoughts, calls = [], [], []
        for block in body["content"]:
            match block:
                case {"type": "text", "text": str(text)}:
                    texts.append(text)
                case {"type": "thinking", "thinking": str(text)}:
                    thoughts.append(text)
                case {"type": "tool_use", "name": str(name), **rest}:
                    arguments = read_arguments(rest.get("input"))
                    calls.append(ToolCall(name=name, arguments=arguments, id=read_text(rest.get("id"))))
                case {"type": "tool_use"}:
                    raise BadAnswerError("the answer holds a tool call without a function name")
        reason = read_text(body.get("stop_reason"))
        return Response(
            text="".join(texts),
            finish_reason=reason,
            usage=read_usage(body.get("usage")),
            model=read_text(body.get("model")),
            reasoning="\n".join(thoughts) or None,
            tool_calls=tuple(calls),
        )


def _write_blocks(message: Message) -> list[dict[str, JsonValue]]:
    if message.role == "tool":
        result: dict[str, JsonValue] = {"type": "tool_result", "tool_use_id": message.tool_call_id or ""}
        return [{**result, "content": [_write_part(part) for part in parts_of(message)]}]
    blocks = [_write_part(part) for part in parts_of(message)]
    blocks.extend(
        {"type": "tool_use", "id": call.id or f"call_{position}", "name": call.name, "input": call.arguments}
        for position, call in enumerate(message.tool_calls)
    )
    return blocks


def _write_part(part: TextPart | ImagePart) -> dict[str, JsonValue]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    inline = inline_image(part)
    if inline is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": inline[0], "data": inline[1]}}


class AnthropicArgs(Sampling, Tools, Streaming, Connection, total=False):
    """What the messages API takes."""

    top_k: int | None
    stop: str | Sequence[str] | None
    thinking: Mapping[str, JsonValue] | None
    response_format: Mapping[str, JsonValue] | None


class AnthropicModel(ChatModel):
    """A model of Anthropic's; $ANTHROPIC_API_KEY.

    There is no seed, and current models take neither `temperature`, `top_p` nor `top_k`. `thinking` is the
    API's own mapping, e.g. ``{type: enabled, budget_tokens: 2000}``.
    """

    endpoint: ClassVar[Endpoint] = ANTHROPIC
    codec_type: ClassVar[type[ChatCodec]] = AnthropicCodec

    @spelt_out(max_tokens=1024)
    def __init__(self, model_name: str, **args: Unpack[AnthropicArgs]) -> None:
        super().__init__(model_name, args)
