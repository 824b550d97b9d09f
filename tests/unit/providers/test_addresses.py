"""Addresses that people paste are understood where they can mean only one thing."""

import pytest

from insideLLMs.core.errors import ArgumentError
from insideLLMs.providers.addresses import azure_address, base_address, ollama_address
from insideLLMs.providers.apis.anthropic import ANTHROPIC
from insideLLMs.providers.apis.cohere import COHERE
from insideLLMs.providers.apis.compatible import OpenRouterModel, VllmModel
from insideLLMs.providers.apis.gemini import GEMINI
from insideLLMs.providers.apis.ollama import OLLAMA
from insideLLMs.providers.apis.openai import OPENAI

GOOGLE = "https://generativelanguage.googleapis.com"


@pytest.mark.parametrize(
    ("endpoint", "given", "meant"),
    [
        (OPENAI, "https://h.example/v1", "https://h.example/v1"),
        (OPENAI, " 'https://h.example/v1/' ", "https://h.example/v1"),
        (OPENAI, "https://h.example/v1/chat/completions", "https://h.example/v1"),
        (OPENAI, "https://h.example/v1/chat/completions/?a=1", "https://h.example/v1?a=1"),
        (OPENAI, "https://h.example/v1/responses", "https://h.example/v1"),
        (OPENAI, "https://api.openai.com", "https://api.openai.com/v1"),
        (OPENAI, "https://api.openai.com/", "https://api.openai.com/v1"),
        (OPENAI, "http://localhost:8000", "http://localhost:8000"),
        (VllmModel.endpoint, "http://10.0.0.1:8000", "http://10.0.0.1:8000/v1"),
        (VllmModel.endpoint, "http://10.0.0.1:8000/proxy/v1", "http://10.0.0.1:8000/proxy/v1"),
        (OpenRouterModel.endpoint, "https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        (ANTHROPIC, "https://api.anthropic.com/v1", "https://api.anthropic.com"),
        (ANTHROPIC, "https://h.example/claude/v1/messages", "https://h.example/claude"),
        (GEMINI, GOOGLE, f"{GOOGLE}/v1beta"),
        (GEMINI, f"{GOOGLE}/v1beta/models/gemini-2.5-flash:generateContent", f"{GOOGLE}/v1beta"),
        (COHERE, "https://api.cohere.com/v2/chat", "https://api.cohere.com/v2"),
        (OLLAMA, "http://box:11434/api/chat", "http://box:11434"),
        (OLLAMA, "http://box:11434/v1", "http://box:11434"),
        (OLLAMA, "http://box:11434/api/tags", "http://box:11434"),
        (OLLAMA, "http://box:11434/v1/models/", "http://box:11434"),
        (OPENAI, "https://h.example/v1/models", "https://h.example/v1"),
        (OPENAI, "https://h.example/v1/models/gpt-x/", "https://h.example/v1"),
        (OPENAI, "https://h.example/v1/embeddings", "https://h.example/v1"),
        (OPENAI, "https://h.example/models", "https://h.example/models"),
        (OPENAI, "https://api.openai.com/v1//chat/completions", "https://api.openai.com/v1"),
        (ANTHROPIC, "https://h.example/v1/messages/count_tokens", "https://h.example"),
        (ANTHROPIC, "https://h.example/v1/models/claude-x", "https://h.example"),
        (GEMINI, f"{GOOGLE}/", f"{GOOGLE}/v1beta"),
        (GEMINI, f"{GOOGLE}/v1/models/m:streamGenerateContent?alt=sse", f"{GOOGLE}/v1"),
        (GEMINI, "http://localhost:8080", "http://localhost:8080/v1beta"),
        (GEMINI, "https://gw.example/google/", "https://gw.example/google/v1beta"),
        (GEMINI, "https://gw.example/google/v1alpha", "https://gw.example/google/v1alpha"),
        (GEMINI, "https://gw.example/models/m:generateContent", "https://gw.example/v1beta"),
        (COHERE, "https://api.cohere.com/v1/chat", "https://api.cohere.com/v2"),
        (COHERE, "https://gw.example/cohere", "https://gw.example/cohere/v2"),
        (COHERE, "https://api.cohere.com", "https://api.cohere.com/v2"),
    ],
)
def test_a_pasted_address_is_understood(endpoint, given, meant):
    assert base_address(given, endpoint) == meant


AZURE = "https://n.openai.azure.com"


@pytest.mark.parametrize(
    ("given", "version", "meant"),
    [
        (AZURE, None, f"{AZURE}/openai/v1"),
        (f"{AZURE}/openai/v1/", None, f"{AZURE}/openai/v1"),
        (f"{AZURE}/openai/v1/chat/completions?api-version=preview", None, f"{AZURE}/openai/v1?api-version=preview"),
        (AZURE, "2024-02-01", f"{AZURE}/openai/deployments/d?api-version=2024-02-01"),
        (f"{AZURE}/?api-version=2024-02-01", None, f"{AZURE}/openai/deployments/d?api-version=2024-02-01"),
        (
            f"{AZURE}/openai/deployments/gpt4/chat/completions?api-version=2024-02-01",
            None,
            f"{AZURE}/openai/deployments/gpt4?api-version=2024-02-01",
        ),
        (
            "https://n.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            None,
            "https://n.services.ai.azure.com/models?api-version=2024-05-01-preview",
        ),
    ],
)
def test_azures_resource_deployment_and_target_uri_are_understood(given, version, meant):
    assert azure_address(given, "d", version) == meant


def test_two_versions_of_azures_api_contradict_each_other():
    with pytest.raises(ArgumentError, match="base_url has api-version=1, and api_version is '2'"):
        azure_address(f"{AZURE}?api-version=1", "d", "2")


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("", None),
        ("box", "http://box:11434"),
        ("box:1234", "http://box:1234"),
        (":1234", "http://localhost:1234"),
        ("0.0.0.0", "http://localhost:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1234", "http://[::1]:1234"),
        ("::", "http://localhost:11434"),
        ("https://box.example", "https://box.example"),
        ('"http://box:80/"', "http://box:80"),
    ],
)
def test_ollamas_host_may_be_written_in_every_way_it_takes(host, meant):
    assert ollama_address(host) == meant


@pytest.mark.parametrize("given", ["localhost:8000/v1", "ftp://h/v1", "h.example", "http://"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(ArgumentError, match=r"it must begin with http:// or https://"):
        base_address(given, OPENAI)
