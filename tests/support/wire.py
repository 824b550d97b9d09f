"""What each API's documentation shows going over the wire: one plain exchange per provider, and its source.

Each entry is an answer body in the API's own shape, the path it was asked at, and what we must read from it.
Bodies follow the documents named in `source` (read in November 2026), with texts of our own.
"""

from insideLLMs.core.types import Response, Usage
from insideLLMs.providers.apis.anthropic import AnthropicCodec
from insideLLMs.providers.apis.bedrock import BedrockCodec
from insideLLMs.providers.apis.cohere import CohereCodec
from insideLLMs.providers.apis.compatible import MistralCodec, MistralModel
from insideLLMs.providers.apis.gemini import GeminiCodec
from insideLLMs.providers.apis.ollama import OllamaCodec
from insideLLMs.providers.apis.openai import OpenAICodec
from insideLLMs.providers.apis.openai_responses import ResponsesCodec


def chat_completion(text):
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }


def responses(text):
    return {
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "object": "response",
        "created_at": 1741476542,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-4.1-2025-04-14",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "thought"}]},
            {
                "type": "message",
                "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            },
        ],
        "usage": {
            "input_tokens": 19,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 10,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 29,
        },
    }


def anthropic(text):
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [
            {"type": "thinking", "thinking": "thought", "signature": "EqQB"},
            {"type": "text", "text": text},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 4,
            "output_tokens": 10,
        },
    }


def gemini(text):
    return {
        "candidates": [
            {
                "content": {"parts": [{"text": "thought", "thought": True}, {"text": text}], "role": "model"},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 19,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 3,
            "cachedContentTokenCount": 4,
            "totalTokenCount": 29,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
    }


def cohere(text):
    return {
        "id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4",
        "finish_reason": "COMPLETE",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "thought"}, {"type": "text", "text": text}],
        },
        "usage": {
            "billed_units": {"input_tokens": 5, "output_tokens": 9},
            "tokens": {"input_tokens": 19.0, "output_tokens": 10.0},
        },
    }


def ollama(text):
    return {
        "model": "llama3.2",
        "created_at": "2026-11-12T14:13:43.416799Z",
        "message": {"role": "assistant", "content": text, "thinking": "thought"},
        "done": True,
        "done_reason": "stop",
        "total_duration": 5191566416,
        "load_duration": 2154458,
        "prompt_eval_count": 19,
        "prompt_eval_duration": 383809000,
        "eval_count": 10,
        "eval_duration": 4799921000,
    }


def bedrock(text):
    return {
        "output": {
            "message": {
                "role": "assistant",
                "content": [{"reasoningContent": {"reasoningText": {"text": "thought"}}}, {"text": text}],
            }
        },
        "stopReason": "end_turn",
        "usage": {"inputTokens": 15, "outputTokens": 10, "totalTokens": 29, "cacheReadInputTokens": 4},
        "metrics": {"latencyMs": 1275},
    }


def mistral(text):
    return {
        "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
        "object": "chat.completion",
        "model": "mistral-small-latest",
        "created": 1702256327,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "thought"}]},
                        {"type": "text", "text": text},
                    ],
                    "tool_calls": None,
                },
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
    }


def codec(kind, name, **fields):
    defaults = {"model_name": name, "fields": fields}
    if kind is MistralCodec:
        defaults["endpoint"] = MistralModel.endpoint
    return kind(**defaults)


FULL = Usage(input_tokens=19, output_tokens=10, reasoning_tokens=3, cached_tokens=4)
WRITTEN = Usage(input_tokens=19, output_tokens=10, cached_tokens=4, cache_write_tokens=3)
UNCOUNTED_THOUGHTS = Usage(input_tokens=19, output_tokens=10, cached_tokens=4)
PLAIN = Usage(input_tokens=19, output_tokens=10)


def said(text, usage, model, **more):
    return Response(text=text, finish_reason="stop", usage=usage, model=model, **{"reasoning": "thought", **more})


# provider -> (codec, body of an answer, what is read from it, path, where it is documented)
EXCHANGES = {
    "openai": (
        codec(OpenAICodec, "gpt-4.1"),
        chat_completion,
        lambda text: said(text, FULL, "gpt-4.1-2025-04-14", fingerprint="fp_44709d6fcb", reasoning=None),
        "/chat/completions",
        "https://platform.openai.com/docs/api-reference/chat/create",
    ),
    "openai_responses": (
        codec(ResponsesCodec, "gpt-4.1"),
        responses,
        lambda text: said(text, FULL, "gpt-4.1-2025-04-14"),
        "/responses",
        "https://platform.openai.com/docs/api-reference/responses/create",
    ),
    "anthropic": (
        codec(AnthropicCodec, "claude-sonnet-4-5", max_tokens=100),
        anthropic,
        lambda text: said(text, WRITTEN, "claude-sonnet-4-5-20250929"),
        "/v1/messages",
        "https://docs.claude.com/en/api/messages",
    ),
    "gemini": (
        codec(GeminiCodec, "gemini-2.5-flash"),
        gemini,
        lambda text: said(text, FULL, "gemini-2.5-flash"),
        "/models/gemini-2.5-flash:generateContent",
        "https://ai.google.dev/api/generate-content",
    ),
    "mistral": (
        codec(MistralCodec, "mistral-small-latest"),
        mistral,
        lambda text: said(text, PLAIN, "mistral-small-latest"),
        "/chat/completions",
        "https://docs.mistral.ai/api/#tag/chat/operation/chat_completion_v1_chat_completions_post",
    ),
    "cohere": (
        codec(CohereCodec, "command-a-03-2025"),
        cohere,
        lambda text: said(text, PLAIN, "command-a-03-2025"),
        "/chat",
        "https://docs.cohere.com/reference/chat",
    ),
    "ollama": (
        codec(OllamaCodec, "llama3.2"),
        ollama,
        lambda text: said(text, PLAIN, "llama3.2"),
        "/api/chat",
        "https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion",
    ),
    "bedrock": (
        codec(BedrockCodec, "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        bedrock,
        lambda text: said(text, UNCOUNTED_THOUGHTS, "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        "/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse",
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    ),
}
