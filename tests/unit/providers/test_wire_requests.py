"""Every codec against the exchanges that its API documents: requests as they must be."""

import json

import pytest

from insideLLMs.core.errors import (
    RequestRefusedError,
)
from insideLLMs.core.types import ImagePart, Message, Request, TextPart, ToolCall
from support.wire import EXCHANGES

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
