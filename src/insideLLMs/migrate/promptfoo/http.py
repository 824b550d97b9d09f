"""promptfoo's provider for HTTP -> the provider http."""

import re
from collections.abc import Mapping

from insideLLMs.core.errors import ConfigError, TemplateError
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.nunjucks import translated
from insideLLMs.migrate.promptfoo.values import js_value, plain, plain_text
from insideLLMs.migrate.source import ImportFindings, Node

_KEYS = ("url", "method", "headers", "body", "transformResponse", "responseParser", "queryParams", "transformRequest",
         "validateStatus", "maxRetries", "signatureAuth", "auth", "session", "sessionParser", "request",
         "tls")  # fmt: skip
_STEP = r"\??\.\w+|\??\.?\[(?:\d+|'[^']*'|\"[^\"]*\")\]"
_PATH = re.compile(rf"(?:json|\(?json(?:, text)?\)? => json)((?:{_STEP})*)")


def http_model(node: Node, identity: str, config: Node | None, findings: ImportFindings) -> dict[str, JsonValue] | None:
    """Return the model; None where it is left out. Raises ConfigError."""
    if config is None:
        raise ConfigError(
            [node.problem("a provider of HTTP lacks its `config`", "write url, body and transformResponse")]
        )
    findings.check_keys(config, _KEYS, "a provider of HTTP")
    for key in set(config.keys()) & {"queryParams", "transformRequest", "signatureAuth", "auth", "session",
                                     "sessionParser", "request", "tls", "validateStatus"}:  # fmt: skip
        held = config.get(key)
        if held is not None:
            findings.leave_out(held, f"provider: config.{key}", "no argument here stands for it")
            return None
    url, body = config.get("url"), config.get("body")
    args: dict[str, JsonValue] = {"base_url": plain_text(url, findings) if url is not None else identity}
    method = config.get("method")
    if method is not None and method.text and method.text.upper() != "POST":
        args["method"] = method.text.upper()
    if body is None or not isinstance(body.value, Mapping):
        findings.leave_out(body or config, "provider: config.body", "only a mapping can be sent here")
        return None
    args["body"] = _filled_in(body)
    headers = config.get("headers")
    if headers is not None:
        kept = {key: one for key, one in headers.fields() if key.lower() != "content-type"}
        if kept:
            args["headers"] = {key: plain(headers, "headers", findings)[key] for key in kept}
    answer = _answer(config)
    if answer is None:
        findings.leave_out(config.get("transformResponse") or config, "provider: config.transformResponse",
                           "it must be a path such as json.choices[0].message.content")  # fmt: skip
        return None
    return {"type": "http", "args": {**args, "answer": answer}}


def _filled_in(node: Node) -> JsonValue:
    if isinstance(node.value, Mapping):
        return {key: _filled_in(held) for key, held in node.fields()}
    if isinstance(node.value, list):
        return [_filled_in(held) for held in node.items()]
    if node.text is None:
        return js_value(node.value)
    try:
        return translated(node.text)
    except TemplateError as error:
        raise ConfigError([node.problem(error.message, error.fix)]) from error


def _answer(config: Node) -> str | None:
    """Return the path to the answer. A response that is no JSON is taken whole, and so is one without a path."""
    written = config.get("transformResponse") or config.get("responseParser")
    if written is None:
        return "$"
    found = _PATH.fullmatch(re.sub(r"\s+", " ", written.text or "").strip())
    return None if found is None else "$" + found[1].replace("?.", ".").replace(".[", "[")
