"""Every built-in provider is documented, can be described without a key, and names what it takes."""

import inspect

import pytest

from insideLLMs.plugins import PROVIDERS, model_registry
from support.documents import ROOT

DOCUMENT = (ROOT / "docs" / "providers.md").read_text()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_has_a_row_in_its_document(name):
    assert f"\n| `{name}` |" in DOCUMENT


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_says_in_a_sentence_what_it_is(name):
    doc = model_registry.info(name)["doc"]
    assert doc.endswith(".")
    assert len(doc) < 120


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
