"""Streamed answers: put together they are what the plain answer is; a stream that breaks off is none."""

import asyncio
import inspect
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insideLLMs.core.errors import (
    ArgumentError,
    BadAnswerError,
    ModelError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.protocols import CallFacts, current_call
from insideLLMs.core.types import Request
from insideLLMs.plugins import PROVIDERS, model_registry
from insideLLMs.providers.apis.anthropic import AnthropicCodec, AnthropicModel
from insideLLMs.providers.apis.compatible import MistralModel
from insideLLMs.providers.apis.openai import OpenAICodec, OpenAIModel
from insideLLMs.providers.apis.openai_responses import OpenAIResponsesModel, ResponsesCodec
from insideLLMs.providers.codec import HttpAnswer, HttpCall
from insideLLMs.providers.events import ChatEvents, EventData, MessageEvents, ResponseEvents
from insideLLMs.providers.transport import Transport, TransportOptions
from support import streams, wire
from support.api_server import ApiServer
from support.openai_server import Fault

pytestmark = pytest.mark.usefixtures("way")
SECRET = "sk-canary-0123456789abcdef"
TOOLS = [
    {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": [2, "é"]}'}},
    {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}},
]
LOGPROBS = {"content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []} for token in ("O", "slo")]}


def completion(*, reason="stop", logprobs=None, **message):
    body = wire.chat_completion("Oslo")
    body["choices"][0] = {
        "index": 0,
        "message": {**body["choices"][0]["message"], **message},
        "finish_reason": reason,
        "logprobs": logprobs,
    }
    return body


def message(*blocks, reason="tool_use"):
    return {**wire.anthropic("Oslo"), "content": list(blocks), "stop_reason": reason}


THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Oslo"}]
CALLS = (
    {"type": "text", "text": "I add."},
    {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1, "b": [2, "é"]}},
    {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
)
ANSWERS = {
    "text": (OpenAICodec, streams.chat, completion()),
    "cut off": (OpenAICodec, streams.chat, completion(reason="length")),
    "refusal": (OpenAICodec, streams.chat, completion(content=None, refusal="I will not.")),
    "reasoning": (OpenAICodec, streams.chat, completion(reasoning_content="hm, well")),
    "parts": (OpenAICodec, streams.chat, completion(content=THINKING)),
    "tool calls": (OpenAICodec, streams.chat, completion(content=None, tool_calls=TOOLS, reason="tool_calls")),
    "log probabilities": (OpenAICodec, streams.chat, completion(logprobs=LOGPROBS)),
    "message": (AnthropicCodec, streams.messages, wire.anthropic("Oslo")),
    "message with calls": (AnthropicCodec, streams.messages, message(*CALLS)),
    "response": (ResponsesCodec, streams.responses, wire.responses("Oslo")),
}


def assemble(codec, events):
    parser, assembler = EventData(), codec.assembler()
    for piece in events:
        for data in parser.feed(piece):
            assembler.add(data)
    for data in parser.end():
        assembler.add(data)
    return codec.decode(HttpAnswer(status=200, headers={}, body=assembler.body()))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_comes_to_what_the_plain_answer_is(name):
    kind, cut, body = ANSWERS[name]
    codec = kind(model_name="m", fields={})
    plain = codec.decode(HttpAnswer(status=200, headers={}, body=orjson.dumps(body)))
    assert assemble(codec, cut(body)) == plain
    assert assemble(codec, cut(body, list)) == plain  # letter by letter


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_that_breaks_off_anywhere_is_no_answer(name):
    kind, cut, body = ANSWERS[name]
    codec = kind(model_name="m", fields={})
    whole = b"".join(cut(body))
    end = whole.rstrip().rfind(b"\n\n") + 2  # without its last event; before it, any cut leaves that out, too
    if kind is OpenAICodec:
        end = whole[:end].rstrip().rfind(b"\n\n") + 2  # with the usage, a completion is whole before [DONE]
    for place in {*range(0, end, 7), end}:
        with pytest.raises(BadAnswerError) as caught:
            assemble(codec, [whole[:place]])
        assert caught.value.retryable


@pytest.mark.parametrize(
    "text",
    [
        b"data: one\n\ndata: two\n\n",
        b"data: one\r\n\r\ndata: two\r\n\r\n",
        b"data: one\r\rdata: two\r\r",
        b"\xef\xbb\xbfdata:one\n\n: a comment\n\nevent: x\nid: 7\ndata: two\n\n",
        b"retry: 3\n\ndata: one\n\n\n\ndata: two",
    ],
)
def test_events_are_found_however_lines_end_and_bytes_arrive(text):
    for size in (1, 2, 3, len(text)):
        parser = EventData()
        found = [data for start in range(0, len(text), size) for data in parser.feed(text[start : start + size])]
        assert [*found, *parser.end()] == [b"one", b"two"]


def test_lines_of_one_event_are_joined():
    assert list(EventData().feed(b"data: a\r\ndata:\ndata:  b\n\n")) == [b"a\n\n b"]


def test_calls_without_numbers_are_told_apart_by_their_ids():
    events = [
        streams.data({"choices": [{"delta": {"tool_calls": [call]}}]})
        for call in (
            {"id": "1", "function": {"name": "f", "arguments": "{"}},
            {"function": {"arguments": "}"}},
            {"id": "2", "function": {"name": "g", "arguments": {"x": 1}}},
        )
    ]
    events += [streams.data({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}), b"data: [DONE]\n\n"]
    calls = assemble(OpenAICodec(model_name="m", fields={}), events).tool_calls
    assert [(call.id, call.name, call.arguments) for call in calls] == [("1", "f", {}), ("2", "g", {"x": 1})]


@pytest.mark.parametrize(
    ("codec", "event", "kind"),
    [
        (OpenAICodec, {"error": {"message": "slow down", "code": 429}}, RateLimitError),
        (OpenAICodec, {"error": {"message": "upstream", "code": 502}, "choices": []}, ServerError),
        (OpenAICodec, {"error": "broken"}, ServerError),
        (AnthropicCodec, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, ServerError),
        (AnthropicCodec, {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, RateLimitError),
        (AnthropicCodec, {"type": "error", "error": {"type": "api_error", "message": "x"}}, ServerError),
        (ResponsesCodec, {"type": "error", "code": "server_error", "message": "x"}, ModelError),
    ],
)
def test_an_error_in_the_midst_of_a_stream_is_a_failure_to_ask_again(codec, event, kind):
    begun = {OpenAICodec: streams.chat(completion()), AnthropicCodec: streams.messages(message())}.get(codec, [])
    with pytest.raises(kind) as caught:
        assemble(codec(model_name="m", fields={}), [*list(begun)[:2], streams.data(event)])
    assert caught.value.retryable


def ask(model):
    async def once():
        current_call.set(CallFacts())
        try:
            return await model.respond(Request.of("hello")), current_call.get()
        finally:
            await model.aclose()

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("model", "path", "asked"),
    [
        (OpenAIModel, "/v1", {"stream": True, "stream_options": {"include_usage": True}}),
        (MistralModel, "/v1", {"stream": True}),
        (AnthropicModel, "", {"stream": True}),
        (OpenAIResponsesModel, "/v1", {"stream": True}),
    ],
)
def test_a_streamed_model_is_the_same_model_and_answers_alike(model, path, asked):
    with ApiServer() as server:
        plain = model("m", base_url=server.url + path)
        streamed = model("m", base_url=server.url + path, stream=True)
        answers = [ask(plain), ask(streamed)]
        bodies = [body for _, _, body in server.requests]
    assert answers[0][0] == answers[1][0]
    assert bodies[1] == {**bodies[0], **asked}
    assert [facts.first_chunk_s is None for _, facts in answers] == [True, False]
    assert answers[1][1].first_chunk_s >= answers[1][1].first_byte_s
    assert plain.identity() == streamed.identity()


def test_a_server_that_does_not_stream_is_read_all_the_same(openai_server):
    openai_server.reply = (200, json.dumps(wire.chat_completion("whole")).encode())
    response, facts = ask(OpenAIModel("m", base_url=openai_server.base_url, stream=True))
    assert (response.text, facts.first_chunk_s) == ("whole", None)


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "application/json"])
def test_events_are_events_whatever_their_content_type(openai_server, kind):
    events = b": a comment\n\n" + b"".join(streams.chat(wire.chat_completion("whole")))
    openai_server.reply = (200, events)
    openai_server.reply_kind = kind
    response, facts = ask(OpenAIModel("m", base_url=openai_server.base_url, stream=True))
    assert response.text == "whole"
    assert facts.first_chunk_s is not None


def test_a_stream_is_whole_with_finish_reason_and_usage_though_it_does_not_say_done(openai_server):
    openai_server.faults = [Fault(kind="stream_without_done")]
    model = OpenAIModel("m", base_url=openai_server.base_url, stream=True)
    (first, _), (second, _) = ask(model), ask(model)
    assert first == second
    assert openai_server.faults_done == {"stream_without_done": 1}


def test_a_stream_that_is_cut_is_no_answer(openai_server):
    openai_server.faults = [Fault(kind="cut_stream")]
    with pytest.raises(BadAnswerError, match="ends before the answer does"):
        ask(OpenAIModel("m", base_url=openai_server.base_url, stream=True))


def test_comments_before_a_plain_answer_are_passed_over(openai_server):
    openai_server.reply = (200, b": PROCESSING\n\n" + json.dumps(wire.chat_completion("whole")).encode())
    response, _ = ask(OpenAIModel("m", base_url=openai_server.base_url))
    assert response.text == "whole"


def test_a_completion_is_whole_with_its_usage_and_without_done():
    events = list(streams.chat(completion()))[:-1]
    assert assemble(OpenAICodec(model_name="m", fields={}), events).text == "Oslo"
    with pytest.raises(BadAnswerError, match="ends before the answer does"):
        assemble(OpenAICodec(model_name="m", fields={}), events[:-1])


def test_a_pair_of_surrogates_may_come_in_two_events():
    events = [
        b'data: {"choices":[{"delta":{"content":"4 \\ud83d"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\ude00"}}]}\n\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE] \n\n',
    ]
    assert assemble(OpenAICodec(model_name="m", fields={}), events).text == "4 \U0001f600"


def test_what_a_stream_leaves_in_memory_is_bounded():
    async def send(url):
        transport = Transport(url, headers={}, options=TransportOptions(max_body_bytes=1000))
        call = OpenAICodec(model_name="m", fields={}, stream=True).encode(Request.of("x"), repeat=0)
        try:
            await transport.send(call)
        finally:
            await transport.aclose()

    letters = [b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'] * 150  # 7 KB of events, 8 KB of objects
    with ApiServer(streams=[letters]) as server, pytest.raises(BadAnswerError, match="longer than 1000 bytes"):
        asyncio.run(send(server.url))


def test_a_key_that_is_cut_in_two_by_the_stream_is_blanked_out():
    events = streams.chat(wire.chat_completion(f"your key is {SECRET}"))

    async def post(url):
        transport = Transport(url, headers={}, secrets=[SECRET])
        try:
            codec = OpenAICodec(model_name="m", fields={}, stream=True)
            return await transport.send(codec.encode(Request.of("hello"), repeat=0))
        finally:
            await transport.aclose()

    with ApiServer(streams=[list(events)]) as server:
        body = asyncio.run(post(server.url)).body
    assert b"your key is [redacted]" in body


@pytest.mark.parametrize(
    "sent",
    [
        [b"data: " + b"x" * 3000],  # one event without an end
        [b"data: " + b"x" * 600 + b"\n"] * 4,  # one of many lines
        [b": comment\n\n"] * 1000,  # without an event at all
    ],
)
def test_neither_an_event_nor_a_stream_may_be_endless(sent):
    async def post(url):
        transport = Transport(url, headers={}, options=TransportOptions(max_body_bytes=1000))
        call = HttpCall(
            path="/chat/completions",
            body=b'{"stream": true}',
            assembler=OpenAICodec(model_name="m", fields={}).assembler,
        )
        try:
            await transport.send(call)
        finally:
            await transport.aclose()

    with ApiServer(streams=[sent]) as server, pytest.raises(BadAnswerError, match="longer than 1000 bytes"):
        asyncio.run(post(server.url))


def test_an_event_that_is_none_is_refused_without_a_quotation():
    assembler = OpenAICodec(model_name="m", fields={}).assembler()
    for data in (SECRET.encode(), b"[1]", b"{"):
        with pytest.raises(BadAnswerError, match="is not a JSON object") as caught:
            assembler.add(data)
        assert SECRET not in str(caught.value)


def test_whether_to_stream_is_no_matter_of_a_request_and_is_true_or_false():
    with pytest.raises(RequestRefusedError, match="a request cannot set 'stream'"):
        OpenAIModel("m", base_url="http://localhost:1").generate("x", stream=True)
    with pytest.raises(ArgumentError, match="stream is 'yes'"):
        OpenAIModel("m", stream="yes")
    with pytest.raises(ArgumentError, match="extra sets 'stream'"):
        OpenAIModel("m", extra={"stream": True})


STREAMS = {
    name: factory
    for name in PROVIDERS
    if "stream" in inspect.signature(factory := model_registry.get_factory(name)).parameters
}
STREAMING = {name: factory for name, factory in STREAMS.items() if hasattr(factory, "codec_type")}
CUTS = {ChatEvents: streams.chat, MessageEvents: streams.messages, ResponseEvents: streams.responses}


def test_every_provider_that_streams_is_held_to_the_law():
    assert {"openai", "anthropic", "openai_responses", "mistral", "openrouter", "vllm"} <= set(STREAMING)
    assert set(STREAMS) - set(STREAMING) == {"served"}, "it asks its server as the type openai does"
    assert {factory.codec_type.events for factory in STREAMING.values()} == set(CUTS)


facts = st.recursive(
    st.none() | st.integers(0, 10**9) | st.text("abc ", min_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["usage", "x", "tokens"]), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("name", STREAMING)
@given(at_top=facts, in_choice=facts, in_message=facts)
def test_a_streamed_answer_has_every_field_of_the_plain_one_wherever_it_stands(name, at_top, in_choice, in_message):
    events = STREAMING[name].codec_type.events
    body = {**wire.EXCHANGES.get(name, wire.EXCHANGES["openai"])[1]("Oslo"), "x_vendor": at_top}
    if events is ChatEvents:
        body["choices"][0]["x_vendor"] = in_choice
        body["choices"][0]["message"]["x_vendor"] = in_message
    assembler = events(name)
    for piece in EventData().feed(b"".join(CUTS[events](body))):
        assembler.add(piece)
    streamed = orjson.loads(assembler.body())
    assert without_nothing(body).items() <= without_nothing({**streamed, "object": body.get("object")}).items()


def without_nothing(value):
    """Leave out what is null or empty, which a stream need not tell, as text that can be compared."""
    if isinstance(value, dict):
        kept = {name: without_nothing(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (None, {}, [], "")}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def test_usage_that_stands_elsewhere_is_counted_when_streamed_as_when_plain():
    class ElsewhereCodec(OpenAICodec):
        def read(self, body, answer):
            return OpenAICodec.read(self, {**body, "usage": body["x_groq"]["usage"]}, answer)

    body = completion()
    body["x_groq"] = {"id": "req_1", "usage": body.pop("usage")}
    codec = ElsewhereCodec(model_name="m", fields={})
    plain = codec.decode(HttpAnswer(status=200, headers={}, body=orjson.dumps(body)))
    assert plain.usage.input_tokens == 19
    first = streams.data({"x_groq": {"id": "req_1"}, "choices": []})
    assert assemble(codec, [first, *streams.chat(body)]) == plain


def test_a_stream_may_nest_as_deep_as_json_is_read():
    deep = b'{"choices": [{"delta": {"x": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}]}"
    events = [b"data: " + deep + b"\n\n"] * 2 + list(streams.chat(completion()))
    assert assemble(OpenAICodec(model_name="m", fields={}), events).text == "Oslo"
