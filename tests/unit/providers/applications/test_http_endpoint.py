"""Any endpoint as a model: what is sent, and what of the answer is read."""

import asyncio
import contextlib
import json

import pytest

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.errors import ArgumentError, BadAnswerError, ModelError, RateLimitError, TemplateError
from insideLLMs.core.types import Example, Message, Request
from insideLLMs.execute.adapt import with_variables
from insideLLMs.providers.applications.http_endpoint import HttpEndpointModel
from insideLLMs.providers.codec import HttpAnswer
from support.api_server import ApiServer

HERE = "http://localhost:1/ask"


def model(answer="$.answer", **args):
    return HttpEndpointModel(
        args.pop("base_url", HERE), body={"question": "{{ prompt }}"}, **{"answer": answer, **args}
    )


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
    assert response.kept == {"sources": [{"url": "u"}], "first": "u", "odd": str(2**60)}


CHAT = [
    {"role": "user", "content": "Refund order 7"},
    {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "refund", "arguments": '{"order": 7}'}}]},
    {"role": "tool", "tool_call_id": "1", "content": "done"},
    {"role": "assistant", "content": "Refunded."},
]


def test_what_an_agent_did_is_read_beside_its_answer_or_has_it():
    body = {"state": {"messages": CHAT}, "answer": "Your order 7 is refunded."}
    both = read(body, "$.answer", trajectory="$.state.messages")
    assert both.text == "Your order 7 is refunded."
    assert [call.arguments for call in both.calls] == [{"order": 7}]
    alone = read(body, None, trajectory="$.state.messages")
    assert (alone.text, alone.trajectory) == ("Refunded.", both.trajectory)


def test_an_agent_that_ends_with_calls_has_an_empty_answer():
    body = {"messages": CHAT[:2], "why": "tool_calls"}
    response = read(body, None, trajectory="$.messages", reads={"finish_reason": "$.why"})
    assert (response.text, response.finish_reason, len(response.calls)) == ("", "tool_calls", 1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"answer": "x"}, "nothing at $.messages; it sent the fields answer"),
        ({"answer": "x", "messages": None}, "null at $.messages"),
        ({"answer": "x", "messages": "done"}, "at $.messages: the trajectory is text"),
        ({"answer": "x", "messages": [{"role": "wizard"}]}, "at $.messages: message 1 of the trajectory has the role"),
        ({"messages": CHAT}, "nothing at $.answer"),
    ],
)
def test_a_trajectory_that_is_missing_or_none_is_a_bad_answer(body, said):
    with pytest.raises(BadAnswerError) as caught:
        read(body, "$.answer", trajectory="$.messages")
    assert said in str(caught.value)


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
    body = {"question": "{{ prompt }}", "n": 3, "chat": "{{ messages }}"}
    (path, _, sent), method = sent_by(body=body, method="PUT")
    assert (path, method, sent["question"], sent["n"]) == ("/answer?team=a", "PUT", "hi", 3)
    (path, _, sent), method = sent_by(body={"question": "{{ system }} {{ prompt }}", "n": 3}, method="GET")
    assert (path, method, sent) == ("/answer?team=a&question=s+hi&n=3", "GET", None)


CASE = Example(
    id="1",
    input="hi",
    fields={"customer": {"id": "a/b c", "vip": True}, "tags": ["x", 1], "locale": "de", "empty": None},
)


def call_for(example=CASE, **args):
    made = HttpEndpointModel(args.pop("base_url", HERE), answer="$", **{"body": {"q": "{{ prompt }}"}, **args})
    made.check_example(example)
    request = with_variables(Request.of("What is asked"), made.variables, example)
    return made._codec.encode(request, repeat=0)


def test_fields_of_the_example_are_filled_in_and_keep_their_type():
    body = {
        "q": "{{ prompt }}", "also": "{{ question }}", "user": {"id": "{{ customer.id }}", "vip": "{{ customer.vip }}"},
        "tags": "{{ tags }}", "note": "{{ locale }}: {{ tags }}", "n": 3, "nested": [{"empty": "{{ empty }}"}],
    }  # fmt: skip
    assert json.loads(call_for(body=body).body) == {
        "q": "What is asked", "also": "What is asked", "user": {"id": "a/b c", "vip": True},
        "tags": ["x", 1], "note": 'de: ["x",1]', "n": 3, "nested": [{"empty": None}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        ({"q": "{prompt}"}, {"q": "What is asked"}),
        ({"q": ["Say: {prompt}", {"n": "{model_name}"}]}, {"q": ["Say: What is asked", {"n": "http"}]}),
        ({"m": "{messages}"}, {"m": [{"role": "user", "content": "What is asked"}]}),
    ],
)
def test_bodies_in_the_earlier_spelling_are_filled_and_the_new_one_is_said(caplog, before, sent):
    assert json.loads(call_for(body=before).body) == sent
    assert "read as" in caplog.text


def test_the_earlier_spelling_is_none_beside_the_new_one():
    with pytest.raises(TemplateError):
        call_for(body={"q": "{{ question }} {prompt}"})


def test_only_the_fields_that_are_named_travel_with_a_request():
    made = HttpEndpointModel(HERE, body={"q": "{{ prompt }} {{ locale }} {{ model_name }}"}, answer="$")
    assert made.variables == ("locale",)
    assert with_variables(Request.of("q"), made.variables, CASE).variables == {"locale": "de"}


def test_headers_and_the_address_have_fields_too():
    made = call_for(
        base_url="http://localhost:1/users/{{ customer.id }}/ask?lang={{ locale }}", headers={"X-L": "l={{ locale }}"}
    )
    assert made.path == "/a%2Fb%20c/ask?lang=de"
    assert made.headers == {"X-L": "l=de"}


def test_a_filled_address_and_header_are_what_is_sent():
    async def once(url):
        asked = HttpEndpointModel(
            f"{url}/{{{{ customer.id }}}}/answer", answer="$.data.reply", body={"q": "{{ prompt }}"},
            headers={"X-L": "{{ locale }}"},
        )  # fmt: skip
        try:
            await asked.respond(with_variables(Request.of("hi"), asked.variables, CASE))
        finally:
            await asked.aclose()

    with ApiServer() as server, contextlib.suppress(ModelError):
        asyncio.run(once(server.url))
    path, headers, _ = server.requests[0]
    assert (path, headers["X-L"]) == ("/a%2Fb%20c/answer", "de")


@pytest.mark.parametrize(
    ("args", "argument", "said"),
    [
        ({"body": {"q": "{{ prompt }}", "user": {"id": "{{ custmer }}"}}}, "body", "did you mean {{ customer }}"),
        ({"headers": {"X": "{{ lokale }}"}}, "headers", "did you mean {{ locale }}"),
        ({"headers": {"X": "{{ 'a\nb' ~ locale }}"}}, "headers", "line break"),
        ({"base_url": HERE + "/{{ custmer }}"}, "base_url", "did you mean {{ customer }}"),
        ({"base_url": HERE + "/{{ '..' if locale }}"}, "base_url", "up a folder"),
        ({"body": {"q": "{{ seed }}{{ prompt }}"}}, "body", "seed"),
    ],
)
def test_an_example_that_lacks_a_field_is_named_before_any_call(args, argument, said):
    with pytest.raises(TemplateError) as caught:
        call_for(**args)
    assert caught.value.argument == argument
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"body": {"user": {"id": "{customer_id}"}}}, "body.user.id: the template holds '{customer_id}'"),
        ({"body": {"q": "{{question}"}}, "body.q: the template is not well formed"),
        ({"headers": {"X-L": "{locale}"}}, "headers.X-L: the template holds '{locale}'"),
        ({"body": {"q": "always the same"}}, "body names no field"),
        ({"base_url": "https://{{ host }}/ask"}, "base_url has a field in its host"),
        ({"base_url": "https://a.{{ host }}/ask"}, "base_url has a field in its host"),
        ({"base_url": "{{ address }}"}, "base_url has a field in its host"),
    ],
)
def test_what_would_be_sent_as_it_stands_is_refused(args, said):
    with pytest.raises((TemplateError, ArgumentError)) as caught:
        call_for(**args)
    assert said in str(caught.value)


def test_a_header_from_the_environment_is_no_template():
    secret = FromEnvironment.of("{{ x }}{y}", "${TOKEN}")
    made = HttpEndpointModel(HERE, body={"q": "{{ prompt }}"}, answer="$", headers={"X-Token": secret})
    assert made.variables == ()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"base_url": ""}, "base_url is ''"),
        ({"method": "DELETE"}, "method is 'DELETE'; it must be one of POST, PUT, PATCH, GET"),
        ({"reads": {"sources": "$.x"}}, "reads has 'sources'"),
        ({"keep": {"sources": "a b"}}, "'a b' is not a path"),
        ({"answer": None}, "there is no path to its answer"),
        ({"trajectory": "a b"}, "'a b' is not a path"),
        ({"thought_tags": "x"}, "thought_tags is 'x'"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(args, said):
    with pytest.raises(ArgumentError) as caught:
        model(**args)
    assert said in str(caught.value)


def test_what_shapes_the_answer_is_part_of_the_identity():
    changes = [{}, {"method": "PUT"}, {"keep": {"a": "$.a"}}, {"thought_tags": [["<a>", "</a>"]]}, {"answer": "$.b"}]
    changes += [{"trajectory": "$.t"}, {"trajectory": "$.t", "answer": None}]
    identities = [json.dumps(model(**change).identity(), sort_keys=True) for change in changes]
    assert len(set(identities)) == len(changes)


def test_a_header_and_an_address_that_name_nothing_are_filled_all_the_same():
    sent = call_for(base_url=f"{HERE}/{{{{ 1 + 1 }}}}", headers={"X-N": "{{ 2 + 2 }}"})
    assert sent.headers["X-N"] == "4"
    assert sent.path.endswith("/2")
