"""Ollama's own API: settings under `options`, images beside the text, JSON schemas as `format`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

from insideLLMs.core.types import ImagePart, JsonValue, Message, Response
from insideLLMs.providers.addresses import ollama_address
from insideLLMs.providers.answer_fields import read_logprobs, read_text, read_usage
from insideLLMs.providers.apis.openai import read_tool_calls
from insideLLMs.providers.chat_model import (
    ChatCodec,
    ChatModel,
    Connection,
    Form,
    Options,
    SeededSampling,
    merge,
    move,
    spelt_out,
)
from insideLLMs.providers.codec import Endpoint, HttpAnswer
from insideLLMs.providers.request_options import parts_of, read_format, required_inline

OLLAMA = Endpoint(
    provider="ollama",
    base_url="http://localhost:11434",
    key_env="OLLAMA_API_KEY",
    operations=r"/api(?:/\w+)?|/v1(?:/chat/completions|/\w+)?",
)
_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "num_predict",
    "seed": "seed",
    "stop": "stop",
    "num_ctx": "num_ctx",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaCodec(ChatCodec):
    """The chat wire of Ollama."""

    endpoint: Endpoint = OLLAMA

    def path(self) -> str:
        """Return the path of chat."""
        return "/api/chat"

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body. Raises RequestRefusedError for images that are only linked to, and for a choice of tool."""
        self.refuse(options, "tool_choice")
        names = {call.id: call.name for message in messages for call in message.tool_calls if call.id}
        body: dict[str, JsonValue] = {
            "model": self.model_name,
            "messages": [_write_message(message, names) for message in messages],
            "stream": False,
            "options": move(options, _NAMES),
        }
        wanted = read_format(options.pop("response_format")) if "response_format" in options else None
        if wanted is not None:
            body["format"] = "json" if wanted.schema is None else dict(wanted.schema)
        return merge(body, options)

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read a message."""
        message = body.get("message")
        if not isinstance(message, dict):
            raise self.unexpected(body, answer, "message")
        calls = read_tool_calls(message.get("tool_calls"))
        return Response(
            text=read_text(message.get("content")) or "",
            finish_reason="tool_calls" if calls else _reason(body),
            usage=read_usage(body),
            model=read_text(body.get("model")),
            reasoning=read_text(message.get("thinking")),
            tool_calls=calls,
            logprobs=read_logprobs(body.get("logprobs")),
        )


def _reason(body: Mapping[str, Any]) -> str | None:
    return "unfinished" if body.get("done") is False else read_text(body.get("done_reason"))


def _write_message(message: Message, names: Mapping[str, str]) -> dict[str, JsonValue]:
    plain: dict[str, JsonValue] = {"role": message.role, "content": message.text}
    images = [required_inline(part, "ollama")[1] for part in parts_of(message) if isinstance(part, ImagePart)]
    if images:
        plain["images"] = images
    if message.tool_calls:
        plain["tool_calls"] = [
            {"function": {"name": call.name, "arguments": call.arguments}} for call in message.tool_calls
        ]
    if message.role == "tool":
        plain["tool_name"] = names.get(message.tool_call_id or "", message.tool_call_id or "")
    return plain


class OllamaArgs(SeededSampling, Form, Connection, total=False):
    """What Ollama's chat takes; it offers no choice among tools."""

    top_k: int | None
    num_ctx: int | None
    think: bool | str | None
    tools: Sequence[Mapping[str, JsonValue]] | None


class OllamaModel(ChatModel):
    """A model that Ollama serves, by default on this machine or at $OLLAMA_HOST.

    `think` lets a reasoning model think (or how hard: low, medium, high); `num_ctx` is the context in tokens.
    """

    endpoint: ClassVar[Endpoint] = OLLAMA
    codec_type: ClassVar[type[ChatCodec]] = OllamaCodec

    @spelt_out()
    def __init__(self, model_name: str, **args: Unpack[OllamaArgs]) -> None:
        local = ollama_address(os.environ.get("OLLAMA_HOST", ""))
        super().__init__(model_name, {**args, "base_url": local if args["base_url"] is None else args["base_url"]})
