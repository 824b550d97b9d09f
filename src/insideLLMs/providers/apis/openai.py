"""OpenAI's chat completions, and everything that speaks them: vLLM, llama.cpp, OpenRouter and the like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

import orjson

from insideLLMs.core.errors import BadAnswerError
from insideLLMs.core.foreign_json import read_arguments
from insideLLMs.core.types import ImagePart, JsonValue, Message, Response, ToolCall
from insideLLMs.providers.answer_fields import read_logprobs, read_mapping, read_text, read_usage
from insideLLMs.providers.chat_model import (
    ChatCodec,
    ChatModel,
    Connection,
    Form,
    Options,
    SeededSampling,
    Streaming,
    Tools,
    spelt_out,
)
from insideLLMs.providers.codec import Endpoint, HttpAnswer
from insideLLMs.providers.events import ChatEvents, EventAssembler
from insideLLMs.providers.failures import Complaint, fail

OPENAI = Endpoint(
    provider="openai", base_url="https://api.openai.com/v1", base_url_env="OPENAI_BASE_URL", key_env="OPENAI_API_KEY"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAICodec(ChatCodec):
    """The chat completions wire."""

    batch_prefix: ClassVar[str | None] = "/v1"
    events: ClassVar[type[EventAssembler]] = ChatEvents
    stream_fields: ClassVar[Mapping[str, JsonValue]] = {"stream": True, "stream_options": {"include_usage": True}}

    endpoint: Endpoint = OPENAI

    def path(self) -> str:
        """Return the path of chat completions."""
        return "/chat/completions"

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body; our spelling of options is this API's own."""
        return {"model": self.model_name, "messages": [write_message(message) for message in messages], **options}

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read a completion; a choice with an error of its own, and a prompt that a filter stopped, have no message."""
        choices = body.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(first, dict) and isinstance(first.get("message"), dict) and not first.get("error"):  # almost all
            return read_completion(body, first, first["message"])
        match body:
            case {"choices": [{"error": dict() | str() as error}, *_]} if error:
                return fail({"error": error}, answer, self.endpoint, self.model_name)
            case {"choices": [dict(choice), *_]} if isinstance(choice.get("message"), dict) or choice.get(
                "finish_reason"
            ) not in (None, "stop"):
                return read_completion(body, choice, read_mapping(choice.get("message")))
            case {"prompt_filter_results": list(results)} if Complaint.of(results).filtered:
                return Response(finish_reason="content_filter", model=self.model_name)
            case _:
                raise self.unexpected(body, answer, "choices[0].message")


class OpenAIArgs(SeededSampling, Tools, Form, Streaming, Connection, total=False):
    """What a chat completions API takes."""

    max_completion_tokens: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    reasoning_effort: str | None


class OpenAIModel(ChatModel):
    """A model behind a chat completions API; the key comes from the environment, and a local server needs none.

    `base_url` defaults to $OPENAI_BASE_URL, then to OpenAI itself. What is None is not sent, so that the
    provider's default holds. With a `seed`, repeat number n is sent seed + n. `extra` holds further fields of
    the request body, `headers` further headers; their values count as secret and enter no file. `timeout_s`
    bounds one call. Proxies from the environment are used only with `use_proxy_env`.
    """

    endpoint: ClassVar[Endpoint] = OPENAI
    codec_type: ClassVar[type[ChatCodec]] = OpenAICodec

    @spelt_out()
    def __init__(self, model_name: str, **args: Unpack[OpenAIArgs]) -> None:
        super().__init__(model_name, args)


def write_message(message: Message) -> dict[str, JsonValue]:
    """Write one turn as chat completions want it."""
    plain: dict[str, JsonValue] = {"role": message.role, "content": write_content(message)}
    if message.tool_calls:
        plain["tool_calls"] = [
            {
                "id": call.id or f"call_{position}",
                "type": "function",
                "function": {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()},
            }
            for position, call in enumerate(message.tool_calls)
        ]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def write_content(message: Message) -> JsonValue:
    """Write a content: text, or parts where it holds images."""
    if isinstance(message.content, str):
        return message.content
    return [
        {"type": "image_url", "image_url": {"url": part.url}}
        if isinstance(part, ImagePart)
        else {"type": "text", "text": part.text}
        for part in message.content
    ]


def read_completion(body: Mapping[Any, Any], choice: Mapping[Any, Any], message: Mapping[Any, Any]) -> Response:
    """Turn a chat completion into a Response."""
    text, thoughts = _read_content(message.get("content"))
    refusal = read_text(message.get("refusal"))
    logprobs = choice.get("logprobs")
    reason = read_text(choice.get("finish_reason"))
    return Response(
        text=text or refusal or "",
        finish_reason="refusal" if refusal else reason,
        usage=read_usage(find_usage(body, choice)),
        model=read_text(body.get("model")),
        fingerprint=read_text(body.get("system_fingerprint")) or read_text(body.get("provider")),
        reasoning=read_text(message.get("reasoning_content"))
        or read_text(message.get("reasoning"))
        or read_text(message.get("thinking"))
        or thoughts
        or None,
        tool_calls=read_tool_calls(message.get("tool_calls")),
        logprobs=read_logprobs(logprobs.get("content")) if isinstance(logprobs, dict) else (),
    )


def _read_content(content: object) -> tuple[str, str]:
    """Return text and thoughts; content is text, nothing, or a list of parts (Mistral)."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, list):
        raise BadAnswerError(f"the answer's content is of type {type(content).__name__}; it must be text or parts")
    text, thoughts = [], []
    for part in content:
        match part:
            case str(piece) | {"type": "text" | "output_text", "text": str(piece)} | {"refusal": str(piece)}:
                text.append(piece)
            case {"type": "thinking", "thinking": str(piece)}:
                thoughts.append(piece)
            case {"type": "thinking", "thinking": list(pieces)}:
                thoughts.extend(read_text(piece.get("text")) or "" for piece in pieces if isinstance(piece, dict))
    return "".join(text), "".join(thoughts)


def read_tool_calls(calls: object) -> tuple[ToolCall, ...]:
    """Read the tool calls of a message. Raises BadAnswerError for one without a name."""
    return tuple(_read_tool_call(call) for call in calls) if isinstance(calls, list) else ()


def _read_tool_call(call: object) -> ToolCall:
    match call:
        case {"function": {"name": str(name), **function}, **rest}:
            arguments = read_arguments(function.get("arguments"))
            return ToolCall(name=name, arguments=arguments, id=read_text(rest.get("id")))
        case _:
            raise BadAnswerError("the answer holds a tool call without a function name")


def find_usage(body: Mapping[Any, Any], choice: Mapping[Any, Any]) -> object:
    """Return the counts of a completion: beside the choices, within one (Moonshot), or under a name of Groq's."""
    return body.get("usage") or choice.get("usage") or read_mapping(body.get("x_groq")).get("usage")
