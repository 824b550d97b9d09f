"""Every codec against the exchanges that its API documents: requests as they must be, answers as they are read."""

import json

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
from insideLLMs.core.types import ImagePart, Message, Request, TextPart, TokenLogprob, ToolCall
from insideLLMs.providers.codec import HttpAnswer
from support.wire import EXCHANGES, bedrock, chat_completion, gemini, ollama, responses

PIXEL = "iVBORw0KGgo="
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Tell it", "parameters": {"type": "object", "properties": {}}},
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
CALL = ToolCall(name="weather", arguments={"city": "Oslo"}, id="c1")
TOOL_CHAT = Request.of(
    [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Weather?"),
        Message(role="assistant", tool_calls=(CALL,)),
        Message(role="tool", content="4 C", tool_call_id="c1"),
    ]
)
IMAGE_CHAT = Request.of(
    [Message(role="user", content=(TextPart(text="What is it?"), ImagePart(url=f"data:image/png;base64,{PIXEL}")))]
)


def codec(name):
    return EXCHANGES[name][0]


def sent(name, request):
    return json.loads(codec(name).encode(request, repeat=0).body)


def decode(name, body, status=200, headers=None):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return codec(name).decode(HttpAnswer(status=status, headers=headers or {}, body=data))


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_documented_answer_is_read_whole(name):
    _, body, expected, _, _ = EXCHANGES[name]
    assert decode(name, body("Oslo is in Norway.")) == expected("Oslo is in Norway.")


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_request_goes_where_the_api_listens(name):
    assert codec(name).encode(Request.of("Hello"), repeat=0).path == EXCHANGES[name][3]


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_same_request_is_always_the_same_bytes(name):
    first, again = (codec(name).encode(TOOL_CHAT, repeat=0).body for _ in range(2))
    assert first == again


TEXT_BLOCK = {"type": "text", "text": "Weather?"}
TOOL_CHATS = {
    "openai": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
                    }
                ],
            },
            {"role": "tool", "content": "4 C", "tool_call_id": "c1"},
        ]
    },
    "openai_responses": {
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "4 C"},
        ],
        "store": False,
    },
    "anthropic": {
        "system": "Be brief.",
        "max_tokens": 100,
        "messages": [
            {"role": "user", "content": [TEXT_BLOCK]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "4 C"}]}],
            },
        ],
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "4 C"}}}]},
        ],
    },
    "ollama": {
        "stream": False,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
            },
            {"role": "tool", "content": "4 C", "tool_name": "weather"},
        ],
    },
    "bedrock": {
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Weather?"}]},
            {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}}],
            },
            {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "4 C"}]}}]},
        ],
    },
}
TOOL_CHATS["mistral"] = TOOL_CHATS["cohere"] = TOOL_CHATS["openai"]


@pytest.mark.parametrize("name", EXCHANGES)
def test_system_prompt_tool_call_and_result_are_written_as_the_api_has_them(name):
    body = sent(name, TOOL_CHAT)
    body.pop("model", None)
    assert body == TOOL_CHATS[name]


TOOLS = {
    "openai": {"tools": [TOOL], "tool_choice": "required"},
    "mistral": {"tools": [TOOL], "tool_choice": "any"},
    "cohere": {"tools": [TOOL], "tool_choice": "REQUIRED"},
    "openai_responses": {
        "tools": [{"type": "function", **TOOL["function"], "strict": False}],
        "tool_choice": "required",
    },
    "anthropic": {
        "tools": [{"name": "weather", "description": "Tell it", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "any"},
    },
    "gemini": {
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "Tell it",
                        "parametersJsonSchema": {"type": "object", "properties": {}},
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    },
    "bedrock": {
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "weather",
                        "description": "Tell it",
                        "inputSchema": {"json": {"type": "object", "properties": {}}},
                    }
                }
            ],
            "toolChoice": {"any": {}},
        }
    },
}


@pytest.mark.parametrize("name", TOOLS)
def test_tools_are_offered_as_the_api_has_them(name):
    body = sent(name, Request.of("Weather?", tools=[TOOL], tool_choice="required"))
    assert {key: body[key] for key in TOOLS[name]} == TOOLS[name]


FORMATS = {
    "openai": {"response_format": FORMAT},
    "mistral": {"response_format": FORMAT},
    "cohere": {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
    "openai_responses": {"text": {"format": {"type": "json_schema", "name": "sum", "schema": SCHEMA, "strict": True}}},
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "gemini": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
    "ollama": {"format": SCHEMA},
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_json_schema_is_asked_for_as_the_api_has_it(name):
    body = sent(name, Request.of("Add.", response_format=FORMAT))
    assert {key: body[key] for key in FORMATS[name]} == FORMATS[name]


CHAT_IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
IMAGES = {
    "openai": ("messages", {"type": "text", "text": "What is it?"}, CHAT_IMAGE),
    "mistral": ("messages", {"type": "text", "text": "What is it?"}, CHAT_IMAGE),
    "cohere": ("messages", {"type": "text", "text": "What is it?"}, CHAT_IMAGE),
    "openai_responses": (
        "input",
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
    ),
    "anthropic": (
        "messages",
        {"type": "text", "text": "What is it?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
    ),
    "bedrock": ("messages", {"text": "What is it?"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_sent_as_the_api_has_it(name):
    key, *parts = IMAGES[name]
    assert sent(name, IMAGE_CHAT)[key][0]["content"] == parts


def test_gemini_and_ollama_have_images_in_places_of_their_own():
    parts = sent("gemini", IMAGE_CHAT)["contents"][0]["parts"]
    assert parts == [{"text": "What is it?"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]
    assert sent("ollama", IMAGE_CHAT)["messages"][0] == {
        "role": "user",
        "content": "What is it?",
        "images": [PIXEL],
    }


@pytest.mark.parametrize("name", ["ollama", "bedrock"])
def test_a_linked_image_is_refused_where_the_api_takes_none(name):
    linked = Request.of([Message(role="user", content=(ImagePart(url="https://example.com/a.png"),))])
    with pytest.raises(RequestRefusedError, match="does not accept links to images"):
        sent(name, linked)


SETTINGS = {
    "openai": {"temperature": 0.5, "max_tokens": 9, "stop": ["."], "seed": 7},
    "mistral": {"temperature": 0.5, "max_tokens": 9, "stop": ["."], "random_seed": 7},
    "cohere": {"temperature": 0.5, "max_tokens": 9, "stop_sequences": ["."], "seed": 7},
    "gemini": {"generationConfig": {"temperature": 0.5, "maxOutputTokens": 9, "stopSequences": ["."], "seed": 7}},
    "ollama": {"options": {"temperature": 0.5, "num_predict": 9, "stop": ["."], "seed": 7}},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_have_one_spelling_and_are_written_in_the_apis_own(name):
    body = sent(name, Request.of("Hello", temperature=0.5, max_tokens=9, stop=["."], seed=7))
    assert {key: body[key] for key in SETTINGS[name]} == SETTINGS[name]


@pytest.mark.parametrize(
    ("name", "option"),
    [("anthropic", "seed"), ("openai_responses", "seed"), ("openai_responses", "stop"), ("bedrock", "seed")],
)
def test_what_an_api_does_not_have_is_refused_by_name(name, option):
    with pytest.raises(RequestRefusedError, match=f"takes no {option}"):
        sent(name, Request.of("Hello", **{option: 7}))


@pytest.mark.parametrize("name", ["openai", "mistral", "cohere", "gemini", "ollama"])
def test_each_repeat_has_a_seed_of_its_own(name):
    call = codec(name).encode(Request.of("Hello", seed=7), repeat=2)
    assert b'seed":9' in call.body


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
    assert response.tool_calls == (CALL,)
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
