"""Google's Gemini API, generateContent: contents of parts, settings under generationConfig."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack
from urllib.parse import quote

from insideLLMs.core.foreign_json import read_arguments
from insideLLMs.core.types import ImagePart, JsonValue, Message, Response, TextPart, ToolCall
from insideLLMs.providers.answer_fields import (
    read_list,
    read_logprobs,
    read_mapping,
    read_text,
    read_usage,
)
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
from insideLLMs.providers.request_options import (
    inline_image,
    join_turns,
    parts_of,
    read_choice,
    read_format,
    read_tools,
    split_system,
)

GEMINI = Endpoint(
    provider="gemini",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    base_url_env="GEMINI_BASE_URL",
    key_env="GEMINI_API_KEY",
    key_header="x-goog-api-key",
    operations=r"/(?:models|tunedModels)(?:/[^/?]*)?",
    version=r"/v\d\w*",
    key_format="{key}",
)
_NAMES = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "seed": "seed",
    "stop": "stopSequences",
    "logprobs": "responseLogprobs",
}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiCodec(ChatCodec):
    """The generateContent wire."""

    batch_prefix: ClassVar[str | None] = "/v1beta"

    endpoint: Endpoint = GEMINI

    def path(self) -> str:
        """Return the path of the model; a name with a collection (`tunedModels/x`) stays as it is."""
        name = self.model_name if "/" in self.model_name else f"models/{self.model_name}"
        return f"/{quote(name, safe='/')}:generateContent"

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body."""
        system, rest = split_system(messages)
        settings = move(options, _NAMES)
        wanted = read_format(options.pop("response_format")) if "response_format" in options else None
        if wanted is not None:
            settings["responseMimeType"] = "application/json"
            if wanted.schema is not None:
                settings["responseJsonSchema"] = dict(wanted.schema)
        names = {call.id: call.name for message in rest for call in message.tool_calls if call.id}
        body: dict[str, JsonValue] = {
            "systemInstruction": {"parts": [{"text": system}]} if system else None,
            "contents": [
                {
                    "role": "model" if role == "assistant" else "user",
                    "parts": [part for message in turn for part in _write_parts(message, names)],
                }
                for role, turn in join_turns(rest)
            ],
            "generationConfig": settings,
        }
        if "tools" in options:
            tools = read_tools(options.pop("tools"))
            body["tools"] = [{"functionDeclarations": [tool.written("parametersJsonSchema") for tool in tools]}]
        if "tool_choice" in options:
            choice = read_choice(options.pop("tool_choice"))
            allowed = {"allowedFunctionNames": [choice.name]} if choice.name else {}
            body["toolConfig"] = {"functionCallingConfig": {"mode": _MODES[choice.kind], **allowed}}
        return merge(body, options)

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read the first candidate; a prompt that was blocked has none."""
        match body:
            case {"candidates": [dict(candidate), *_]}:
                return self._read_candidate(body, candidate)
            case {"promptFeedback": {"blockReason": str()}}:
                return Response(
                    finish_reason="content_filter",
                    usage=read_usage(body.get("usageMetadata")),
                    model=read_text(body.get("modelVersion")) or self.model_name,
                )
            case _:
                raise self.unexpected(body, answer, "candidates[0]")

    def _read_candidate(self, body: Mapping[str, Any], candidate: Mapping[str, Any]) -> Response:
        texts, thoughts, calls = [], [], []
        for part in read_list(read_mapping(candidate.get("content")).get("parts")):
            match part:
                case {"text": str(text), "thought": True}:
                    thoughts.append(text)
                case {"text": str(text)}:
                    texts.append(text)
                case {"functionCall": {"name": str(name), **rest}}:
                    arguments = read_arguments(rest.get("args") or {})
                    calls.append(ToolCall(name=name, arguments=arguments, id=read_text(rest.get("id"))))
        reason = read_text(candidate.get("finishReason"))
        chosen = read_mapping(candidate.get("logprobsResult")).get("chosenCandidates")
        return Response(
            text="".join(texts),
            finish_reason="tool_calls" if calls and reason == "STOP" else reason,
            usage=read_usage(body.get("usageMetadata")),
            model=read_text(body.get("modelVersion")),
            reasoning="".join(thoughts) or None,
            tool_calls=tuple(calls),
            logprobs=read_logprobs(chosen, logprob="logProbability"),
        )


def _write_parts(message: Message, names: Mapping[str, str]) -> list[dict[str, JsonValue]]:
    if message.role == "tool":
        name = names.get(message.tool_call_id or "", message.tool_call_id or "")
        return [{"functionResponse": {"name": name, "response": {"result": message.text}}}]
    parts = [_write_part(part) for part in parts_of(message)]
    parts.extend({"functionCall": {"name": call.name, "args": call.arguments}} for call in message.tool_calls)
    return parts


def _write_part(part: TextPart | ImagePart) -> dict[str, JsonValue]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    inline = inline_image(part)
    if inline is None:
        return {"fileData": {"fileUri": part.url}}
    return {"inlineData": {"mimeType": inline[0], "data": inline[1]}}


class GeminiArgs(SeededSampling, Tools, Form, Connection, total=False):
    """What generateContent takes."""

    top_k: int | None


class GeminiModel(ChatModel):
    """A Gemini model; $GEMINI_API_KEY.

    `extra` may hold `safetySettings`, and `generationConfig: {thinkingConfig: ...}`.
    """

    endpoint: ClassVar[Endpoint] = GEMINI
    codec_type: ClassVar[type[ChatCodec]] = GeminiCodec

    @spelt_out()
    def __init__(self, model_name: str, **args: Unpack[GeminiArgs]) -> None:
        super().__init__(model_name, args)
