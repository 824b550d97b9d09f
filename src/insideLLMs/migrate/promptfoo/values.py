"""Values as JavaScript writes and reads them, texts filled in from a test's vars, and arguments without secrets."""

import json
import math
import re
from collections.abc import Mapping

from insideLLMs.config.secrets import holds_secret, may_refer
from insideLLMs.core.errors import ConfigError, TemplateError
from insideLLMs.core.template import Template
from insideLLMs.core.types import JsonValue
from insideLLMs.migrate.nunjucks import translated
from insideLLMs.migrate.source import SCHEME, ImportFindings, Node

Vars = Mapping[str, JsonValue]
ENV = re.compile(r"\{\{-?\s*env(?:\.(\w+)|\[['\"](\w+)['\"]\])\s*(?:\|[^}]*)?-?\}\}")
"""Where promptfoo reads a variable of the environment; one of the groups is its name."""
PROGRAMS = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".py", ".rb", ".sh", ".exe", ".bat", ".ps1", ".pl")
_PRINTED = re.compile(r"\{\{-?\s*(\w+(?:\.\w+|\[\d+\])*)\s*-?\}\}")
_LARGEST_WHOLE = 1e21  # from here on JavaScript writes an exponent


def js_text(value: JsonValue) -> str:
    """Write a plain value as JavaScript's String() does."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def js_value(value: JsonValue) -> JsonValue:
    """Return a value with whole numbers as whole numbers: JavaScript knows 1.0 only as 1."""
    if isinstance(value, Mapping):
        return {str(key): js_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [js_value(item) for item in value]
    whole = isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < _LARGEST_WHOLE
    return int(value) if whole else value


def prints_whole(text: str, given: Vars) -> bool:
    """Whether a template prints a list or a mapping: as JSON here; as 'a,b' and '[object Object]' in promptfoo."""
    for path in _PRINTED.findall(text):
        held: JsonValue = dict(given)
        for step in re.findall(r"\w+", path):
            if isinstance(held, list) and step.isdecimal() and int(step) < len(held):
                held = held[int(step)]
            else:
                held = held.get(step) if isinstance(held, Mapping) else None
        if isinstance(held, Mapping | list):
            return True
    return False


def filled(node: Node, text: str, given: Vars) -> str:
    """Return `text` with a test's vars filled in. Raises ConfigError."""
    if "{{" not in text and "{%" not in text and "{#" not in text:
        return text
    if prints_whole(text, given):
        raise ConfigError([node.problem("prints a list or a mapping", "name its parts, or use `| join(',')`")])
    try:
        template = Template(translated(text, tuple(given)))
        template.check_names(given)
        return template.render(given)
    except TemplateError as error:
        raise ConfigError([node.problem(error.message, error.fix)]) from error


def filled_value(node: Node, given: Vars, findings: ImportFindings) -> JsonValue:
    """Return the value of an assertion: text and lists of text filled in, and what a file holds. Raises ConfigError."""
    if node.text is not None:
        return _filled_text(node, node.text, given, findings)
    if isinstance(node.value, list):
        return [
            _filled_text(one, one.text, given, findings) if one.text is not None else js_value(one.value)
            for one in node.items()
        ]
    return js_value(node.value)


def _filled_text(node: Node, text: str, given: Vars, findings: ImportFindings) -> JsonValue:
    if not text.startswith(SCHEME):
        return filled(node, text, given)
    path = findings.path_of(node, text)
    match path.suffix.lower():
        case ".json" | ".yaml" | ".yml":
            return js_value(findings.document(node, path).value)
        case ".txt":
            return findings.text_of(node, path).strip()
    raise ConfigError([node.problem(f"{text!r} is no text or YAML", "no program is run by an import")])


def plain(held: Node, name: str, findings: ImportFindings) -> JsonValue:
    """Return an argument: references to the environment in the form that is known here, no secret, files read.

    Raises ConfigError.
    """
    if held.text is not None and held.text.startswith(SCHEME):
        return js_value(findings.document(held, findings.path_of(held, held.text)).value)
    if isinstance(held.value, Mapping):
        within = may_refer(name)
        return {key: plain(one, name if within else key, findings) if not holds_secret(key, one.value)
                else _referred(key, one, findings) for key, one in held.fields()}  # fmt: skip
    if isinstance(held.value, list):
        return [plain(one, name, findings) for one in held.items()]
    if held.text is None:
        return js_value(held.value)
    text = plain_text(held, findings)
    if text != held.text and not may_refer(name):
        raise ConfigError(
            [held.problem("reads the environment", "write the value; only addresses and headers may refer")]
        )
    return text


def plain_text(held: Node, findings: ImportFindings) -> str:
    """Return text with `{{ env.NAME }}` as `${NAME}`; a secret in an address becomes a variable. Raises ConfigError."""
    text = ENV.sub(lambda found: f"${{{found[1] or found[2]}}}", held.text or "")
    if "{{" in text and "{{env" in (held.text or "").replace(" ", ""):
        raise ConfigError([held.problem(f"{held.text!r} is more than a variable's value")])
    if holds_secret("", text):
        return f"${{{findings.variable(held, 'SECRET_URL', text)}}}"
    return text


def _referred(key: str, held: Node, findings: ImportFindings) -> str:
    """Return a reference in the place of a secret, such as a header's; its scheme stays."""
    text = plain_text(held, findings)
    if "${" in text:
        return text
    scheme, _, secret = text.rpartition(" ")
    name = re.sub(r"\W", "_", key).upper()
    return f"{scheme} ${{{findings.variable(held, name, secret)}}}".strip()
