"""Every codec against the exchanges that its API documents: answers and errors as they are read."""

import orjson
import pytest

from insideLLMs.core.errors import (
    AuthError,
    BadAnswerError,
    ModelNotFoundError,
    ModelTimeoutError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.types import TokenLogprob, ToolCall
from insideLLMs.providers.codec import HttpAnswer
from support.wire import EXCHANGES, bedrock, chat_completion, gemini, ollama, responses


def decode(name, body, status=200, headers=None):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return EXCHANGES[name][0].decode(HttpAnswer(status=status, headers=headers or {}, body=data))


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_documented_answer_is_read_whole(name):
    _, body, expected, _, _ = EXCHANGES[name]
    assert decode(name, body("Oslo is in Norway.")) == expected("Oslo is in Norway.")


CALLS = {
    "openai_responses": (
        {
            **responses(""),
            "output": [{"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Oslo"}'}],
        }
    ),
    "anthropic": {
        "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}],
        "stop_reason": "tool_use",
    },
    "gemini": {
        "candidates": [
            {
                "content": {"parts": [{"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Oslo"}}}]},
                "finishReason": "STOP",
            }
        ]
    },
    "cohere": {
        "message": {
            "tool_plan": "I will look.",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ],
        },
        "finish_reason": "TOOL_CALL",
    },
    "ollama": {
        "message": {
            "content": "",
            "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
        },
        "done_reason": "stop",
    },
    "bedrock": {
        "output": {
            "message": {"content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}}]}
        },
        "stopReason": "tool_use",
    },
}


@pytest.mark.parametrize("name", CALLS)
def test_a_tool_call_is_read_and_is_the_reason_of_the_end(name):
    response = decode(name, CALLS[name])
    assert response.tool_calls == (ToolCall(name="weather", arguments={"city": "Oslo"}, id="c1"),)
    assert response.finish_reason == "tool_calls"
    assert response.text == ""


REASONS = [
    ("anthropic", {"content": [], "stop_reason": "refusal"}, "refusal"),
    ("anthropic", {"content": [], "stop_reason": "max_tokens"}, "length"),
    ("gemini", {"candidates": [{"finishReason": "SAFETY"}]}, "content_filter"),
    ("gemini", {"candidates": [{"finishReason": "MAX_TOKENS"}]}, "length"),
    ("gemini", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "content_filter"),
    ("bedrock", {"output": {"message": {"content": []}}, "stopReason": "guardrail_intervened"}, "content_filter"),
    ("cohere", {"message": {}, "finish_reason": "MAX_TOKENS"}, "length"),
    ("ollama", {"message": {}, "done_reason": "length"}, "length"),
    (
        "openai_responses",
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []},
        "length",
    ),
    (
        "openai_responses",
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": []},
        "content_filter",
    ),
    (
        "openai_responses",
        {"status": "completed", "output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]},
        "refusal",
    ),
]


@pytest.mark.parametrize(("name", "body", "reason"), REASONS)
def test_refused_filtered_and_cut_off_answers_are_told_apart(name, body, reason):
    assert decode(name, body).finish_reason == reason


def test_log_probabilities_are_read_where_an_api_gives_them():
    tokens = (TokenLogprob(token="Os", logprob=-0.5), TokenLogprob(token="lo", logprob=-0.25))
    listed = [{"token": token.token, "logprob": token.logprob, "top_logprobs": []} for token in tokens]
    body = chat_completion("Oslo")
    body["choices"][0]["logprobs"] = {"content": listed}
    assert decode("openai", body).logprobs == tokens
    body = gemini("Oslo")
    chosen = [{"token": token.token, "logProbability": token.logprob} for token in tokens]
    body["candidates"][0]["logprobsResult"] = {"chosenCandidates": chosen}
    assert decode("gemini", body).logprobs == tokens
    assert decode("ollama", {**ollama("Oslo"), "logprobs": listed}).logprobs == tokens
    body = responses("Oslo")
    body["output"][1]["content"][0]["logprobs"] = listed
    assert decode("openai_responses", body).logprobs == tokens


FAILURES = [
    ("anthropic", 401, {"type": "error", "error": {"type": "authentication_error", "message": "bad"}}, AuthError),
    ("anthropic", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, ServerError),
    ("anthropic", 404, {"type": "error", "error": {"type": "not_found_error", "message": "x"}}, ModelNotFoundError),
    ("anthropic", 429, {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, RateLimitError),
    (
        "anthropic",
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}},
        AuthError,
    ),
    (
        "gemini",
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
            }
        },
        AuthError,
    ),
    ("gemini", 503, {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, ServerError),
    ("gemini", 400, {"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT"}}, RequestRefusedError),
    ("cohere", 401, {"message": "invalid api token"}, AuthError),
    ("cohere", 200, {"message": {}, "finish_reason": "ERROR"}, ServerError),
    ("cohere", 200, {"message": {}, "finish_reason": "TIMEOUT"}, ModelTimeoutError),
    ("mistral", 422, {"detail": [{"msg": "x"}]}, RequestRefusedError),
    ("ollama", 404, {"error": "model 'x' not found"}, ModelNotFoundError),
    ("openai_responses", 200, {"status": "failed", "error": {"code": "server_error", "message": "x"}}, ServerError),
    ("openai_responses", 401, {"error": {"message": "x", "code": "invalid_api_key"}}, AuthError),
]


@pytest.mark.parametrize(("name", "status", "body", "kind"), FAILURES)
def test_each_apis_errors_become_the_one_that_fits(name, status, body, kind):
    with pytest.raises(kind):
        decode(name, body, status)


def test_gemini_says_in_the_body_how_long_to_wait():
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
    body = {"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED", "details": [retry]}}
    with pytest.raises(RateLimitError) as caught:
        decode("gemini", body, 429)
    assert caught.value.retry_after_s == 37.5


@pytest.mark.parametrize(
    ("kind", "status", "message", "error"),
    [
        ("ThrottlingException:http://internal.amazon.com/", 429, "Too many requests", RateLimitError),
        ("ModelErrorException", 424, "The model failed", ServerError),
        ("ModelNotReadyException", 429, "Not ready", ServerError),
        ("AccessDeniedException", 403, "No", AuthError),
        ("ValidationException", 400, "The provided model identifier is invalid.", ModelNotFoundError),
        ("ValidationException", 400, "messages must not be empty", RequestRefusedError),
    ],
)
def test_bedrock_says_in_a_header_what_went_wrong(kind, status, message, error):
    with pytest.raises(error):
        decode("bedrock", {"message": message}, status, {"x-amzn-ErrorType": kind})


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("body", [b"not json", b"[]", b"{}", b'{"unheard": "of"}'])
def test_an_answer_that_is_none_is_said_to_be_none(name, body):
    with pytest.raises(BadAnswerError):
        decode(name, body)


def test_an_empty_bedrock_message_is_an_answer():
    assert decode("bedrock", bedrock("")).text == ""
