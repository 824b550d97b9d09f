"""OpenAI's batches: a file of requests, a batch of it, and files of answers and errors.

By https://platform.openai.com/docs/api-reference/batch (read in November 2026).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from insideLLMs.providers.answer_fields import read_list, read_mapping
from insideLLMs.providers.batches import api as batch_api
from insideLLMs.providers.batches.api import BatchState, Send, Sought
from insideLLMs.providers.batches.lines import request_line
from insideLLMs.providers.codec import HttpCall, excerpt

_ENDED = ("completed", "failed", "expired", "cancelled")
_METADATA = "insidellms"


class OpenAIBatches:
    """See BatchApi. A batch carries its token in its metadata."""

    id_field = "id"
    most_requests = 50_000
    most_bytes = 200_000_000

    def line(self, custom_id: str, call: HttpCall) -> bytes:
        return request_line(custom_id, call, "/v1")

    async def newest(self, send: Send) -> str:  # noqa: ARG002 - the contract's name
        return ""

    async def creation(self, send: Send, token: str, path: str, lines: Sequence[bytes]) -> HttpCall:
        file = batch_api.read_id(await send(_upload(token, lines)))
        return batch_api.post(
            "/batches",
            {
                "input_file_id": file,
                "endpoint": f"/v1{path}",
                "completion_window": "24h",
                "metadata": {_METADATA: token},
            },
            token,
        )

    async def find(self, send: Send, sought: Sought) -> str | None:
        after: dict[str, str] = {}
        for _ in range(batch_api.PAGES):
            page = batch_api.read(await send(batch_api.get("/batches", limit=batch_api.PAGE, **after)))
            batches = batch_api.batches_on(page, "data")
            for batch in batches:
                if read_mapping(batch.get("metadata")).get(_METADATA) == sought.token:
                    return str(batch.get("id"))
            if not page.get("has_more") or not batches:
                break
            after = {"after": str(batches[-1].get("id"))}
        return None

    async def look(self, send: Send, batch: str) -> BatchState:
        found = batch_api.read(await send(batch_api.get(f"/batches/{batch}")))
        word, counts = str(found.get("status")), found.get("request_counts")
        files = tuple(found[name] for name in ("output_file_id", "error_file_id") if found.get(name))
        errors = read_list(read_mapping(found.get("errors")).get("data", found.get("errors")))
        said = "; ".join(_said(error) for error in errors[:3] if isinstance(error, dict))
        return BatchState(
            id=batch,
            word=word,
            is_ended=word in _ENDED,
            is_cancelled=word == "cancelled",
            completed=batch_api.count(counts, "completed"),
            failed=batch_api.count(counts, "failed"),
            total=batch_api.count(counts, "total"),
            problem=excerpt(said or "it failed") if word == "failed" and not files else "",
            results=files,
        )

    async def results(self, send: Send, state: BatchState, token: str) -> AsyncIterator[bytes]:  # noqa: ARG002
        for file in state.results:
            for line in batch_api.lines_of((await send(batch_api.get(f"/files/{file}/content"))).body):
                yield line

    def cancellation(self, batch: str) -> HttpCall:
        return batch_api.post(f"/batches/{batch}/cancel", {})


def _said(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a batch, and in which line of its file."""
    line = error.get("line")
    return f"line {line}: {error.get('message')}" if line else str(error.get("message"))


def _upload(token: str, lines: Sequence[bytes]) -> HttpCall:
    """Write the form that uploads a file (RFC 7578)."""
    boundary = f"insidellms-{token}"
    disposition = "Content-Disposition: form-data; name="
    head = (
        f'--{boundary}\r\n{disposition}"purpose"\r\n\r\nbatch\r\n'
        f'--{boundary}\r\n{disposition}"file"; filename="{boundary}.jsonl"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    return HttpCall(
        path="/files",
        body=b"".join((head.encode(), *lines, f"\r\n--{boundary}--\r\n".encode())),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
