"""Anthropic's message batches: requests and answers inline; nothing but its answers tells whose a batch is.

By https://platform.claude.com/docs/en/api/messages/batches (read in November 2026).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from insideLLMs.core.errors import BadAnswerError, BatchFileError
from insideLLMs.providers.batches import api as batch_api
from insideLLMs.providers.batches.api import BatchState, NotToldYetError, Send, Sought
from insideLLMs.providers.batches.lines import read_answer
from insideLLMs.providers.codec import HttpCall

_PATH = "/v1/messages/batches"
_FAILED = ("errored", "canceled", "expired")


class AnthropicBatches:
    """See BatchApi. There is no metadata: a batch is known by the custom_ids of its answers, once it has ended."""

    id_field = "id"
    most_requests = 100_000
    most_bytes = 250_000_000

    def line(self, custom_id: str, call: HttpCall) -> bytes:
        return orjson.dumps({"custom_id": custom_id, "params": orjson.Fragment(call.body)}) + b"\n"

    async def newest(self, send: Send) -> str:
        page = batch_api.read(await send(batch_api.get(_PATH, limit=1)))
        return next((str(batch.get("id")) for batch in batch_api.batches_on(page, "data")), "")

    async def creation(self, send: Send, token: str, path: str, lines: Sequence[bytes]) -> HttpCall:  # noqa: ARG002
        body = b'{"requests":[' + b",".join(line.rstrip() for line in lines) + b"]}"
        return HttpCall(path=_PATH, body=body, headers={"Idempotency-Key": token})

    async def find(self, send: Send, sought: Sought) -> str | None:
        undecided = False
        async for batch in _newer(send, sought.newest):
            state = _state(batch)
            if state.id in sought.others or state.total != sought.count:
                continue
            if not state.is_ended:
                undecided = True
                continue
            async for line in self.results(send, state, sought.token):
                if _custom_id(line).startswith(sought.token):
                    return state.id
                break
        if undecided:
            raise NotToldYetError
        return None

    async def look(self, send: Send, batch: str) -> BatchState:
        return _state(batch_api.read(await send(batch_api.get(f"{_PATH}/{batch}"))))

    async def results(self, send: Send, state: BatchState, token: str) -> AsyncIterator[bytes]:  # noqa: ARG002
        for line in batch_api.lines_of((await send(batch_api.get(f"{_PATH}/{state.id}/results"))).body):
            yield line

    def cancellation(self, batch: str) -> HttpCall:
        return batch_api.post(f"{_PATH}/{batch}/cancel", {})


async def _newer(send: Send, newest: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the batches that are newer than one, the newest first."""
    after: dict[str, str] = {}
    for _ in range(batch_api.PAGES):
        page = batch_api.read(await send(batch_api.get(_PATH, limit=batch_api.PAGE, **after)))
        for batch in batch_api.batches_on(page, "data"):
            if batch.get("id") == newest:
                return
            yield batch
        if not page.get("has_more"):
            return
        after = {"after_id": str(page.get("last_id"))}


def _custom_id(line: bytes) -> str:
    try:
        return read_answer(line).custom_id
    except BatchFileError as error:
        raise BadAnswerError(f"the results of a batch cannot be read: {error.message}") from error


def _state(batch: dict[str, Any]) -> BatchState:
    counts, word = batch.get("request_counts"), str(batch.get("processing_status"))
    return BatchState(
        id=str(batch.get("id")),
        word=word,
        is_ended=word == "ended",
        is_cancelled=batch_api.count(counts, "canceled") > 0,
        completed=batch_api.count(counts, "succeeded"),
        failed=batch_api.count(counts, *_FAILED),
        total=batch_api.count(counts, "processing", "succeeded", *_FAILED),
    )
