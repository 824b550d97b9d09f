"""OpenAI's chat completions, and everything that speaks them: vLLM, llama.cpp, Ollama, OpenRouter and the like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from insideLLMs.core import canonical
from insideLLMs.core.errors import ArgumentError, BadAnswerError, CanonicalError, ModelError, RequestRefusedError
from insideLLMs.core.types import JsonValue, Message, Request, Response, ToolCall, Usage
from insideLLMs.providers.arguments import check_mapping, check_numbers, read_stop
from insideLLMs.providers.codec import Endpoint, HttpAnswer, HttpCall, excerpt, failure, json_object
from insideLLMs.providers.http_model import HttpModel
from insideLLMs.providers.transport import TransportOptions

OPENAI = Endpoint(
    provider="openai",
    base_url="https://api.openai.com/v1",
    base_url_env="OPENAI_BASE_URL",
    key_env="OPENAI_API_KEY",
)
RESERVED = {
    "model": "set model_name",
    "messages": "the probe makes the messages",
    "stream": "answers are read whole",
    "n": "use repeats",
}
"""Body fields that are ours to fill in, and what to do instead of setting them."""
RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "max_tokens": (1, 10**7),
    "max_completion_tokens": (1, 10**7),
    "seed": (-(2**53) + 1, 2**53 - 1),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "timeout_s": (0.001, 86_400),
}
FINISH_REASONS = {"function_call": "tool_calls", "eos": "stop", "end_turn": "stop", "max_tokens": "length"}


class OpenAIModel(HttpModel):
    """A model behind a chat completions API; the key comes from the environment, and a local server needs none.

    `base_url` defaults to $OPENAI_BASE_URL, then to OpenAI itself. What is None is not sent, so that the
    provider's default holds. With a `seed`, repeat number n is sent seed + n. `extra` holds further fields of
    the request body, `headers` further headers; their values count as secret and enter no file. `timeout_s`
    bounds one call. Proxies from the environment are used only with `use_proxy_env`.
    """

    def __init__(  # noqa: PLR0913 - each argument is a key that users write under `args:`
        self,
        model_name: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: int | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        presence_penalty: float | None = None,
        frequency_penalty: float | None = None,
        reasoning_effort: str | None = None,
        response_format: Mapping[str, JsonValue] | None = None,
        extra: Mapping[str, JsonValue] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 600.0,
        use_proxy_env: bool = False,
    ) -> None:
        parameters = {
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "max_completion_tokens": max_completion_tokens,
            "seed": seed,
            "stop": read_stop(stop),
            "presence_penalty": presence_penalty,
            "frequency_penalty": frequency_penalty,
            "reasoning_effort": reasoning_effort,
            "response_format": response_format,
        }
        check_mapping("headers", headers, texts=True)
        check_numbers({**parameters, "timeout_s": timeout_s}, RANGES)
        endpoint = replace(OPENAI, key_env=api_key_env, headers=dict(headers or {}))
        super().__init__(
            model_name,
            endpoint=endpoint,
            codec=OpenAICodec(model_name=model_name, fields=body_fields(parameters, extra), endpoint=endpoint),
            base_url=base_url,
            options=TransportOptions(total_s=timeout_s, use_proxy_env=use_proxy_env),
        )


def body_fields(parameters: Mapping[str, JsonValue], extra: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    """Join the parameters that are set with `extra`. Raises ArgumentError for a field that is set twice or is ours."""
    check_mapping("extra", extra)
    check_mapping("response_format", parameters["response_format"])
    fields = {name: value for name, value in parameters.items() if value is not None}
    for name, value in (extra or {}).items():
        if name in RESERVED or name in fields:
            raise ArgumentError(f"extra sets {name!r}", fix=RESERVED.get(name, "set it once, as an argument"))
        fields[name] = value
    return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAICodec:
    """The chat completions wire; `fields` are the request body's, apart from model and messages."""

    model_name: str
    fields: Mapping[str, JsonValue]
    endpoint: Endpoint = OPENAI

    def parameters(self) -> Mapping[str, JsonValue]:
        """Return the body fields and the names of extra headers (their values may be secret)."""
        headers = sorted(self.endpoint.headers)
        return {**self.fields, **({"headers": headers} if headers else {})}

    def encode(self, request: Request, *, repeat: int) -> HttpCall:
        """Write a request; its options override `fields`, and an option of None takes a field out."""
        body = {
            "model": self.model_name,
            "messages": [write_message(message) for message in request.messages],
            **self.fields,
        }
        if request.options:
            for name, value in request.options.items():
                if name in RESERVED:
                    raise RequestRefusedError(f"a request cannot set {name!r}", fix=RESERVED[name])
                body[name] = value
            body = {name: value for name, value in body.items() if value is not None}
        if repeat and isinstance(body.get("seed"), int):
            body["seed"] += repeat
        try:
            return HttpCall(path="/chat/completions", body=orjson.dumps(body))
        except TypeError as error:
            raise RequestRefusedError(f"the request cannot be written as JSON: {error}") from error

    def decode(self, answer: HttpAnswer) -> Response:
        """Read an answer. Raises the ModelError that fits; a filtered prompt is an answer, not a failure."""
        if not 200 <= answer.status < 300:
            return self._decode_failure(answer)
        body = json_object(answer, self.endpoint.provider)
        match body:
            case {"choices": [{"message": dict(message), **choice}, *_]}:
                return read_completion(body, choice, message)
            case {"error": dict() | str()}:  # OpenRouter reports upstream failures under status 200
                return self._decode_failure(answer)
            case _:
                raise BadAnswerError(
                    f"{self.endpoint.provider} answered without choices[0].message; it sent the fields "
                    f"{excerpt(', '.join(sorted(body))) or 'none'}",
                    http_status=answer.status,
                )

    def _decode_failure(self, answer: HttpAnswer) -> Response:
        message, code, status = read_error(answer.body)
        if code == "content_filter" and answer.status == 400:
            return Response(finish_reason="content_filter", model=self.model_name)
        error: ModelError = failure(answer, self.endpoint, message=message, code=code, status=status)
        raise error


def write_message(message: Message) -> dict[str, JsonValue]:
    """Write one turn as chat completions want it."""
    plain: dict[str, JsonValue] = {"role": message.role, "content": message.content}
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


def read_completion(body: Mapping[Any, Any], choice: Mapping[Any, Any], message: Mapping[Any, Any]) -> Response:
    """Turn a chat completion into a Response."""
    text, thoughts = _read_content(message.get("content"))
    refusal = _text(message.get("refusal"))
    calls = message.get("tool_calls")
    reason = _text(choice.get("finish_reason"))
    return Response(
        text=text or refusal or "",
        finish_reason="refusal" if refusal else FINISH_REASONS.get(reason or "", reason),
        usage=_read_usage(body.get("usage")),
        model=_text(body.get("model")),
        fingerprint=_text(body.get("system_fingerprint")),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")) or thoughts or None,
        tool_calls=tuple(_read_tool_call(call) for call in calls) if isinstance(calls, list) else (),
    )


def read_error(body: bytes) -> tuple[str, str, int]:
    """Return message, code and status of an error body; each API wraps them otherwise, and some send no JSON."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:2000].decode("utf-8", "replace"), "", 0
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return str(error), "", 0
    message = error.get("message") or error.get("detail") or ""
    code = error.get("code") or error.get("type") or ""
    status = code if isinstance(code, int) and 400 <= code < 600 else 0
    return str(message), str(error.get("type") or "") if status else str(code), status


def _read_content(content: object) -> tuple[str, str]:
    """Return text and thoughts; content is text, nothing, or a list of parts (Mistral)."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, list):
        raise BadAnswerError(f"the answer's content is of type {type(content).__name__}; it must be text or parts")
    text, thoughts = [], []
    for part in content:
        match part:
            case {"type": "text" | "output_text", "text": str(piece)}:
                text.append(piece)
            case {"type": "thinking", "thinking": str(piece)}:
                thoughts.append(piece)
            case {"type": "thinking", "thinking": list(pieces)}:
                thoughts.extend(_text(piece.get("text")) or "" for piece in pieces if isinstance(piece, dict))
    return "".join(text), "".join(thoughts)


def _read_tool_call(call: object) -> ToolCall:
    match call:
        case {"function": {"name": str(name), **function}, **rest}:
            return ToolCall(name=name, arguments=_read_arguments(function.get("arguments")), id=_text(rest.get("id")))
        case _:
            raise BadAnswerError("the answer holds a tool call without a function name")


def _read_arguments(arguments: object) -> dict[str, JsonValue]:
    """Decode a tool call's arguments; a model may write broken JSON, which is kept as text under ``$invalid``."""
    try:
        value = orjson.loads(arguments or "{}") if isinstance(arguments, str | None) else arguments
        canonical.check(value)
    except (orjson.JSONDecodeError, CanonicalError):
        return {"$invalid": str(arguments)}
    return value if isinstance(value, dict) else {"$invalid": str(arguments)}


def _read_usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    written = usage.get("completion_tokens_details")
    read = usage.get("prompt_tokens_details")
    return Usage(
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        reasoning_tokens=_count(written.get("reasoning_tokens")) if isinstance(written, dict) else None,
        cached_tokens=_count(read.get("cached_tokens")) if isinstance(read, dict) else None,
    )


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= canonical.MAX_INTEGER:
        return value
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
