"""Whatever a batch API answers, reading it ends in a value or in the error of a call: never in a bug."""

import asyncio
import json

import pytest

from insideLLMs.core.errors import ModelError
from insideLLMs.providers.batches.anthropic import AnthropicBatches
from insideLLMs.providers.batches.api import NotToldYetError, Sought
from insideLLMs.providers.batches.gemini import GeminiBatches
from insideLLMs.providers.batches.openai import OpenAIBatches
from insideLLMs.providers.codec import HttpAnswer

ODD = [None, True, 0, "x", [], {}, [None], ["x"], [[]], {"x": 1}]
SOUGHT = Sought(token="t", count=2, newest="", others=frozenset())
OPENAI = {
    "id": "batch_1",
    "status": "failed",
    "metadata": {"insidellms": "other"},
    "errors": {"data": [{"message": "not parseable", "line": 3}]},
    "request_counts": {"completed": 1, "failed": 0, "total": 2},
}
ANTHROPIC = {
    "id": "batch_1",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0},
}
GEMINI = {
    "name": "batches/1",
    "metadata": {"displayName": "other", "state": "BATCH_STATE_SUCCEEDED", "batchStats": {"requestCount": "2"}},
    "error": {"message": "it failed"},
    "response": {"inlinedResponses": {"inlinedResponses": [{"metadata": {"key": "t-0"}, "response": {}}]}},
}
APIS = [
    (OpenAIBatches(), OPENAI, {"data": [OPENAI], "has_more": False}),
    (AnthropicBatches(), ANTHROPIC, {"data": [ANTHROPIC], "has_more": False, "last_id": "batch_1"}),
    (GeminiBatches(), GEMINI, {"operations": [GEMINI]}),
]


def changed(value):
    """Yield a JSON value once for each of its parts and each odd value in the place of that part."""
    yield from ODD
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in parts:
            for other in changed(part):
                copy = json.loads(json.dumps(value))
                copy[name] = other
                yield copy


async def reads(api, state, page):
    """Call all that reads an answer, each of which is `state` for a batch and `page` for a listing."""

    async def send(call):
        value = page if call.path.rstrip("/").endswith("/batches") else state
        return HttpAnswer(status=200, headers={}, body=json.dumps(value).encode())

    async def results():
        async for _ in api.results(send, await api.look(send, "batches/1"), "t"):
            pass

    read = 0
    for call in (api.newest(send), api.find(send, SOUGHT), api.look(send, "batches/1"), results()):
        try:
            await call
            read += 1
        except (ModelError, NotToldYetError):
            pass
    return read


@pytest.mark.parametrize(("api", "state", "page"), APIS, ids=["openai", "anthropic", "gemini"])
def test_an_odd_answer_is_read_or_is_the_error_of_a_call(api, state, page):
    async def all_of_them():
        assert await reads(api, state, page) >= 3
        for odd in changed(state):
            await reads(api, odd, page)
        for odd in changed(page):
            await reads(api, state, odd)

    asyncio.run(all_of_them())


def test_a_batch_that_is_refused_says_in_which_line():
    async def look(value):
        async def send(call):
            return HttpAnswer(status=200, headers={}, body=json.dumps(value).encode())

        return (await OpenAIBatches().look(send, "batch_1")).problem

    assert asyncio.run(look(OPENAI)) == "line 3: not parseable"
    assert asyncio.run(look({**OPENAI, "errors": OPENAI["errors"]["data"]})) == "line 3: not parseable"
    assert asyncio.run(look({**OPENAI, "errors": None})) == "it failed"
