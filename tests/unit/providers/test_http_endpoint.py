"""Any endpoint as a model: what is sent, and what of the answer is read."""

import asyncio
import json

import pytest

from insideLLMs.core.errors import ArgumentError, BadAnswerError, ModelError, RateLimitError
from insideLLMs.core.types import Message, Request
from insideLLMs.providers.codec import HttpAnswer
from insideLLMs.providers.http_endpoint import HttpEndpointModel
from support.api_server import ApiServer

HERE = "http://localhost:1/ask"


def model(answer="$.answer", **args):
    return HttpEndpointModel(args.pop("base_url", HERE), body={"question": "{prompt}"}, answer=answer, **args)


def read(body, answer="$.answer", kind="application/json", status=200, **args):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return model(answer, **args)._codec.decode(HttpAnswer(status=status, headers={"Content-Type": kind}, body=data))


@pytest.mark.parametrize(
    ("body", "path", "text"),
    [
        ({"answer": "It is 4."}, "$.answer", "It is 4."),
        ([{"generated_text": "It is 4."}], "$[0].generated_text", "It is 4."),
        ({"replies": [{"text": "no"}, {"text": "It is 4."}]}, "$.replies[-1].text", "It is 4."),
        ("It is 4.", "$", "It is 4."),
        ({"answer": 4}, "$.answer", "4"),
        ({"answer": 4.5}, "$.answer", "4.5"),
        ({"answer": False}, "$.answer", "false"),
        ({"answer": ["a", 4]}, "$.answer", '["a",4]'),
        ({"answer": {"n": 4}}, "$.answer", '{"n":4}'),
        ({"answer": ""}, "$.answer", ""),
        ({"n": 4}, "$", '{"n":4}'),
    ],
)
def test_whatever_stands_at_the_path_is_the_answer(body, path, text):
    assert read(body, path).text == text


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"It is 4.", "text/plain", "It is 4."),
        (b"4", "text/plain; charset=utf-8", "4"),
        (b"Caf\xe9", "text/plain; charset=iso-8859-1", "Caf\xe9"),
        (b"It is 4.", "application/octet-stream", "It is 4."),
    ],
)
def test_plain_text_is_an_answer_where_all_of_it_is_asked_for(body, kind, text):
    assert read(body, "$", kind).text == text


@pytest.mark.parametrize(
    ("body", "path", "said"),
    [
        ({"answer": None}, "$.answer", "null at $.answer; it sent the fields answer"),
        ({"reply": "x"}, "$.answer", "nothing at $.answer; it sent the fields reply"),
        (["x"], "$.answer", 'nothing at $.answer; it sent ["x"]'),
        (b"It is 4.", "$.answer", "that are not JSON"),
        (b"", "$", "that are not JSON"),
    ],
)
def test_nothing_at_the_path_is_a_bad_answer(body, path, said):
    with pytest.raises(BadAnswerError) as caught:
        read(body, path)
    assert said in str(caught.value)


def test_an_error_in_place_of_the_answer_is_what_it_says():
    with pytest.raises(RateLimitError):
        read({"error": {"code": 429, "message": "slow"}})
    with pytest.raises(ModelError):
        read({"answer": "half", "why": "error"}, reads={"finish_reason": "$.why"})


def test_named_parts_of_the_answer_are_kept():
    kept = {"sources": "$.sources", "first": "$.sources[0].url", "none": "$.nothing", "odd": "$.n"}
    body = {"answer": "4", "sources": [{"url": "u"}], "n": 2**60}
    response = read(body, keep=kept)
    assert response.kept == {"sources": [{"url": "u"}], "first": "u", "odd": {"$invalid": str(2**60)}}


def sent_by(**args):
    async def once(url):
        asked = HttpEndpointModel(f"{url}/answer?team=a", answer="$.data.reply", **args)
        try:
            await asked.respond(Request.of([Message(role="system", content="s"), Message(role="user", content="hi")]))
        finally:
            await asked.aclose()

    with ApiServer() as server:
        asyncio.run(once(server.url))
    return server.requests[0], server.methods[0]


def test_it_is_asked_by_the_method_that_it_takes():
    body = {"question": "{prompt}", "n": 3, "chat": "{messages}"}
    (path, _, sent), method = sent_by(body=body, method="PUT")
    assert (path, method, sent["question"], sent["n"]) == ("/answer?team=a", "PUT", "hi", 3)
    (path, _, sent), method = sent_by(body={"question": "{system} {prompt}", "n": 3}, method="GET")
    assert (path, method, sent) == ("/answer?team=a&question=s+hi&n=3", "GET", None)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"base_url": ""}, "base_url is ''"),
        ({"method": "DELETE"}, "method is 'DELETE'; it must be one of POST, PUT, PATCH, GET"),
        ({"reads": {"sources": "$.x"}}, "reads has 'sources'"),
        ({"keep": {"sources": "a b"}}, "'a b' is not a path"),
        ({"thought_tags": "x"}, "thought_tags is 'x'"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(args, said):
    with pytest.raises(ArgumentError) as caught:
        model(**args)
    assert said in str(caught.value)


def test_what_shapes_the_answer_is_part_of_the_identity():
    changes = [{}, {"method": "PUT"}, {"keep": {"a": "$.a"}}, {"thought_tags": [["<a>", "</a>"]]}, {"answer": "$.b"}]
    identities = [json.dumps(model(**change).identity(), sort_keys=True) for change in changes]
    assert len(set(identities)) == len(changes)
