"""Both ways in which a call is sent: by a session, and as a POST like one that a session sent."""

import asyncio

import aiohttp
import pytest

from insideLLMs.core.errors import ModelError, ModelTimeoutError
from insideLLMs.core.protocols import CallFacts, current_call
from insideLLMs.providers import plain_post, transport
from insideLLMs.providers.codec import HttpAnswer, HttpCall

send = transport.Transport.send


class MadeError(Exception):
    """Carries the request that a session was about to send."""

    def __init__(self, request: aiohttp.ClientRequest) -> None:
        super().__init__()
        self.request = request


async def send_plainly(self: transport.Transport, call: HttpCall) -> HttpAnswer:
    """Send a call as one that has been sent before, by a caller who bounds its time."""
    pool = self._pools.get(asyncio.get_running_loop()) or self._open()
    if plain_post.is_plain(call) and call.path not in pool.sent:
        pool.sent[call.path] = plain_post.SentPost(await made(pool, self._called(call), call.body))
    facts = current_call.get() or CallFacts()
    mark = current_call.set(facts)
    limit_s, facts.limit_s = facts.limit_s, facts.limit_s or self._options.total_s
    try:
        async with asyncio.timeout(self._options.total_s):
            return await send(self, call)
    except TimeoutError as error:
        raise error if isinstance(error, ModelError) else ModelTimeoutError("no answer in time") from error
    finally:
        facts.limit_s = limit_s
        current_call.reset(mark)


async def made(pool: transport._Pool, url: object, body: bytes) -> aiohttp.ClientRequest:
    """Return the request that a session makes of a call, which is not sent."""

    async def stop(request: aiohttp.ClientRequest, **_: object) -> aiohttp.connector.Connection:
        raise MadeError(request)

    pool.connector.connect = stop  # type: ignore[method-assign] # of this connector, until it was called
    try:
        await pool.session.post(url, data=body)  # type: ignore[arg-type] # a URL, as the transport has it
    except MadeError as error:
        return error.request
    finally:
        del pool.connector.connect
    raise AssertionError("a session connects before it sends")


@pytest.fixture(params=["by a session", "like one sent before"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a test run in both ways."""
    if request.param != "by a session":
        monkeypatch.setattr(transport.Transport, "send", send_plainly)
    return str(request.param)
