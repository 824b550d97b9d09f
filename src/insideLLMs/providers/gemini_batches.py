"""Gemini's batches, with requests and answers inline.

By https://ai.google.dev/api/batch-api (read in November 2026).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from insideLLMs.providers.answer_fields import read_mapping
from insideLLMs.providers.batch_api import PAGE, PAGES, BatchState, Send, Sought, count, get, lines_of, post, read
from insideLLMs.providers.codec import HttpCall, excerpt

_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


class GeminiBatches:
    """See BatchApi. A batch carries its token as its name; one of inline requests may have 20 MB."""

    id_field = "name"
    most_requests = 100_000
    most_bytes = 18_000_000

    def line(self, custom_id: str, call: HttpCall) -> bytes:
        return orjson.dumps({"request": orjson.Fragment(call.body), "metadata": {"key": custom_id}}) + b"\n"

    async def newest(self, send: Send) -> str:  # noqa: ARG002 - the contract's name
        return ""

    async def creation(self, send: Send, token: str, path: str, lines: Sequence[bytes]) -> HttpCall:  # noqa: ARG002
        requests = [orjson.Fragment(line) for line in lines]
        batch = {"display_name": _name(token), "input_config": {"requests": {"requests": requests}}}
        return post(path.replace(":generateContent", ":batchGenerateContent"), {"batch": batch}, token)

    async def find(self, send: Send, sought: Sought) -> str | None:
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = read(await send(get("/batches", pageSize=PAGE, **after)))
            for batch in page.get("operations") or page.get("batches") or ():
                if _facts(batch).get("displayName") == _name(sought.token):
                    return str(batch.get("name"))
            if not page.get("nextPageToken"):
                break
            after = {"pageToken": str(page["nextPageToken"])}
        return None

    async def look(self, send: Send, batch: str) -> BatchState:
        found = read(await send(get(f"/{batch}")))
        facts = _facts(found)
        word = str(facts.get("state", "")).rpartition("STATE_")[2]
        stats, error = facts.get("batchStats"), found.get("error")
        answers = _answers(found)
        return BatchState(
            id=batch,
            word=word.lower(),
            is_ended=word in _ENDED or found.get("done") is True,
            completed=count(stats, "successfulRequestCount"),
            failed=count(stats, "failedRequestCount"),
            total=count(stats, "requestCount"),
            problem=excerpt(str(read_mapping(error).get("message") or "it failed")) if error and not answers else "",
            results=answers,
        )

    async def results(self, send: Send, state: BatchState, token: str) -> AsyncIterator[bytes]:
        for number, answer in enumerate(state.results):
            if isinstance(answer, str):  # the name of a file
                for line in lines_of((await send(get(f"/{answer}:download", alt="media"))).body):
                    yield line
            else:
                yield orjson.dumps({"key": f"{token}-{number}", **answer, **read_mapping(answer.get("metadata"))})

    def cancellation(self, batch: str) -> HttpCall:
        return post(f"/{batch}:cancel", {})


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
    return tuple(answer for answer in inner or () if isinstance(answer, dict))
