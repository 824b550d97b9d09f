"""promptfoo's providers -> models."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from insideLLMs.config.secrets import is_secret_key
from insideLLMs.core.errors import ConfigError
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.draft import number
from insideLLMs.migrate.promptfoo.values import ENV, PROGRAMS, plain, plain_text
from insideLLMs.migrate.source import SCHEME, ImportFindings, Node

Model = dict[str, JsonValue]
_KEYS = ("id", "label", "config", "prompts", "transform", "delay", "env", "inputs", "provider")
_PROGRAM = re.compile(
    r"(?:exec|python|ruby|golang|javascript|package|webhook|mcp|browser|docker|ws|wss):?", re.IGNORECASE
)


class Kind(NamedTuple):
    """A provider of promptfoo's and the one that stands for it: its type, and arguments that it always has."""

    type: str
    args: Mapping[str, JsonValue] = {}
    words: tuple[str, ...] = ("chat",)


_CHAT = Kind("openai", {"temperature": 0, "max_tokens": 1024})
"""What promptfoo sends where a configuration says nothing; its reasoning models get neither."""


def _compatible(base_url: str, variable: str) -> Kind:
    return Kind("openai", {**_CHAT.args, "base_url": base_url, "api_key_env": variable})


KINDS: Mapping[str, Kind] = {
    "openai": _CHAT,
    "openai:responses": Kind("openai_responses", {}, ()),
    "anthropic": Kind("anthropic", {}, ("messages",)),
    "azure": Kind("azure", _CHAT.args),
    "azureopenai": Kind("azure", _CHAT.args),
    "google": Kind("gemini", {}, ()),
    "vertex": Kind("gemini", {}, ("chat",)),
    "ollama": Kind("ollama"),
    "mistral": Kind("mistral"),
    "cohere": Kind("cohere"),
    "openrouter": Kind("openrouter", _CHAT.args, ()),
    "bedrock": Kind("bedrock", {}, ("converse",)),
    "huggingface": Kind("huggingface", {}, ("chat",)),
    "vllm": Kind("vllm"),
    "groq": _compatible("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "deepseek": _compatible("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "xai": _compatible("https://api.x.ai/v1", "XAI_API_KEY"),
    "togetherai": _compatible("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "fireworks": _compatible("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "cerebras": _compatible("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "perplexity": _compatible("https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
}
_OTHER_CALLS = frozenset({"completion", "embedding", "embeddings", "image", "realtime", "assistant", "transcription",
                          "moderation", "speech", "video", "agents", "live", "text-generation", "codex"})  # fmt: skip
_NAMED = {
    "apiBaseUrl": "base_url", "baseUrl": "base_url", "apiKeyEnvar": "api_key_env", "apiVersion": "api_version",
    "maxTokens": "max_tokens", "max_tokens_to_sample": "max_tokens", "maxOutputTokens": "max_tokens",
    "num_predict": "max_tokens", "topP": "top_p", "topK": "top_k", "stopSequences": "stop", "stop_sequences": "stop",
    "passthrough": "extra", "max_output_tokens": "max_tokens", "region": "region",
}  # fmt: skip
_SAME = ("temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "seed", "stop", "tools", "tool_choice",
         "response_format", "presence_penalty", "frequency_penalty", "reasoning_effort", "headers", "thinking",
         "num_ctx", "think", "logprobs")  # fmt: skip
_NO_MATTER = ("cost", "inputCost", "outputCost", "omitDefaults", "maxRetries", "showThinking", "apiKeyRequired")
_KEY_VARIABLES = {"AZURE_API_KEY": "AZURE_OPENAI_API_KEY", "COHERE_API_KEY": "CO_API_KEY",
                  "HUGGINGFACE_API_KEY": "HF_TOKEN", "LLAMA_CPP_API_KEY": "LLAMA_API_KEY"}  # fmt: skip
_REASONING = re.compile(r"(?:^|/)(?:o\d|gpt-[5-9])")


def read_providers(node: Node, findings: ImportFindings) -> list[tuple[Node, Model]]:
    """Return the models of a configuration, each with where it stands."""
    found: list[tuple[Node, Model]] = []
    for entry in _entries(node, findings):
        with findings.collecting():
            model = read_provider(entry, findings)
            if model is not None:
                found.append((entry, model))
    number(model for _, model in found)
    return found


def _entries(node: Node, findings: ImportFindings) -> list[Node]:
    """Return the entries of a list, and of the YAML files that it names."""
    entries: list[Node] = []
    for one in node.items():
        if one.text is not None and one.text.startswith(SCHEME) and one.text.endswith((".yaml", ".yml", ".json")):
            with findings.collecting():
                entries += findings.document(one, findings.path_of(one, one.text)).items()
        else:
            entries.append(one)
    return entries


def read_provider(node: Node, findings: ImportFindings) -> Model | None:
    """Return the model for one provider; None where it is left out. Raises ConfigError."""
    identity, label, options = _parts(node)
    config = options.get("config") if options is not None else None
    if options is not None:
        findings.check_keys(options, _KEYS, "a provider")
        for key, why in (("transform", "answers are taken as they are"), ("inputs", "it is of another kind of test")):
            if options.get(key) is not None:
                findings.leave_out(options, f"provider {identity!r}: {key}", why)
                return None
        if options.get("delay") is not None:
            findings.note(options, "delay: use `execution: {requests_per_minute: ...}`")
        _environment(options.get("env"), findings)
    if identity.startswith(("http://", "https://")) or identity in {"http", "https"}:
        from insideLLMs.migrate.promptfoo.http import http_model  # noqa: PLC0415 - a provider of its own kind

        made = http_model(node, identity, config, findings)
    else:
        made = _known_model(node, identity, config, findings)
    return None if made is None else {**({"id": label} if label else {}), **made}


def _parts(node: Node) -> tuple[str, str | None, Node | None]:
    """Return the id, the label, and the options of a provider. Raises ConfigError."""
    if node.text is not None:
        return node.text.strip(), None, None
    if not isinstance(node.value, Mapping):
        raise ConfigError([node.problem("a provider is a text such as openai:gpt-4.1, or a mapping with an `id`")])
    held, options = node.get("id"), node
    if held is None and len(node.keys()) == 1:
        name = node.keys()[0]
        options = node.get(name) or node
        own = options.get("label") or options.get("id")
        return name, None if own is None else own.text, options
    label = node.get("label")
    named = node.get("provider")
    if (
        named is not None and named.text and held is not None
    ):  # a form of the guides: `provider` is asked, `id` its name
        return named.text, held.text, options
    if held is None or not held.text:
        raise ConfigError([node.problem("a provider lacks its `id`")])
    return held.text.strip(), None if label is None else label.text, options


def _environment(node: Node | None, findings: ImportFindings) -> None:
    """Note the variables that a configuration sets itself: their values are not copied."""
    for name, held in node.fields() if node is not None else ():
        findings.variable(held, name, str(held.value))


def _known_model(node: Node, identity: str, config: Node | None, findings: ImportFindings) -> Model | None:
    if _PROGRAM.match(identity) or identity.removeprefix(SCHEME).partition(":")[0].endswith(PROGRAMS):
        findings.leave_out(node, f"provider {identity!r}", "no program is run by an import",
                           "a function in Python is {type: callable, args: {function: file.py:NAME}}")  # fmt: skip
        return None
    name, _, rest = identity.partition(":")
    kind = KINDS.get(f"{name}:{rest.partition(':')[0]}") or KINDS.get(name)
    words = rest.split(":")
    if kind is None or not rest or words[0] in _OTHER_CALLS:
        findings.leave_out(node, f"provider {identity!r}", "there is no provider here that asks it")
        return None
    if kind is KINDS["openai:responses"] or words[0] in kind.words:
        words = words[1:]
    if not ":".join(words):
        raise ConfigError([node.problem(f"provider {identity!r} names no model")])
    model = ":".join(words)
    if name == "vertex":
        findings.note(node, "vertex: asked through the Gemini API, with GEMINI_API_KEY")
    args: dict[str, JsonValue] = {"model_name": model, **kind.args}
    if _REASONING.search(model):
        args.pop("temperature", None)
        args.pop("max_tokens", None)
    if "max_tokens" in args:
        findings.note(node, "temperature and max_tokens are promptfoo's defaults")
    args.update(_arguments(kind, config, findings))
    return {"type": kind.type, "args": args}


def _arguments(kind: Kind, config: Node | None, findings: ImportFindings) -> dict[str, JsonValue]:
    args: dict[str, JsonValue] = {}
    for key, held in config.fields() if config is not None else ():
        name = _NAMED.get(key, key)
        if key in {"apiKey", "api_key"} or (is_secret_key(key) and name != "api_key_env"):
            _key(kind, held, args, findings)
        elif key in {"apiHost", "host"}:
            args["base_url"] = f"https://{plain_text(held, findings)}" + ("" if kind.type == "azure" else "/v1")
        elif key == "reasoning" and isinstance(held.value, Mapping) and set(held.value) == {"effort"}:
            args["reasoning_effort"] = held.value["effort"]
        elif name in _SAME or name in _NAMED.values():
            value = plain(held, name, findings)
            if value is not None:
                args[name] = value
        elif key not in _NO_MATTER:
            findings.leave_out(held, f"provider: config.{key}", "no argument here stands for it",
                               "a field of the request's body belongs under `extra`")  # fmt: skip
    return args


def _key(kind: Kind, held: Node, args: dict[str, JsonValue], findings: ImportFindings) -> None:
    """Keep a key out of the result: it stays, or becomes, a variable of the environment."""
    named = ENV.fullmatch((held.text or "").strip())
    if named is not None:
        args["api_key_env"] = named[1] or named[2]
        return
    findings.variable(held, str(kind.args.get("api_key_env") or key_variable(kind.type)), str(held.value))


def key_variable(kind: str) -> str:
    """Return the variable in which a provider's key is looked for."""
    usual = f"{kind.removesuffix('_responses').upper()}_API_KEY"
    return _KEY_VARIABLES.get(usual, usual)
