"""Everything else that speaks OpenAI's chat completions: a row of where it listens, and what it spells otherwise."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Unpack

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.types import JsonValue, Message
from insideLLMs.providers.addresses import azure_address
from insideLLMs.providers.apis.openai import OpenAIArgs, OpenAICodec, OpenAIModel
from insideLLMs.providers.chat_model import ChatCodec, Options, spelt_out
from insideLLMs.providers.codec import Endpoint


class OpenRouterModel(OpenAIModel):
    """A model that OpenRouter routes to one of its providers; $OPENROUTER_API_KEY.

    The fingerprint of an answer names who served it, unless that server sent one of its own.
    """

    endpoint: ClassVar[Endpoint] = Endpoint(
        provider="openrouter", base_url="https://openrouter.ai/api/v1", key_env="OPENROUTER_API_KEY"
    )


class HuggingFaceModel(OpenAIModel):
    """A model behind Hugging Face's router, e.g. ``openai/gpt-oss-120b:cheapest``; $HF_TOKEN."""

    endpoint: ClassVar[Endpoint] = Endpoint(
        provider="huggingface", base_url="https://router.huggingface.co/v1", key_env="HF_TOKEN"
    )


class VllmModel(OpenAIModel):
    """A model that vLLM serves, by default on this machine; $VLLM_API_KEY where it was started with a key."""

    endpoint: ClassVar[Endpoint] = Endpoint(
        provider="vllm",
        base_url="http://localhost:8000/v1",
        base_url_env="VLLM_BASE_URL",
        key_env="VLLM_API_KEY",
        is_own_server=True,
    )


class LlamaCppModel(OpenAIModel):
    """A model that llama.cpp's server serves, by default on this machine; $LLAMA_API_KEY where it has a key."""

    endpoint: ClassVar[Endpoint] = Endpoint(
        provider="llama_cpp",
        base_url="http://localhost:8080/v1",
        base_url_env="LLAMA_CPP_BASE_URL",
        key_env="LLAMA_API_KEY",
        is_own_server=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MistralCodec(OpenAICodec):
    """Chat completions as Mistral has them: the seed is called `random_seed`, and `required` is `any`.

    Usage comes with every stream; to ask for it is an error.
    """

    stream_fields: ClassVar[Mapping[str, JsonValue]] = {"stream": True}

    def body(self, messages: Sequence[Message], options: Options) -> Mapping[str, JsonValue]:
        """Write a body with Mistral's words."""
        self.refuse(options, "logprobs", "max_completion_tokens")
        if "seed" in options:
            options["random_seed"] = options.pop("seed")
        if options.get("tool_choice") == "required":
            options["tool_choice"] = "any"
        return OpenAICodec.body(self, messages, options)


class MistralModel(OpenAIModel):
    """A model of Mistral's; $MISTRAL_API_KEY."""

    endpoint: ClassVar[Endpoint] = Endpoint(
        provider="mistral",
        base_url="https://api.mistral.ai/v1",
        base_url_env="MISTRAL_BASE_URL",
        key_env="MISTRAL_API_KEY",
    )
    codec_type: ClassVar[type[ChatCodec]] = MistralCodec


class AzureOpenAIModel(OpenAIModel):
    """A deployment on Azure OpenAI; $AZURE_OPENAI_API_KEY.

    `model_name` is the deployment's, `base_url` or $AZURE_OPENAI_ENDPOINT the resource, e.g.
    https://NAME.openai.azure.com. Without `api_version` the v1 API is used, which has none.
    """

    endpoint: ClassVar[Endpoint] = Endpoint(
        provider="azure",
        base_url="",
        base_url_env="AZURE_OPENAI_ENDPOINT",
        key_env="AZURE_OPENAI_API_KEY",
        key_header="api-key",
        key_format="{key}",
        operations="",
    )

    @spelt_out()
    def __init__(self, model_name: str, *, api_version: str | None = None, **args: Unpack[OpenAIArgs]) -> None:
        given = args["base_url"] if args["base_url"] is not None else os.environ.get("AZURE_OPENAI_ENDPOINT", "")
        args["base_url"] = FromEnvironment.like(given, azure_address(given, str(model_name), api_version))
        super().__init__(model_name, **args)
