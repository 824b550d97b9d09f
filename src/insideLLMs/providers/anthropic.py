"""Anthropic's messages API: the system prompt apart, content in blocks, `max_tokens` always sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

from insideLLMs.core.errors import AuthError, BadAnswerError, RequestRefusedError
from insideLLMs.core.types import ImagePart, JsonValue, Message, Response, TextPart, ToolCall, Usage
from insideLLMs.providers.answer_fields import add_counts, read_arguments, read_count, read_text
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
    read_error,
    spelt_out,
)
from insideLLMs.providers.codec import Endpoint, HttpAnswer, failure
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
)
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
}
ERROR_STATUSES = {"rate_limit_error": 429, "overloaded_error": 529, "timeout_error": 504}
"""https://docs.claude.com/en/api/errors; any other error in the middle of an answer is the provider's."""
_NAMES = {"stop": "stop_sequences"}
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicCodec(ChatCodec):
    """The messages wire."""

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
        if isinstance(body.get("error"), dict):  # in the midst of a stream, under status 200
            message, code, _ = read_error(answer.body)
            raise failure(answer, self.endpoint, message=message, code=code, status=ERROR_STATUSES.get(code, 500))
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
            finish_reason=FINISH_REASONS.get(reason or "", reason),
            usage=_read_usage(body.get("usage")),
            model=read_text(body.get("model")),
            reasoning="\n".join(thoughts) or None,
            tool_calls=tuple(calls),
        )

    def read_failure(self, answer: HttpAnswer) -> Response:
        """Raise the ModelError that fits; only the message says that an account has no credit."""
        message, _, _ = read_error(answer.body)
        if answer.status == 400 and "credit balance is too low" in message:
            raise AuthError(
                "anthropic answered 400: the account has no credit left",
                fix="add credit, or use another key",
                http_status=400,
            )
        return ChatCodec.read_failure(self, answer)


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


def _read_usage(usage: object) -> Usage | None:
    """Read the counts; what was read from or written to the provider's cache is input too."""
    if not isinstance(usage, dict):
        return None
    cached = read_count(usage.get("cache_read_input_tokens"))
    created = read_count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=add_counts(read_count(usage.get("input_tokens")), cached, created),
        output_tokens=read_count(usage.get("output_tokens")),
        cached_tokens=cached,
    )


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
