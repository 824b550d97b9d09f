"""How long a call may take, and when a server is started again: on a clock that is turned, without a server."""

import asyncio

import pytest

from insideLLMs.core.errors import ToolTimeoutError
from insideLLMs.providers.mcp.connection import McpConnection
from support import virtual_time


class OneByOne:
    """A server that answers one call after another; a call waits for its turn, and then takes its `seconds`."""

    def __init__(self):
        self.turn = asyncio.Lock()

    async def call(self, seconds):
        return await asyncio.shield(asyncio.ensure_future(self.work(seconds)))  # nobody else ends its work

    async def work(self, seconds):
        async with self.turn:
            await asyncio.sleep(seconds)
        return seconds

    async def list_tools(self):
        await self.call(0)


class AtOnce(OneByOne):
    """A server that works on all calls at once."""

    async def work(self, seconds):
        await asyncio.sleep(seconds)
        return seconds


class Open(McpConnection):
    """A connection that is open already."""

    def __init__(self, server):
        super().__init__(lambda link: None, who="the server", start_timeout_s=1)
        self.server = server

    async def client(self):
        return self.server


def asked(server, *seconds):
    """Make calls at once with a limit of 30 s; return their answers, and whether the server is started again next."""

    async def main():
        connection = Open(server())
        calls = [
            connection.ask("a call", lambda client, needed=needed: client.call(needed), 30.0) for needed in seconds
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return [type(one) if isinstance(one, Exception) else one for one in answers], connection.link.is_over

    return virtual_time.run(main())


def test_calls_that_wait_for_others_are_not_too_late():
    assert asked(OneByOne, *[20] * 16) == ([20] * 16, False)


def test_a_call_that_hangs_is_too_late_although_later_ones_are_answered():
    assert asked(AtOnce, 20, 10_000, 5, 5) == ([20, ToolTimeoutError, 5, 5], False)


def test_a_server_that_answers_nothing_any_more_is_started_again():
    answers, starts_again = asked(OneByOne, 5, 10_000, 5)
    assert answers == [5, ToolTimeoutError, ToolTimeoutError]
    assert starts_again


@pytest.mark.parametrize("server", [OneByOne, AtOnce])
def test_the_limit_holds_for_a_call_by_itself(server):
    assert asked(server, 31)[0] == [ToolTimeoutError]
    assert asked(server, 29)[0] == [29]
