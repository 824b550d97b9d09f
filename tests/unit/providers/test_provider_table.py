"""Every built-in provider is documented, can be described without a key, and names what it takes."""

import inspect

import pytest

from insideLLMs.core.errors import AuthError
from insideLLMs.core.protocols import Model
from insideLLMs.core.types import Request
from insideLLMs.plugins import PROVIDERS, model_registry
from insideLLMs.providers.apis.openai import OpenAIModel
from insideLLMs.providers.chat_model import ChatModel
from insideLLMs.providers.codec import Endpoint
from support.api_server import ApiServer
from support.documents import ROOT

CHATS = [name for name in PROVIDERS if getattr(model_registry.get_factory(name), "codec_type", None)]
DOCUMENT = (ROOT / "docs" / "providers.md").read_text()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_has_a_row_in_its_document(name):
    assert f"\n| `{name}` |" in DOCUMENT


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"callable"}))
def test_a_provider_is_both_what_the_engine_calls_and_a_plain_model(name):
    model = model_registry.get_factory(name)
    assert issubclass(model, Model)
    assert inspect.iscoroutinefunction(model.respond)


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_key_that_a_provider_reads_is_documented(name):
    endpoint = getattr(model_registry.get_factory(name), "endpoint", None)
    if endpoint is not None and name != "ollama":
        assert f"`{endpoint.key_env}`" in DOCUMENT


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_provider_takes_a_key_as_an_argument(name):
    names = inspect.signature(model_registry.get_factory(name)).parameters
    assert not {"api_key", "key", "token"} & set(names)
    assert all(each.kind is not each.VAR_KEYWORD for each in names.values()), "unknown arguments would pass unseen"


@pytest.mark.parametrize("name", CHATS)
def test_every_chat_api_can_be_reached_and_asked_in_the_same_words(name):
    parameters = inspect.signature(model_registry.get_factory(name)).parameters
    for argument in ("temperature", "top_p", "max_tokens", "tools", "base_url", "api_key_env", "extra", "headers"):
        assert parameters[argument].annotation is not inspect.Parameter.empty, argument
    assert parameters["timeout_s"].default == 600.0
    assert [each.default for each in parameters.values()].count(inspect.Parameter.empty) == 1  # model_name


@pytest.mark.parametrize("name", CHATS)
def test_a_misspelt_argument_is_refused_from_python_too_and_the_nearest_is_named(name):
    with pytest.raises(TypeError, match=r"takes no argument 'temprature'; did you mean 'temperature'\?"):
        model_registry.get(name, model_name="m", temprature=0)
    with pytest.raises(TypeError, match=r"takes no argument 'zzz'$"):
        model_registry.get(name, model_name="m", zzz=0)


def test_a_subclass_has_the_arguments_of_its_own_constructor():
    class Fixed(OpenAIModel):
        def __init__(self, temperature: float = 0.5) -> None:
            super().__init__("fixed", temperature=temperature)

    assert list(inspect.signature(Fixed).parameters) == ["temperature"]
    assert Fixed(0.25).identity()["parameters"] == {"temperature": 0.25}
    assert issubclass(Fixed, ChatModel)


def test_another_provider_of_chat_completions_is_one_row_of_where_it_listens(monkeypatch):
    class GroqLikeModel(OpenAIModel):
        """A model of another provider; $GROQ_LIKE_API_KEY."""

        endpoint = Endpoint(provider="groq_like", base_url="https://groq.example/v1", key_env="GROQ_LIKE_API_KEY")

    model = GroqLikeModel("m", temperature=0)
    assert model.identity() == {
        "type": "groq_like",
        "model_name": "m",
        "base_url": "https://groq.example/v1",
        "parameters": {"temperature": 0},
    }
    with pytest.raises(AuthError, match="groq_like needs a key, and the environment variable GROQ_LIKE_API_KEY"):
        model.check()
    monkeypatch.setenv("GROQ_LIKE_API_KEY", "key-for-tests")
    with ApiServer() as server:
        answers = [
            GroqLikeModel("m", base_url=f"{server.url}/v1", stream=stream).ask(Request.of("hello"))
            for stream in (False, True)
        ]
    assert answers[0] == answers[1]
    assert answers[0].usage is not None
    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer key-for-tests"] * 2
