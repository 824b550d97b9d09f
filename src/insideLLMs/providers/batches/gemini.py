"""Gemini's batches: small ones with requests and answers inline, larger ones as files.

By https://ai.google.dev/gemini-api/docs/batch-api and https://ai.google.dev/api/files (read in November 2026).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from yarl import URL

from insideLLMs.core.errors import BadAnswerError
from insideLLMs.providers.answer_fields import read_list, read_mapping
from insideLLMs.providers.batches import api as batch_api
from insideLLMs.providers.batches.api import BatchState, Send, Sought
from insideLLMs.providers.codec import HttpCall, excerpt

_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_STOPPED = ("CANCELLED", "EXPIRED")
"""These have an error as a failed one has, though no request is to blame."""


class _Line(msgspec.Struct):
    """A request, as a file has it."""

    key: str
    request: msgspec.Raw


class GeminiBatches:
    """See BatchApi. A batch carries its token as its name; a file may have 2 GB, inline requests 20 MB."""

    id_field = "name"
    most_requests = 100_000
    most_bytes = 200_000_000
    most_inline_bytes = 18_000_000

    def line(self, custom_id: str, call: HttpCall) -> bytes:
        return msgspec.json.encode(_Line(custom_id, msgspec.Raw(call.body))) + b"\n"

    async def newest(self, send: Send) -> str:  # noqa: ARG002 - the contract's name
        return ""

    async def creation(self, send: Send, token: str, path: str, lines: Sequence[bytes]) -> HttpCall:
        if sum(map(len, lines)) <= self.most_inline_bytes:
            asked: dict[str, Any] = {"requests": {"requests": [_inline(line) for line in lines]}}
        else:
            asked = {"file_name": await _uploaded(send, token, b"".join(lines))}
        batch = {"display_name": _name(token), "input_config": asked}
        return batch_api.post(path.replace(":generateContent", ":batchGenerateContent"), {"batch": batch}, token)

    async def find(self, send: Send, sought: Sought) -> str | None:
        after: dict[str, str] = {}
        for _ in range(batch_api.PAGES):
            page = batch_api.read(await send(batch_api.get("/batches", pageSize=batch_api.PAGE, **after)))
            for batch in batch_api.batches_on(page, "operations", "batches"):
                if _facts(batch).get("displayName") == _name(sought.token):
                    return str(batch.get("name"))
            if not page.get("nextPageToken"):
                break
            after = {"pageToken": str(page["nextPageToken"])}
        return None

    async def look(self, send: Send, batch: str) -> BatchState:
        found = batch_api.read(await send(batch_api.get(f"/{batch}")))
        facts = _facts(found)
        word = str(facts.get("state", "")).rpartition("STATE_")[2]
        stats, error = facts.get("batchStats"), found.get("error")
        answers = _answers(found)
        is_refused = not answers and (word == "FAILED" or (bool(error) and word not in _STOPPED))
        return BatchState(
            id=batch,
            word=word.lower(),
            is_cancelled=word == "CANCELLED",
            is_ended=word in _ENDED or found.get("done") is True,
            completed=batch_api.count(stats, "successfulRequestCount"),
            failed=batch_api.count(stats, "failedRequestCount"),
            total=batch_api.count(stats, "requestCount"),
            problem=excerpt(str(read_mapping(error).get("message") or "it failed")) if is_refused else "",
            results=answers,
        )

    async def results(self, send: Send, state: BatchState, token: str) -> AsyncIterator[bytes]:
        for number, answer in enumerate(state.results):
            if isinstance(answer, str):  # the name of a file
                file = msgspec.structs.replace(batch_api.get(f"/{answer}:download", alt="media"), service="download")
                for line in batch_api.lines_of((await send(file)).body):
                    yield line
            else:
                yield orjson.dumps({"key": f"{token}-{number}", **answer, **read_mapping(answer.get("metadata"))})

    def cancellation(self, batch: str) -> HttpCall:
        return batch_api.post(f"/{batch}:cancel", {})


def _inline(line: bytes) -> orjson.Fragment:
    held = msgspec.json.decode(line, type=_Line)
    return orjson.Fragment(msgspec.json.encode({"request": held.request, "metadata": {"key": held.key}}))


async def _uploaded(send: Send, token: str, data: bytes) -> str:
    """Upload a file, in the two steps of the resumable protocol, and return its name. Raises BadAnswerError.

    Of the address that the first step answers with only the query is used: no answer may name where a key goes.
    """
    begin = {
        "Protocol": "resumable",
        "Command": "start",
        "Header-Content-Length": str(len(data)),
        "Header-Content-Type": "application/jsonl",
    }
    opened = await send(_upload(orjson.dumps({"file": {"display_name": _name(token)}}), begin))
    query = URL(opened.headers.get("X-Goog-Upload-URL", "")).query
    if not query:
        raise BadAnswerError("the batch API answered without X-Goog-Upload-URL", http_status=opened.status)
    done = await send(_upload(data, {"Command": "upload, finalize", "Offset": "0"}, query))
    file = read_mapping(batch_api.read(done).get("file")).get("name")
    if not isinstance(file, str):
        raise BadAnswerError("the batch API answered without file.name", http_status=done.status)
    return file


def _upload(body: bytes, told: Mapping[str, str], query: Mapping[str, str] | None = None) -> HttpCall:
    headers = {f"X-Goog-Upload-{name}": value for name, value in told.items()}
    return HttpCall(path="/files", service="upload", body=body, headers=headers, query=dict(query or {}))


def _name(token: str) -> str:
    return f"insidellms-{token}"


def _facts(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the batch behind an operation."""
    return {**operation, **read_mapping(operation.get("metadata"))}


def _answers(operation: dict[str, Any]) -> tuple[Any, ...]:
    held = read_mapping(operation.get("response")) or read_mapping(_facts(operation).get("output"))
    file, inline = held.get("responsesFile"), held.get("inlinedResponses")
    if isinstance(file, str):
        return (file,)
    inner = inline.get("inlinedResponses") if isinstance(inline, dict) else inline
    return tuple(answer for answer in read_list(inner) if isinstance(answer, dict))
