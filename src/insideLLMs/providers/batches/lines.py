"""Lines of batch files: requests in OpenAI's format, and answers in that of any provider.

OpenAI's format is what Azure, Together, LiteLLM and vLLM take, too. The body is the provider's own, whatever it is.
`http_response` and `__inference_error__` are columns of Ray Data.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from insideLLMs.core.errors import BatchFileError
from insideLLMs.providers.codec import HttpAnswer, HttpCall, excerpt
from insideLLMs.providers.lenient_json import read_json, write_json

_GRPC = {
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
"""What the codes of Gemini's statuses mean (google.rpc.Code)."""
_NO_ANSWER = {"expired": "the batch expired before", "canceled": "the batch was cancelled before"}
_JSON = {"Content-Type": "application/json"}
_FIX = "give the file of answers as the provider wrote it"


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a line says: whose answer it is, and the answer as the provider would have sent it by itself."""

    custom_id: str
    answer: HttpAnswer


def request_line(custom_id: str, call: HttpCall, prefix: str) -> bytes:
    """Write a request, with its line's end; `prefix` is what base URLs hold of a documented path."""
    url = f"{prefix}{call.path}"
    line = {"custom_id": custom_id, "method": call.method, "url": url, "body": orjson.Fragment(call.body)}
    return orjson.dumps(line) + b"\n"


def is_request(line: bytes) -> bool:
    """Whether a line is one that `request_line` writes."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and _asks(value)


def _asks(value: Mapping[str, Any]) -> bool:
    return "method" in value and "body" in value


def read_answer(line: bytes) -> BatchAnswer:
    """Read a line as OpenAI, Anthropic or Gemini write it, as leniently as an answer that comes by itself.

    Raises BatchFileError, whose message has no place.
    """
    try:
        line.decode()  # another encoding would change the answer, not only a broken character of it
        value = read_json(line)
    except ValueError as error:
        raise BatchFileError(f"it is not JSON: {error}") from error
    if isinstance(value, list):
        raise BatchFileError("it is a JSON array", fix="write one object a line: jq -c '.[]' FILE")
    if not isinstance(value, dict):
        raise BatchFileError(f"it is a JSON {type(value).__name__}; it must be an object")
    custom_id = value.get("custom_id", value.get("key", _inner(value, "metadata").get("key")))
    if not isinstance(custom_id, str) or not custom_id:
        told = _inner(value, "error").get("message") or value.get("message")
        instead = f", but an error: {excerpt(str(told))}" if told else ""
        if value.get("output_file_id"):
            instead = ", as it is the batch itself: its answers are in the file that its output_file_id names"
        raise BatchFileError(f"it has no custom_id{instead}", fix=_FIX)
    return BatchAnswer(custom_id=custom_id, answer=_answer(value))


def _answer(value: Mapping[str, Any]) -> HttpAnswer:
    status, body = _status_and_body(value)
    if body is None:
        raise _no_answer(value)
    error = _told(value)
    if error is not None and 200 <= status < 300:  # what stands beside it is not known to be the answer
        body = {"error": _named(error)}
    data = body.encode() if isinstance(body, str) else write_json(body)
    return HttpAnswer(status=status, headers=_JSON, body=data)


def _told(value: Mapping[str, Any]) -> Any:  # JSON of any kind
    """Return the error that stands in a line, None where it says nothing."""
    error = value.get("error") or value.get("__inference_error__")
    return None if not error or (isinstance(error, dict) and not any(error.values())) else error


def _status_and_body(value: Mapping[str, Any]) -> tuple[int, Any]:
    """Return an answer as it would have come by itself; an error without a status is recognised by its words."""
    found: tuple[int, Any]
    match value:
        case {"result": {"type": "succeeded", "message": dict(body)}} | {"http_response": dict(body)}:
            found = 200, body
        case {"result": {"type": "errored", "error": dict(error)}}:
            found = 200, error if "error" in error else {"error": error}
        case {"result": {"type": "expired" | "canceled" as kind}}:
            found = 200, _error(f"batch_{kind}", f"{_NO_ANSWER[kind]} this request was answered")
        case {"response": {"body": body, **rest}} if body is not None:
            found = _status(rest.get("status_code"), body)
        case _ if _told(value) is not None:
            found = 200, {}
        case {"response": {"status_code": status}}:
            found = 200, _error("no_body", f"the response has status {excerpt(str(status))} and no body")
        case {"response": dict(body)}:
            found = 200, body
        case {"response": None}:
            found = 200, _error("no_answer", "the line has neither an answer nor an error")
        case {"result": result}:
            found = 200, _error("no_answer", f"the result is no answer: {excerpt(write_json(result))}")
        case _:
            found = 0, None
    return found


def _status(value: Any, body: Any) -> tuple[int, Any]:  # JSON of any kind
    """Read a status, which tables turn into 200.0 or leave out; the body tells then what it is."""
    text = "200" if value in (None, "") else str(value).removesuffix(".0")
    if text.isdecimal() and 100 <= int(text) < 600:
        return int(text), body
    return 200, _error("no_status", f"the response has status {excerpt(text)}, which is none of HTTP")


def _no_answer(value: Mapping[str, Any]) -> BatchFileError:
    if _asks(value):
        return BatchFileError("it is a request, not an answer: this file goes to the provider", fix=_FIX)
    if value.get("response"):
        return BatchFileError(
            f"its response is a JSON {type(value['response']).__name__}; it must be an object", fix=_FIX
        )
    return BatchFileError(
        f"it holds neither a response nor an error, but {excerpt(', '.join(map(str, sorted(value))))}", fix=_FIX
    )


def _named(error: Any) -> Any:  # JSON of any kind
    """Put the word for a gRPC code beside it."""
    code = error.get("code") if isinstance(error, dict) else None
    return {"status": _GRPC[code], **error} if isinstance(code, int) and code in _GRPC else error


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _inner(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
