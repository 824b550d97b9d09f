"""What a provider is: two pure functions between our types and its wire, and a row of where it listens.

A new provider writes a Codec and an Endpoint; connections, time limits, redaction and retries are not its business.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
import orjson

from insideLLMs.core.errors import (
    AuthError,
    BadAnswerError,
    ModelError,
    ModelNotFoundError,
    ModelTimeoutError,
    RateLimitError,
    RequestRefusedError,
    ServerError,
)
from insideLLMs.core.types import JsonValue, Request, Response

EXCERPT_LENGTH = 200


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider listens and how it authenticates.

    `base_url_env` and `key_env` name environment variables; `key_format` makes the value of `key_header`.
    A provider without keys has an empty `key_env`.
    """

    provider: str
    base_url: str
    base_url_env: str = ""
    key_env: str = ""
    key_header: str = "Authorization"
    key_format: str = "Bearer {key}"
    headers: Mapping[str, str] = {}


class Assembler(Protocol):
    """Puts the events of a streamed answer together to the body of the plain one."""

    def add(self, data: bytes) -> None:
        """Take the next event. Raises BadAnswerError, which quotes nothing of it."""
        ...

    def body(self) -> bytes:
        """Return the body. Raises BadAnswerError if the stream broke off."""
        ...


class HttpCall(msgspec.Struct, frozen=True, kw_only=True):
    """One POST: `path` is appended to the endpoint's base URL; `headers` are those of this call alone.

    `assembler` makes what puts a streamed answer together, where one is asked for.
    """

    path: str
    body: bytes
    headers: Mapping[str, str] = {}
    assembler: Callable[[], Assembler] | None = None


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, read to its end; `headers` look up names in any case. `retry_after_s` is the server's wish."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    retry_after_s: float | None = None


class Codec(Protocol):
    """The two pure functions of a provider: no clock, environment or network."""

    def encode(self, request: Request, *, repeat: int) -> HttpCall:
        """Write a request. Raises RequestRefusedError for what this API cannot be asked."""
        ...

    def decode(self, answer: HttpAnswer) -> Response:
        """Read an answer of any status. Raises the ModelError that fits a failure."""
        ...

    def parameters(self) -> Mapping[str, JsonValue]:
        """Return everything that shapes the request body; it enters the run id."""
        ...


def excerpt(text: str | bytes) -> str:
    """Shorten what a server sent for an error message, without control characters."""
    if isinstance(text, bytes):
        text = text[: 8 * EXCERPT_LENGTH].decode("utf-8", "replace")
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return clean if len(clean) <= EXCERPT_LENGTH else clean[:EXCERPT_LENGTH] + "…"


def json_object(answer: HttpAnswer, provider: str) -> dict[str, Any]:
    """Decode a body that must be a JSON object. Raises BadAnswerError with the beginning of what it is instead."""
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        kind = answer.headers.get("Content-Type", "no content type")
        raise BadAnswerError(
            f"{provider} answered with {len(answer.body)} bytes ({excerpt(kind)}) that are not JSON: "
            f"{excerpt(answer.body)!r}",
            http_status=answer.status,
        ) from error
    if not isinstance(value, dict):
        raise BadAnswerError(
            f"{provider} answered with a JSON {type(value).__name__} instead of an object: {excerpt(answer.body)!r}",
            http_status=answer.status,
        )
    return value


QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
MODEL_CODES = frozenset({"model_not_found", "model_not_available"})


def failure(answer: HttpAnswer, endpoint: Endpoint, *, message: str, code: str = "", status: int = 0) -> ModelError:
    """Make the error that a failed answer stands for; `status` overrides the HTTP status, where the body has its own.

    `code` is the provider's own word for what went wrong.
    """
    status = status or answer.status
    label = f"{endpoint.provider} answered {status}" + (f" ({excerpt(code)})" if code else "")
    text = f"{label}: {excerpt(message)}" if message else label
    kind, fix = _classify(status, code, endpoint)
    return kind(text, fix=fix, http_status=status, retry_after_s=answer.retry_after_s)


STATUS_ERRORS: dict[int, type[ModelError]] = {
    401: AuthError,
    403: AuthError,
    404: ModelNotFoundError,
    408: ModelTimeoutError,
    409: ServerError,  # as 425: the same request may pass a moment later
    425: ServerError,
    429: RateLimitError,
    504: ModelTimeoutError,
}
FIXES: dict[type[ModelError], str] = {
    AuthError: "check the key in {key_env}",
    ModelNotFoundError: "check model_name and base_url, and that this key may use the model",
    RequestRefusedError: "change the model's args or the input: the provider refuses this request",
}


def _classify(status: int, code: str, endpoint: Endpoint) -> tuple[type[ModelError], str | None]:
    if status == 402 or code in QUOTA_CODES:
        return AuthError, "the account has no credit left; add some, or use another key"
    kind = ModelNotFoundError if code in MODEL_CODES else STATUS_ERRORS.get(status)
    if kind is None:
        kind = ServerError if status >= 500 else RequestRefusedError if status >= 400 else BadAnswerError
    fix = FIXES.get(kind)
    return kind, fix and fix.format(key_env=endpoint.key_env or "the endpoint's headers")
