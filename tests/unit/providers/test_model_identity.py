"""Headers and the URL's query shape answers, so they are part of a model's identity; secrets are written nowhere."""

import json

import pytest

from insideLLMs.config.secrets import expand_references
from insideLLMs.core.errors import ArgumentError
from insideLLMs.core.types import Exchange, Request, Response
from insideLLMs.execute.work import request_key
from insideLLMs.plugins import model_registry
from insideLLMs.providers.apis.anthropic import AnthropicModel
from insideLLMs.providers.apis.openai import OpenAIModel
from insideLLMs.store.answers.cache import AnswerCache

HERE = "http://localhost:1/v1"


def model(environ=None, **args):
    return OpenAIModel("m", **expand_references({"base_url": HERE, **args}, environ or {}))


def test_literal_header_values_and_the_query_are_part_of_the_identity():
    asked = model(headers={"X-Variant": "a", "X-Token": "hush"}, base_url=f"{HERE}?api-version=1&key=hush")
    assert asked.identity() == {
        "type": "openai",
        "model_name": "m",
        "base_url": HERE,
        "parameters": {"headers": ["X-Token", "X-Variant"]},
        "header_values": {"X-Variant": "a"},
        "query": [["api-version", "1"]],
    }
    others = [model(headers={"X-Variant": "b"}), model(headers={"X-Variant": "a"}), model()]
    assert len({json.dumps(other.identity()) for other in others}) == 3


def test_the_headers_that_an_api_demands_are_no_settings():
    assert "header_values" not in AnthropicModel("m").identity()


def test_what_comes_from_the_environment_is_named_by_its_reference_and_kept_private():
    environ = {"ROUTE": "blue", "GATE": "http://localhost:1/v1?team=green"}
    asked = model(environ, headers={"X-Route": "to ${ROUTE}"}, base_url="${GATE}")
    shown = json.dumps(asked.identity())
    assert "to ${ROUTE}" in shown
    assert "blue" not in shown
    assert "green" not in shown
    assert asked.private_settings() == ("X-Route: to blue", "?team=green")
    assert model(headers={"X-Variant": "a"}).private_settings() == ()


def test_the_cache_tells_values_from_the_environment_apart_and_holds_none(tmp_path):
    def cache(value):
        return AnswerCache(tmp_path / "answers.sqlite", private={"digest": (f"X-Route: {value}",), "plain": ()})

    def keep(store, digest, text):
        key = request_key(digest, Request.of("q"), 0)
        response = Response(text=text)
        store.keep(Exchange(key=key, model="m", model_digest=digest, request=Request.of("q"), response=response))

    def find(store, digest):
        return store.find(request_key(digest, Request.of("q"), 0), digest)

    for value in ("blue", "green"):
        store = cache(value)
        assert find(store, "digest") is None
        keep(store, "digest", f"from {value[0]}")
        keep(store, "plain", "shared")
        store.close()
    for value in ("blue", "green"):
        store = cache(value)
        assert find(store, "digest").text == f"from {value[0]}"
        assert find(store, "plain").text == "shared"
        store.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"blue" not in written
    assert b"green" not in written


@pytest.mark.parametrize("kind", ["ollama", "azure", "bedrock", "vllm", "gemini"])
def test_an_empty_address_is_refused_by_every_provider(kind, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://n.openai.azure.com")
    with pytest.raises(ArgumentError, match=r"base_url is ''|needs the address"):
        model_registry.get(kind, model_name="m", base_url="")


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_address_is_never_replaced_by_the_public_one(monkeypatch, value):
    with pytest.raises(ArgumentError, match="base_url is "):
        OpenAIModel("m", base_url=value)
    monkeypatch.setenv("OPENAI_BASE_URL", value)
    with pytest.raises(ArgumentError, match="the environment variable OPENAI_BASE_URL is empty"):
        OpenAIModel("m")


def test_null_takes_a_field_out_that_is_sent_otherwise():
    plain = model(stream=True)
    lean = model(stream=True, extra={"stream_options": None})
    bodies = [json.loads(one._codec.encode(Request.of("x"), repeat=0).body) for one in (plain, lean)]
    assert bodies[0]["stream_options"] == {"include_usage": True}
    assert "stream_options" not in bodies[1]
    assert plain.identity() == lean.identity()
