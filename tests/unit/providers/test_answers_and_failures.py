"""One table of what counts as an answer, of what errors mean, and of how tokens are counted, for all providers."""

import msgspec
import orjson
import pytest

from insideLLMs.core.errors import (
    AuthError,
    BadAnswerError,
    ModelError,
    ModelNotFoundError,
    ModelTimeoutError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.types import Usage
from insideLLMs.providers.codec import HttpAnswer
from support import wire


def codec(name):
    return wire.EXCHANGES.get(name, wire.EXCHANGES["openai"])[0]


def decode(name, body, status=200, headers=()):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return codec(name).decode(HttpAnswer(status=status, headers=dict(headers), body=data, url="https://h.example/x"))


def chat(text="", reason="stop", **more):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return {"model": "m-1", "choices": [{**choice, **more}]}


def gemini(reason, text=None):
    content = {} if text is None else {"content": {"parts": [{"text": text}]}}
    return {"candidates": [{"finishReason": reason, **content}], "modelVersion": "g-1"}


FAILURES = {
    "an error in a choice": ("openai", chat(reason="error", error={"code": 502, "message": "x"}), ServerError),
    "half a text": ("openai", chat("The ans", "error", error={"code": 429, "message": "x"}), RateLimitError),
    "error without words": ("openai", chat("The ans", "error"), ServerError),
    "aborted": ("openai", chat("It i", "abort"), ServerError),
    "network error": ("openai", chat(reason="network_error"), ServerError),
    "no resources": ("openai", chat("It", "insufficient_system_resource"), ServerError),
    "timed out": ("openai", chat("It", "timeout"), ModelTimeoutError),
    "an upstream's failure": ("openai", chat("It i", "upstream_error"), ServerError),
    "cancelled by a user": ("cohere", {"message": {"content": []}, "finish_reason": "USER_CANCEL"}, ServerError),
    "a word of their own and nothing else": ("gemini", gemini("IMAGE_OTHER"), ServerError),
    "not done": ("ollama", {"message": {"content": "It i"}, "done": False}, ServerError),
    "a choice without a message": ("openai", {"choices": [{"text": "4", "finish_reason": "stop"}]}, BadAnswerError),
    "a message that is a text": ("openai", chat(message="It is 4."), BadAnswerError),
    "nothing said": ("openai", chat(reason=None), BadAnswerError),
    "an error of vLLM": ("openai", {"object": "error", "message": "x", "code": 400}, RequestRefusedError),
    "errors of a gateway": ("openai", {"success": False, "errors": [{"code": 7003, "message": "x"}]}, ServerError),
    "an upstream word": ("openai", {"error": {"type": "overloaded_error", "message": "x"}}, ServerError),
    "malformed call": ("gemini", gemini("MALFORMED_FUNCTION_CALL"), ServerError),
    "other": ("gemini", gemini("OTHER"), ServerError),
    "in progress": ("openai_responses", {**wire.responses("x"), "status": "in_progress"}, ServerError),
    "cancelled": ("openai_responses", {**wire.responses("x"), "status": "cancelled"}, ServerError),
    "failed": (
        "openai_responses",
        {"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "x"}},
        RateLimitError,
    ),
    "only loaded": ("ollama", {"message": {"content": ""}, "done_reason": "load"}, ServerError),
    "a runner that ended": ("ollama", {"error": "the runner process has ended"}, ServerError),
    "malformed output": (
        "bedrock",
        {"output": {"message": {"content": []}}, "stopReason": "malformed_model_output"},
        ServerError,
    ),
    "broken off": ("cohere", {"message": {"content": []}, "finish_reason": "ERROR"}, ServerError),
    "overtime": ("cohere", {"message": {"content": []}, "finish_reason": "TIMEOUT"}, ModelTimeoutError),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_under_status_200_is_no_answer_and_is_retried(name):
    provider, body, kind = FAILURES[name]
    with pytest.raises(kind) as caught:
        decode(provider, body)
    assert caught.value.retryable == (kind is not RequestRefusedError)


ANSWERS = {
    "no reason but a text": ("openai", chat("It is 4.", None), None),
    "a word of their own": ("openai", chat("It is 4.", "because"), "because"),
    "their stop": ("openai", chat("It is 4.", "stop_sequence"), "stop"),
    "cut off before a word": ("openai", chat("", "length"), "length"),
    "error: null": ("openai", {**chat("It is 4."), "error": None}, "stop"),
    "other beside a text": ("gemini", gemini("OTHER", "It is 4."), "other"),
    "no parts for want of tokens": ("gemini", gemini("MAX_TOKENS"), "length"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_has_no_sign_of_failure_is_an_answer(name):
    provider, body, reason = ANSWERS[name]
    assert decode(provider, body).finish_reason == reason


FILTERED = {
    "azure": (
        "openai",
        200,
        {"choices": [], "prompt_filter_results": [{"content_filter_results": {"x": {"filtered": True}}}]},
    ),
    "anthropic": (
        "anthropic",
        400,
        {"error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}},
    ),
    "openai": ("openai", 400, {"error": {"code": "invalid_prompt", "message": "Invalid prompt"}}),
    "responses": ("openai_responses", 200, {"status": "failed", "error": {"code": "invalid_prompt", "message": "x"}}),
    "behind a gateway": (
        "openai",
        400,
        {
            "error": {
                "code": "400",
                "message": "x",
                "provider_specific_fields": {"innererror": {"code": "ResponsibleAIPolicyViolation"}},
            }
        },
    ),
    "quoted by a gateway": (
        "openai",
        400,
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": '{"error": {"code": "content_filter"}}'},
            }
        },
    ),
    "moderation": (
        "openai",
        403,
        {"error": {"code": 403, "message": "m requires moderation", "metadata": {"flagged_input": "x"}}},
    ),
    "a word": ("openai", 400, {"error": {"code": "data_inspection_failed", "message": "x"}}),
    "a finish reason": ("openai", 200, chat("", "sensitive")),
    "risk": ("openai", 400, {"error": {"message": "Content Exists Risk", "code": "invalid_request_error"}}),
    "guidelines": ("openai", 403, {"error": "Content violates usage guidelines. Failed check: SAFETY"}),
    "minimax": ("openai", 200, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
    "litellm": ("openai", 400, {"error": {"message": "litellm.ContentPolicyViolationError: x", "code": "400"}}),
    "a guardrail": ("bedrock", 200, {"output": {"message": {"content": []}}, "stopReason": "guardrail_intervened"}),
    "gemini": ("gemini", 200, {"promptFeedback": {"blockReason": "SAFETY"}}),
    "toxic": ("cohere", 200, {"message": {"content": []}, "finish_reason": "ERROR_TOXIC"}),
}


@pytest.mark.parametrize("name", FILTERED)
def test_a_filtered_prompt_is_an_answer_in_every_spelling(name):
    provider, status, body = FILTERED[name]
    assert decode(provider, body, status).finish_reason == "content_filter"


ERRORS = {
    "usage limit": (
        400,
        {"message": "You have reached your specified API usage limits. You regain access on 1 May."},
        AuthError,
    ),
    "spent quota": (429, {"type": "exceeded_current_quota_error", "message": "please check your plan"}, AuthError),
    "spent credits": (
        429,
        {"message": "Your team has either used all available credits or reached its limit."},
        AuthError,
    ),
    "no balance": (403, {"message": "Insufficient balance"}, AuthError),
    "a spending cap": (429, {"message": "Your project has exceeded its monthly spending cap."}, AuthError),
    "a suspended account": (
        412,
        {"message": "Account x is suspended, possibly due to reaching the monthly spending limit"},
        AuthError,
    ),
    "a closed organization": (400, {"message": "This organization has been disabled."}, AuthError),
    "a tier's rate": (
        429,
        {"code": "429", "message": "Requests have exceeded token rate limit of your current pricing tier."},
        RateLimitError,
    ),
    "payment": (402, {"message": "x"}, AuthError),
    "a minute's limit": (
        429,
        {"code": "rate_limit_exceeded", "message": "Rate limit reached: Limit 9, Used 8, Requested 2"},
        RateLimitError,
    ),
    "a limit with a delay": (
        429,
        {"message": "You exceeded your current quota, check your billing", "details": [{"retryDelay": "0.2s"}]},
        RateLimitError,
    ),
    "larger than the limit": (
        429,
        {"message": "Request too large for m: Limit 30000, Requested 52000."},
        RequestRefusedError,
    ),
    "unknown to a gateway": (
        400,
        {"code": "400", "message": "Invalid model name passed in model=m."},
        ModelNotFoundError,
    ),
    "not for this item": (
        404,
        {"code": 404, "message": "No endpoints found that support image input"},
        RequestRefusedError,
    ),
    "too long": (400, {"message": "This model's maximum context length is 2048 tokens."}, RequestRefusedError),
    "a policy that is no filter": (
        400,
        {"message": "Your organization's data retention policy does not allow it."},
        RequestRefusedError,
    ),
    "an account that is closed": (
        403,
        {"message": "Your account was suspended for violating our usage policies."},
        AuthError,
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_means_the_same_in_every_spelling(name):
    status, error, kind = ERRORS[name]
    with pytest.raises(ModelError) as caught:
        decode("openai", {"error": error}, status)
    assert type(caught.value) is kind


def test_an_address_at_which_nothing_answers_is_named():
    with pytest.raises(ModelNotFoundError, match=r"openai answered 404 at https://h\.example/x: 404 page not found"):
        decode("openai", b"404 page not found", 404)


def test_how_long_to_wait_may_stand_in_the_body():
    with pytest.raises(RateLimitError) as caught:
        decode("gemini", {"error": {"code": 429, "details": [{"retryDelay": "0.7s"}]}}, 429)
    assert caught.value.retry_after_s == 0.7


COUNTS = {
    "cache beside the input": (
        "bedrock",
        {
            "inputTokens": 10,
            "outputTokens": 5,
            "totalTokens": 6015,
            "cacheReadInputTokens": 5000,
            "cacheWriteInputTokens": 1000,
        },
        Usage(input_tokens=6010, output_tokens=5, cached_tokens=5000, cache_write_tokens=1000),
    ),
    "thoughts beside the output": (
        "openai",
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 515,
            "completion_tokens_details": {"reasoning_tokens": 500},
        },
        Usage(input_tokens=10, output_tokens=505, reasoning_tokens=500),
    ),
    "thoughts within the output": (
        "openai",
        {"prompt_tokens": 10, "completion_tokens": 505, "completion_tokens_details": {"reasoning_tokens": 500}},
        Usage(input_tokens=10, output_tokens=505, reasoning_tokens=500),
    ),
    "cache hits by another name": (
        "openai",
        {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1005, "prompt_cache_hit_tokens": 900},
        Usage(input_tokens=1000, output_tokens=5, cached_tokens=900),
    ),
    "a gateway that adds the cache": (
        "openai",
        {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1005, "cache_read_input_tokens": 900},
        Usage(input_tokens=1000, output_tokens=5, cached_tokens=900),
    ),
    "what tools read": (
        "gemini",
        {"promptTokenCount": 10, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 22},
        Usage(input_tokens=17, output_tokens=5),
    ),
    "nothing": ("openai", {}, None),
}


@pytest.mark.parametrize("name", COUNTS)
def test_input_and_output_hold_all_that_was_read_and_written(name):
    provider, counts, expected = COUNTS[name]
    field = {"gemini": "usageMetadata"}.get(provider, "usage")
    body = {**wire.EXCHANGES[provider][1]("x"), field: counts}
    assert decode(provider, body).usage == expected


def test_usage_may_stand_in_a_choice_or_under_a_name_of_groqs():
    counts = {"prompt_tokens": 12, "completion_tokens": 6}
    expected = Usage(input_tokens=12, output_tokens=6)
    assert decode("openai", chat("x", usage=counts)).usage == expected
    assert decode("openai", {**chat("x"), "x_groq": {"usage": counts}}).usage == expected


ODD = {
    "byte order mark": (b"\xef\xbb\xbf", b'"It is 4."', "application/json", "It is 4."),
    "comments": (b": PROCESSING\n\n: PROCESSING\n\n", b'"It is 4."', "application/json", "It is 4."),
    "half a pair": (b"", b'"It is 4 \\ud83d"', "application/json", "It is 4 \ufffd"),
    "an escaped backslash before it": (b"", b'"\\\\ud83d 4"', "application/json", "\\ud83d 4"),
    "a whole pair": (b"", b'"\\ud83d\\ude00"', "application/json", "\U0001f600"),
    "half a character": (b"", b'"It is 4 \xf0\x9f"', "application/json", "It is 4 \ufffd"),
    "latin-1": (b"", b'"Caf\xe9"', "application/json; charset=iso-8859-1", "Caf\xe9"),
    "a line break in a text": (b"", b'"a\nb"', "application/json", "a\nb"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_bytes_do_not_lose_an_answer(name):
    before, text, kind, read = ODD[name]
    body = (
        before
        + b'{"choices": [{"message": {"content": '
        + text
        + b'}, "finish_reason": "stop"}], "t": NaN, "u": 1e999}'
    )
    assert decode("openai", body, headers={"Content-Type": kind}).text == read


@pytest.mark.parametrize(
    "content",
    [["It is ", "4."], [{"type": "output_text", "text": "It is 4."}], [{"type": "refusal", "refusal": "It is 4."}]],
)
def test_parts_of_a_text_are_put_together_however_they_are_written(content):
    assert decode("openai", chat(content)).text == "It is 4."


def test_a_text_in_utf_16_is_read():
    body = '{"choices": [{"message": {"content": "It is 4."}, "finish_reason": "stop"}]}'
    for encoding in ("utf-16", "utf-16-le"):
        assert decode("openai", body.encode(encoding)).text == "It is 4."


def test_a_log_probability_that_is_no_number_is_left_out():
    body = orjson.dumps(chat("4", logprobs={"content": [{"token": "4", "logprob": 0.125}]}))
    assert len(decode("openai", body).logprobs) == 1
    assert decode("openai", body.replace(b"0.125", b"-Infinity")).logprobs == ()


def test_a_response_can_be_stored_whatever_was_sent():
    response = decode("openai", b'{"choices": [{"message": {"content": "\\udc00\\ud800"}, "finish_reason": "stop"}]}')
    assert msgspec.json.encode(response)


@pytest.mark.parametrize("quoted", ["{", "{oops", '{"a": 1} and more', "{\ud800"])
def test_an_error_that_quotes_what_only_begins_like_json_is_the_providers_error(quoted):
    body = msgspec.json.encode({"error": {"message": quoted.encode("utf-8", "replace").decode(), "code": "9" * 5000}})
    with pytest.raises(RequestRefusedError):
        decode("openai", body, status=400)
