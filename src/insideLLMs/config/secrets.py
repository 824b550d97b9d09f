"""Secrets stay in the environment: which arguments may be secret, and ``${NAME}`` references to variables.

A reference is read in values that may be secret or differ from machine to machine: `headers`, `env`, `base_url`,
`organization`, `project`, `proxy`, and any argument whose name says secret. Everywhere else ``${...}`` is text.
References are kept as they are in everything that is written, and expanded when a model is made.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from insideLLMs.core.describe import FromEnvironment
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.types import JsonValue

REFERENCE_KEYS = frozenset({"headers", "env", "base_url", "organization", "project", "proxy"})
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEY = re.compile(
    r"(?:^|_)(?:api_?key|(?:access|private|secret|subscription|account)_key|token|secret|password|passwd|passphrase|"
    r"credentials?|authorization|cookie)$"
)
_SECRET_HEADER = re.compile(
    r"(?:^|[-_])(?:auth|authentication|jwt|pat|signature|[a-z]*(?:key|token|secret))$", re.IGNORECASE
)
_NO_SECRETS = frozenset({"idempotency-key", "x-idempotency-key"})
_MAYBE_KEY = re.compile(r"[\w-]{16}|\s")
_QUERY = re.compile(r"\bhttps?://[^\s?#]*\?([^\s#]+)", re.IGNORECASE)
_SECRET_PARAMETERS = frozenset({"key", "sig", "signature"})
"""Of a URL's query: Google's key, and what signs an address of Azure's or Amazon's."""
_PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def is_secret_key(key: str) -> bool:
    """Whether an argument of this name holds a secret: `api_key`, `X-Api-Key`, `auth_token`, but not `max_tokens`."""
    return _SECRET_KEY.search(key.lower().replace("-", "_")) is not None


def may_refer(key: str) -> bool:
    """Whether references are read in the value of this argument."""
    return key in REFERENCE_KEYS or is_secret_key(key)


def holds_secret(key: str, value: JsonValue) -> bool:
    """Whether `value` gives a secret away: text under a secret name, or a URL with a password or a key.

    References give nothing away.
    """
    if not isinstance(value, str | int) or isinstance(value, bool):
        return False
    left = _REFERENCE.sub("", str(value))
    if is_secret_key(key):
        return left.strip().lower() not in {"", "bearer", "basic", "token"}
    queries = (parse_qsl(query) for query in _QUERY.findall(left))
    return _PASSWORD_IN_URL.search(left) is not None or any(
        is_secret_key(name) or name.lower() in _SECRET_PARAMETERS for query in queries for name, _ in query
    )


def gives_away(path: FieldPath, value: JsonValue) -> bool:
    """Whether the value at `path` of some arguments gives a secret away: by its name, or where keys go, by its shape.

    Of headers more names are secret than of arguments: `X-Auth`, `X-RapidAPI-Key`.
    """
    name = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
    if holds_secret(name, value) or not isinstance(value, str):
        return holds_secret(name, value)
    left = _REFERENCE.sub("", value).strip()
    is_header = "headers" in path and name.lower() not in _NO_SECRETS and _SECRET_HEADER.search(name) is not None
    goes_along = not REFERENCE_KEYS.isdisjoint(path)
    return goes_along and ((is_header and left != "") or _looks_like_key(left))


def _looks_like_key(text: str) -> bool:
    if not _MAYBE_KEY.search(text):
        return False
    from insideLLMs.core.key_shapes import KEY_SHAPES  # noqa: PLC0415 - its pattern takes 5 ms of every start

    return KEY_SHAPES.search(text.encode(errors="replace")) is not None


def secret_arguments(command: JsonValue) -> Iterator[int]:
    """Yield the places of arguments that give a secret away: ``--api-key=...``, or what follows ``--api-key``.

    What an example's field holds is no secret of the file.
    """
    texts = [text if isinstance(text, str) else "" for text in command] if isinstance(command, list) else []
    for at, (before, text) in enumerate(zip(["", *texts], texts, strict=False)):
        option = before if before.startswith("-") and not text.startswith("-") else ""
        pairs = [(option, text), *((text.partition(mark)[0], text.partition(mark)[2]) for mark in "=:")]
        if "{{" not in text and any(holds_secret(name.lstrip("-"), value) for name, value in pairs):
            yield at


def references(value: str) -> tuple[str, ...]:
    """Return the names of the variables that `value` refers to."""
    return tuple(_REFERENCE.findall(value))


def is_reference(value: JsonValue) -> bool:
    """Whether `value` is one reference and nothing else."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def leaves(
    value: JsonValue, path: FieldPath, *, referring: bool = False
) -> Iterator[tuple[FieldPath, JsonValue, bool]]:
    """Yield every plain value within `value` with its path, and whether references are read in it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, str(key)), referring=referring or may_refer(str(key)))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from leaves(item, (*path, position), referring=referring)
    else:
        yield path, value, referring


def expand_references(args: Mapping[str, JsonValue], environ: Mapping[str, str]) -> dict[str, JsonValue]:
    """Return `args` with references replaced by the variables' values.

    Raises ConfigError naming every variable that is not defined or empty.
    """
    missing: list[Problem] = []

    def expand(value: JsonValue, *, referring: bool) -> JsonValue:
        if isinstance(value, Mapping):
            return {key: expand(item, referring=referring or may_refer(str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [expand(item, referring=referring) for item in value]
        if not referring or not isinstance(value, str):
            return value
        named = references(value)
        missing.extend(Problem(fault, hint=f"export {name}=...") for name in named if (fault := lacks(name, environ)))
        filled = _REFERENCE.sub(lambda found: environ.get(found[1], ""), value)
        return FromEnvironment.of(filled, value) if named else value

    expanded = {key: expand(value, referring=may_refer(key)) for key, value in args.items()}
    if missing:
        raise ConfigError(missing)
    return expanded


def lacks(name: str, environ: Mapping[str, str]) -> str | None:
    """Say that a variable has no value; None where it has one.

    An empty one is no value: an address that falls back to a default sends prompts and keys elsewhere.
    """
    if name not in environ:
        return f"the environment variable {name} is not defined"
    return None if environ[name].strip() else f"the environment variable {name} is empty"
