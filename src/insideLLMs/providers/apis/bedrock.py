"""AWS Bedrock's converse API; requests are signed by botocore, or carry a Bedrock API key."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from typing import Any, ClassVar, Unpack
from urllib.parse import quote

import msgspec

from insideLLMs.core.errors import ArgumentError, AuthError, ModelUnavailableError
from insideLLMs.core.foreign_json import read_arguments
from insideLLMs.core.types import ImagePart, JsonValue, Message, Request, Response, TextPart, ToolCall
from insideLLMs.providers.addresses import is_loopback
from insideLLMs.providers.answer_fields import read_text, read_usage
from insideLLMs.providers.chat_model import (
    ChatCodec,
    ChatModel,
    Connection,
    Options,
    Sampling,
    Tools,
    merge,
    move,
    spelt_out,
)
from insideLLMs.providers.codec import Endpoint, HttpAnswer, HttpCall
from insideLLMs.providers.http_model import find_address
from insideLLMs.providers.request_options import (
    join_turns,
    parts_of,
    read_choice,
    read_tools,
    required_inline,
    split_system,
)

BEDROCK = Endpoint(
    provider="bedrock",
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    base_url_env="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    key_env="AWS_BEARER_TOKEN_BEDROCK",
    operations=r"/model(?:/[^/?]+)?(?:/(?:converse|invoke)[\w-]*)?",
)
_NAMES = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP", "stop": "stopSequences"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockCodec(ChatCodec):
    """The converse wire."""

    endpoint: Endpoint = BEDROCK

    def path(self) -> str:
        """Return the path of the model, which may be an ARN."""
        return f"/model/{quote(self.model_name, safe='')}/converse"

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body. Raises RequestRefusedError for what converse does not have."""
        self.refuse(options, "seed", "logprobs", "response_format")
        system, rest = split_system(messages)
        body: dict[str, JsonValue] = {
            "system": [{"text": system}] if system else None,
            "messages": [
                {"role": role, "content": [block for message in turn for block in _write_blocks(message)]}
                for role, turn in join_turns(rest)
            ],
            "inferenceConfig": move(options, _NAMES),
        }
        if "tools" in options:
            tools = read_tools(options.pop("tools"))
            body["toolConfig"] = {"tools": [_write_tool(tool.written("inputSchema")) for tool in tools]}
            if "tool_choice" in options:
                choice = read_choice(options.pop("tool_choice"))
                wanted = {"tool": {"name": choice.name}} if choice.name else {"any": {}}
                body["toolConfig"] |= {} if choice.kind in {"auto", "none"} else {"toolChoice": wanted}
        return merge(body, options)

    def read(self, body: dict[str, Any], answer: HttpAnswer) -> Response:
        """Read a message."""
        match body:
            case {"output": {"message": {"content": list(blocks)}}}:
                pass
            case _:
                raise self.unexpected(body, answer, "output.message")
        texts, thoughts, calls = [], [], []
        for block in blocks:
            match block:
                case {"text": str(text)}:
                    texts.append(text)
                case {"reasoningContent": {"reasoningText": {"text": str(text)}}}:
                    thoughts.append(text)
                case {"toolUse": {"name": str(name), **rest}}:
                    arguments = read_arguments(rest.get("input"))
                    calls.append(ToolCall(name=name, arguments=arguments, id=read_text(rest.get("toolUseId"))))
        reason = read_text(body.get("stopReason"))
        return Response(
            text="".join(texts),
            finish_reason=reason,
            usage=read_usage(body.get("usage")),
            model=self.model_name,
            reasoning="\n".join(thoughts) or None,
            tool_calls=tuple(calls),
        )


def _write_tool(tool: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {"toolSpec": {**tool, "inputSchema": {"json": tool["inputSchema"]}}}


def _write_blocks(message: Message) -> list[dict[str, JsonValue]]:
    if message.role == "tool":
        result = {"toolUseId": message.tool_call_id or "", "content": [_write_part(part) for part in parts_of(message)]}
        return [{"toolResult": result}]
    blocks = [_write_part(part) for part in parts_of(message)]
    blocks.extend(
        {"toolUse": {"toolUseId": call.id or f"call_{position}", "name": call.name, "input": call.arguments}}
        for position, call in enumerate(message.tool_calls)
    )
    return blocks


def _write_part(part: TextPart | ImagePart) -> dict[str, JsonValue]:
    if isinstance(part, TextPart):
        return {"text": part.text}
    media, data = required_inline(part, "bedrock")
    return {"image": {"format": media.partition("/")[2], "source": {"bytes": data}}}


class BedrockArgs(Sampling, Tools, Connection, total=False):
    """What converse takes."""

    stop: str | Sequence[str] | None


class BedrockModel(ChatModel):
    """A model on AWS Bedrock, by its id or the ARN of its inference profile.

    With $AWS_BEARER_TOKEN_BEDROCK that key is sent; otherwise botocore (the extra `bedrock`) finds credentials
    as AWS's tools do and signs each request. `region` defaults to $AWS_REGION, then $AWS_DEFAULT_REGION.
    """

    endpoint: ClassVar[Endpoint] = BEDROCK
    codec_type: ClassVar[type[ChatCodec]] = BedrockCodec

    @spelt_out()
    def __init__(self, model_name: str, *, region: str | None = None, **args: Unpack[BedrockArgs]) -> None:
        self.region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
        if not self.region:
            raise ArgumentError("bedrock needs a region", fix="set region or AWS_REGION, e.g. us-east-1")
        address = find_address(args["base_url"], BEDROCK)
        regional = BEDROCK.base_url.format(region=self.region)
        args["base_url"] = regional if address == BEDROCK.base_url else address
        super().__init__(model_name, args)
        self._credentials: Any = None  # botocore has no types

    def check(self) -> None:
        """Raise AuthError without credentials, ModelUnavailableError without a key and without botocore."""
        if not os.environ.get(self._endpoint.key_env):
            self._find_credentials()

    async def respond(self, request: Request, *, repeat: int = 0) -> Response:
        """Make one call, signed if there is no API key. Raises ModelError."""
        call = self._codec.encode(request, repeat=repeat)
        transport = self._connected()
        if not self._key():
            if self._credentials is None:
                await asyncio.to_thread(self._find_credentials)
            call = msgspec.structs.replace(call, headers=self._sign(transport.url(call.path), call))
            signer = self._credentials.get_frozen_credentials()
            transport.redactor = transport.redactor.also(signer.secret_key or "", signer.token or "")
        return self._read(await transport.send(call))

    def _key(self) -> str:
        """Return the API key, or nothing where requests are signed."""
        return ChatModel._key(self) if os.environ.get(self._endpoint.key_env) or is_loopback(self._base_url) else ""

    def _find_credentials(self) -> None:
        if util.find_spec("botocore") is None:
            raise ModelUnavailableError(
                "signing requests to bedrock needs the package botocore, which is not installed",
                fix=f"pip install 'insidellms[bedrock]', or set {self._endpoint.key_env} to a Bedrock API key",
            )
        import botocore.session  # noqa: PLC0415 - an optional extra

        self._credentials = botocore.session.get_session().get_credentials()
        if self._credentials is None:
            raise AuthError(
                "bedrock needs credentials, and botocore finds none",
                fix="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run `aws configure`, "
                f"or set {self._endpoint.key_env}",
            )

    def _sign(self, url: str, call: HttpCall) -> Mapping[str, str]:
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - an optional extra
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        request = AWSRequest(method="POST", url=url, data=call.body, headers={"Content-Type": "application/json"})
        SigV4Auth(self._credentials.get_frozen_credentials(), "bedrock", self.region).add_auth(request)
        return dict(request.headers.items())
