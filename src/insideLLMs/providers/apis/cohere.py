"""Cohere's chat API, version 2: close to chat completions, with other names and its own finish reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

from insideLLMs.core.errors import RequestRefusedError
from insideLLMs.core.types import JsonValue, Message, Response, TokenLogprob, Usage
from insideLLMs.providers.answer_fields import read_list, read_logprobs, read_mapping, read_text, read_usage
from insideLLMs.providers.apis.openai import read_tool_calls, write_message
from insideLLMs.providers.chat_model import (
    ChatCodec,
    ChatModel,
    Connection,
    Form,
    Options,
    SeededSampling,
    Tools,
    merge,
    move,
    spelt_out,
)
from insideLLMs.providers.codec import Endpoint, HttpAnswer
from insideLLMs.providers.request_options import read_choice, read_format

COHERE = Endpoint(
    provider="cohere",
    base_url="https://api.cohere.com/v2",
    base_url_env="CO_API_URL",
    key_env="CO_API_KEY",
    operations=r"(?:/v1)?/(?:chat|generate|models|tokenize)|/v1",
    version=r"/v\d",
)
_NAMES = {"top_p": "p", "top_k": "k", "stop": "stop_sequences"}
_CHOICES = {"none": "NONE", "required": "REQUIRED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CohereCodec(ChatCodec):
    """The v2 chat wire."""

    endpoint: Endpoint = COHERE

    def path(self) -> str:
        """Return the path of chat."""
        return "/chat"

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body. Raises RequestRefusedError for a choice of one named tool, which this API does not have."""
        body: dict[str, JsonValue] = {
            "model": self.model_name,
            "messages": [write_message(message) for message in messages],
            **move(options, _NAMES),
        }
        if "tool_choice" in options:
            choice = read_choice(options.pop("tool_choice"))
            if choice.kind == "named":
                raise RequestRefusedError("cohere cannot be made to choose one tool", fix="offer only that tool")
            if choice.kind in _CHOICES:
                body["tool_choice"] = _CHOICES[choice.kind]
        wanted = read_format(options.pop("response_format")) if "response_format" in options else None
        if wanted is not None:
            schema = {"json_schema": dict(wanted.schema)} if wanted.schema is not None else {}
            body["response_format"] = {"type": "json_object", **schema}
        return merge(body, options)

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read a message."""
        message = body.get("message")
        if not isinstance(message, dict):
            raise self.unexpected(body, answer, "message")
        reason = read_text(body.get("finish_reason"))
        parts = [part for part in read_list(message.get("content")) if isinstance(part, dict)]
        thoughts = [read_text(part.get("thinking")) or "" for part in parts if part.get("type") == "thinking"]
        plan = read_text(message.get("tool_plan"))
        return Response(
            text="".join(read_text(part.get("text")) or "" for part in parts if part.get("type") == "text"),
            finish_reason=reason,
            usage=_read_usage(body.get("usage")),
            model=self.model_name,
            reasoning="".join(thoughts) or plan,
            tool_calls=read_tool_calls(message.get("tool_calls")),
            logprobs=_read_logprobs(body.get("logprobs")),
        )


def _read_logprobs(chunks: object) -> tuple[TokenLogprob, ...]:
    """Read chunks that hold a text and the log probabilities of its tokens; those of several tokens are left out."""
    flat = [
        {"token": chunk.get("text"), "logprob": chunk["logprobs"][0]}
        for chunk in read_list(chunks)
        if isinstance(chunk, dict) and isinstance(chunk.get("logprobs"), list) and len(chunk["logprobs"]) == 1
    ]
    return read_logprobs(flat)


def _read_usage(usage: object) -> Usage | None:
    """Read the tokens that the model saw and wrote, or where these are missing, those that are billed."""
    if not isinstance(usage, dict):
        return None
    return read_usage(
        {"cached_tokens": usage.get("cached_tokens"), **read_mapping(usage.get("tokens") or usage.get("billed_units"))}
    )


class CohereArgs(SeededSampling, Tools, Form, Connection, total=False):
    """What the v2 chat API takes."""

    top_k: int | None
    presence_penalty: float | None
    frequency_penalty: float | None


class CohereModel(ChatModel):
    """A model of Cohere's; $CO_API_KEY. `extra` may hold `safety_mode`, `documents`, `thinking`."""

    endpoint: ClassVar[Endpoint] = COHERE
    codec_type: ClassVar[type[ChatCodec]] = CohereCodec

    @spelt_out()
    def __init__(self, model_name: str, **args: Unpack[CohereArgs]) -> None:
        super().__init__(model_name, args)
