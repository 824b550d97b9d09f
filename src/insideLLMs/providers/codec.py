"""What a provider is: two pure functions between our types and its wire, and a row of where it listens.

A new provider writes a Codec and an Endpoint; connections, time limits, redaction and retries are not its business.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from insideLLMs.core.errors import BadAnswerError
from insideLLMs.core.types import JsonValue, Request, Response, cut_off
from insideLLMs.providers.lenient_json import read_json

EXCERPT_LENGTH = 200


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider listens and how it authenticates.

    `base_url_env` and `key_env` name environment variables; `key_format` makes the value of `key_header`.
    A provider without keys has an empty `key_env`. `operations` is a pattern of what people paste behind the base
    URL; `is_own_server` says that users run it themselves, below the path of `base_url` wherever it is;
    `version` is a pattern of what every path begins with, on any server.
    """

    provider: str
    base_url: str
    base_url_env: str = ""
    key_env: str = ""
    key_header: str = "Authorization"
    key_format: str = "Bearer {key}"
    headers: Mapping[str, str] = {}
    operations: str = r"/chat/completions|/completions|/responses|(?<=/v1)/(?:models(?:/[^/?]*)?|embeddings)"
    is_own_server: bool = False
    version: str = ""


class Assembler(Protocol):
    """Puts the events of a streamed answer together to the body of the plain one; `held_bytes` is what it keeps."""

    held_bytes: int

    def add(self, data: bytes) -> None:
        """Take the next event. Raises BadAnswerError, which quotes nothing of it."""
        ...

    def body(self) -> bytes:
        """Return the body. Raises BadAnswerError if the stream broke off."""
        ...


class HttpCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call: `path` is appended to the endpoint's base URL; `headers` are those of this call alone.

    A `service` stands before the version that the base URL ends in, as Google's uploads have it.
    `assembler` makes what puts a streamed answer together, where one is asked for.
    """

    path: str
    body: bytes
    service: str = ""
    method: str = "POST"
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    assembler: Callable[[], Assembler] | None = None


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, read to its end; `headers` look up names in any case. `retry_after_s` is the server's wish.

    `url` is what was asked, without user, password and query.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""
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
    return cut_off(one_line(text), EXCERPT_LENGTH)


def one_line(text: str) -> str:
    """Return a text on one line, with blanks in the place of control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def json_value(answer: HttpAnswer, provider: str) -> object:
    """Decode a body that must be JSON. Raises BadAnswerError with the beginning of what it is instead."""
    kind = answer.headers.get("Content-Type", "no content type")
    try:
        return read_json(answer.body, kind)
    except ValueError as error:
        raise BadAnswerError(
            f"{provider} answered with {len(answer.body)} bytes ({excerpt(kind)}) that are not JSON: "
            f"{excerpt(answer.body)!r}",
            http_status=answer.status,
        ) from error


def json_object(answer: HttpAnswer, provider: str) -> dict[str, Any]:
    """Decode a body that must be a JSON object. Raises BadAnswerError as `json_value` does."""
    value = json_value(answer, provider)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise BadAnswerError(
            f"{provider} answered with a JSON {type(value).__name__} instead of an object: {excerpt(answer.body)!r}",
            http_status=answer.status,
        )
    return value
