"""The chat completions codec, and the model over it against a real server."""

import asyncio
from typing import Any

import orjson
import pytest

from insideLLMs.core import canonical
from insideLLMs.core.errors import (
    ArgumentError,
    AuthError,
    BadAnswerError,
    ConnectionFailedError,
    ModelError,
    ModelNotFoundError,
    ModelTimeoutError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.types import Message, Request, Response, ToolCall, Usage
from insideLLMs.providers.apis.openai import OpenAICodec, OpenAIModel
from insideLLMs.providers.codec import HttpAnswer
from insideLLMs.providers.request_options import own_seed
from support.openai_server import Fault, OpenAIServer

KEY = "sk-canary-0123456789abcdef"
CODEC = OpenAICodec(model_name="m", fields={})


def body_of(codec: OpenAICodec, request: Request, repeat: int = 0) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(codec.encode(request, repeat=repeat).body)
    return body


def decode(body: object, status: int = 200, *, retry_after_s: float | None = None) -> Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return CODEC.decode(HttpAnswer(status=status, headers={}, body=raw, retry_after_s=retry_after_s))


def completion(message: dict[str, Any], finish_reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], **fields}


def test_a_request_is_written_with_model_messages_and_set_parameters_only() -> None:
    codec = OpenAICodec(model_name="gpt", fields={"temperature": 0, "top_k": 5})
    request = Request.of([Message(role="system", content="Be brief."), Message(role="user", content="Hé?")])
    assert body_of(codec, request) == {
        "model": "gpt",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hé?"}],
        "temperature": 0,
        "top_k": 5,
    }


def test_each_prompt_and_repeat_has_its_own_seed() -> None:
    codec = OpenAICodec(model_name="m", fields={"seed": 7})
    asked = [(Request.of(text), repeat) for text in ("x", "y") for repeat in range(3)]
    seeds = [body_of(codec, request, repeat)["seed"] for request, repeat in asked]
    assert seeds == [own_seed(7, repeat, request) for request, repeat in asked]
    assert len(set(seeds)) == 6
    assert "seed" not in body_of(CODEC, Request.of("x"), 2)


def test_options_of_a_request_override_the_model_and_none_takes_a_field_out() -> None:
    codec = OpenAICodec(model_name="m", fields={"temperature": 0.5, "max_tokens": 10})
    body = body_of(codec, Request.of("x", max_tokens=3, temperature=None))
    assert body["max_tokens"] == 3
    assert "temperature" not in body


@pytest.mark.parametrize("name", ["stream", "n", "model", "messages"])
def test_options_that_are_not_the_requests_to_set_are_refused(name: str) -> None:
    with pytest.raises(RequestRefusedError, match=name):
        CODEC.encode(Request.of("x", **{name: 1}), repeat=0)


def test_a_tool_conversation_is_written_and_read_back() -> None:
    call = ToolCall(name="weather", arguments={"city": "Oslo"}, id="c1")
    turns = [
        Message(role="user", content="?"),
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", content="4 °C", tool_call_id="c1"),
    ]
    messages = body_of(CODEC, Request.of(turns))["messages"]
    assert messages[2] == {"role": "tool", "content": "4 °C", "tool_call_id": "c1"}
    response = decode(completion({"content": None, "tool_calls": messages[1]["tool_calls"]}, "tool_calls"))
    assert response.tool_calls == (call,)
    assert response.finish_reason == "tool_calls"
    assert response.text == ""


@pytest.mark.parametrize("arguments", ['{"city": ', "[1]", '{"big": 99999999999999999}', '{"x": "\\ud800"}'])
def test_tool_arguments_that_are_no_storable_object_are_kept_as_text(arguments: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    response = decode(completion({"content": "", "tool_calls": [call]}))
    assert "$invalid" in response.tool_calls[0].arguments
    canonical.check(response.tool_calls[0].arguments)


def test_everything_that_the_provider_says_of_an_answer_is_kept() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 12,
        "total_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    message = {"role": "assistant", "content": "4", "reasoning_content": "2 and 2"}
    assert decode(completion(message, model="gpt-x-2026", system_fingerprint="fp_1", usage=usage)) == Response(
        text="4",
        finish_reason="stop",
        usage=Usage(input_tokens=9, output_tokens=12, reasoning_tokens=5, cached_tokens=4),
        model="gpt-x-2026",
        fingerprint="fp_1",
        reasoning="2 and 2",
    )


@pytest.mark.parametrize(
    ("message", "given", "read", "text"),
    [
        ({"content": "a"}, "length", "length", "a"),
        ({"content": "a"}, "content_filter", "content_filter", "a"),
        ({"content": None, "refusal": "I cannot."}, "stop", "refusal", "I cannot."),
        ({"content": None}, "function_call", "tool_calls", ""),
        ({"content": "a"}, "weird", "weird", "a"),
        ({"content": "a"}, None, None, "a"),
        ({}, "stop", "stop", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "stop", "stop", "ab"),
    ],
)
def test_finish_reasons_and_refusals_are_told_apart(
    message: dict[str, Any], given: str | None, read: str | None, text: str
) -> None:
    response = decode(completion(message, given))
    assert (response.finish_reason, response.text) == (read, text)


def test_thoughts_in_parts_are_reasoning_and_not_text() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]
    response = decode(completion({"content": parts}))
    assert (response.text, response.reasoning) == ("yes", "hm")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": "x"}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": [{}]}}]}',
        b"\x00\xff\x1b[31m",
        b'{"choices": [{"mess',
    ],
)
def test_what_the_api_does_not_promise_is_a_bad_answer_without_control_characters(body: bytes) -> None:
    with pytest.raises(BadAnswerError) as caught:
        decode(body)
    assert caught.value.retryable
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


def error(message: str, code: str | int | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "t", "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("bad"), RequestRefusedError),
        (400, error("no such", "model_not_found"), ModelNotFoundError),
        (401, error("wrong key", "invalid_api_key"), AuthError),
        (402, error("pay"), AuthError),
        (403, error("no"), AuthError),
        (404, error("The model `x` does not exist", "model_not_found"), ModelNotFoundError),
        (404, b"404 page not found", ModelNotFoundError),
        (408, error("slow"), ModelTimeoutError),
        (409, error("conflict"), ServerError),
        (413, error("too long"), RequestRefusedError),
        (422, {"detail": [{"msg": "no"}]}, RequestRefusedError),
        (429, error("slow down", "rate_limit_exceeded"), RateLimitError),
        (429, error("no credit", "insufficient_quota"), AuthError),
        (500, error("oops"), ServerError),
        (502, b"<html>Bad gateway</html>", ServerError),
        (503, b"", ServerError),
        (504, b"", ModelTimeoutError),
        (529, error("overloaded"), ServerError),
        (200, error("upstream is full", 429), RateLimitError),
        (200, {"error": "out of memory"}, ServerError),
        (304, b"", BadAnswerError),
    ],
)
def test_each_status_becomes_the_error_that_says_what_follows(
    status: int, body: object, kind: type[ModelError]
) -> None:
    with pytest.raises(ModelError) as caught:
        decode(body, status, retry_after_s=2.0)
    assert type(caught.value) is kind
    assert caught.value.retry_after_s == 2.0


def test_a_prompt_that_the_provider_filters_is_an_answer() -> None:
    assert decode(error("filtered", "content_filter"), 400).finish_reason == "content_filter"


def test_an_error_quotes_the_providers_words_and_names_the_variable() -> None:
    with pytest.raises(AuthError, match=r"openai answered 401 \(invalid_api_key\): Incorrect key") as caught:
        decode(error("Incorrect key", "invalid_api_key"), 401)
    assert caught.value.fix == "check the key in OPENAI_API_KEY"


# --- the model over a real server


def test_a_model_is_named_by_its_provider_and_its_own_name() -> None:
    model = OpenAIModel("m", base_url="http://localhost:1/v1")
    assert (model.name, model.model_id, model.provider) == ("m", "m", "openai")


def test_plain_generate_and_chat_ask_the_server(openai_server: OpenAIServer) -> None:
    model = OpenAIModel("m", base_url=openai_server.base_url, temperature=0, headers={"X-Team": "blue"})
    assert model.generate("hello", max_tokens=3) == "echo: hello"
    assert model.chat([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]) == "echo: u"
    assert openai_server.bodies[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "max_tokens": 3,
    }
    assert openai_server.headers["x-team"] == "blue"
    assert "authorization" not in openai_server.headers


def test_plain_generate_works_inside_a_running_loop_as_in_a_notebook(openai_server: OpenAIServer) -> None:
    model = OpenAIModel("m", base_url=openai_server.base_url)

    async def cell() -> tuple[str, str]:
        answers = model.generate("a"), await model.agenerate("b")
        await model.aclose()
        return answers

    assert asyncio.run(cell()) == ("echo: a", "echo: b")


def test_a_full_response_has_usage_model_and_fingerprint(openai_server: OpenAIServer) -> None:
    response = OpenAIModel("m", base_url=openai_server.base_url).ask(Request.of("two words"))
    assert response == Response(
        text="echo: two words",
        finish_reason="stop",
        usage=Usage(input_tokens=2, output_tokens=3),
        model="m",
        fingerprint="fp_stub",
    )


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("429", RateLimitError),
        ("500", ServerError),
        ("reset", ConnectionFailedError),
        ("garbage", BadAnswerError),
        ("truncated", BadAnswerError),
        ("short", BadAnswerError),
        ("content_type", BadAnswerError),
        ("redirect", BadAnswerError),
    ],
)
def test_one_attempt_is_made_and_its_fault_is_typed(
    openai_server: OpenAIServer, kind: str, raised: type[ModelError]
) -> None:
    openai_server.faults = [Fault(kind=kind)]
    with pytest.raises(ModelError) as caught:
        OpenAIModel("m", base_url=openai_server.base_url).generate("x")
    assert type(caught.value) is raised
    assert openai_server.requests == 1


def test_the_key_comes_from_the_environment_and_shows_nowhere(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    openai_server.require_key = KEY
    openai_server.answers = {"": f"the key is {KEY}"}
    caplog.set_level("DEBUG")
    model = OpenAIModel("m", base_url=openai_server.base_url, api_key_env="MY_KEY")
    model.check()
    assert model.generate("x") == "the key is [redacted]"
    openai_server.require_key = "another one"
    with pytest.raises(AuthError) as caught:
        model.generate("y")
    shown = f"{caught.value!r} {caught.value} {model!r} {model.info()} {model.identity()} {caplog.text}"
    assert KEY not in shown
    assert "MY_KEY" in str(caught.value)


def test_a_missing_key_is_said_before_any_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = OpenAIModel("m", base_url="https://api.example/v1")
    with pytest.raises(AuthError, match="OPENAI_API_KEY is not set") as caught:
        model.check()
    assert caught.value.fatal
    with pytest.raises(AuthError):
        model.generate("x")


@pytest.mark.parametrize("key", ["sk-a\nsk-b", "sk-é", "sk-\x00"])
def test_a_key_that_cannot_be_one_is_refused_without_quoting_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "\x00" in key:
        key = "sk-\x01"
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(AuthError) as caught:
        OpenAIModel("m", api_key_env="MY_KEY").check()
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "api.localhost"])
def test_a_server_on_this_machine_needs_no_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    OpenAIModel("m", base_url=f"http://{host}:8000/v1").check()


def test_identity_holds_what_shapes_answers_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://u:hunter2@proxy.example/v1?key=hush")
    model = OpenAIModel("gpt", temperature=0.2, seed=1, extra={"top_k": 3}, headers={"X-Token": "hush"}, timeout_s=5)
    assert model.identity() == {
        "type": "openai",
        "model_name": "gpt",
        "base_url": "https://proxy.example/v1",
        "parameters": {"temperature": 0.2, "seed": 1, "top_k": 3, "headers": ["X-Token"]},
    }
    canonical.check(dict(model.identity()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model_name": ""}, "model_name is ''"),
        ({"model_name": "m", "temperature": 3}, "temperature is 3; it must be a number from 0 to 2"),
        ({"model_name": "m", "temperature": "0"}, "temperature is '0'"),
        ({"model_name": "m", "max_tokens": 0}, "max_tokens is 0"),
        ({"model_name": "m", "max_tokens": 2.5}, "max_tokens is 2.5; it must be a whole number from 1 to"),
        ({"model_name": "m", "seed": True}, "seed is True"),
        ({"model_name": "m", "stop": 5}, "stop is 5"),
        ({"model_name": "m", "stop": [""]}, "none of them empty"),
        ({"model_name": "m", "extra": ["a"]}, "extra is of type list"),
        ({"model_name": "m", "headers": {"X": 5}}, "headers['X'] is of type int"),
        ({"model_name": "m", "timeout_s": -1}, "timeout_s is -1"),
        ({"model_name": "m", "base_url": "localhost:8000"}, "base_url is"),
        ({"model_name": "m", "base_url": "ftp://h/v1"}, "base_url is 'ftp://h/v1'"),
        ({"model_name": "m", "extra": {"stream": True}}, "extra sets 'stream'"),
        ({"model_name": "m", "seed": 1, "extra": {"seed": 2}}, "extra sets 'seed'"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        OpenAIModel(**arguments)
    assert words in str(caught.value)
