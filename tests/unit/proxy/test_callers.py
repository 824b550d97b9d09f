"""Cases where the system does not say which process is behind a connection."""

import asyncio
import sys

import pytest
from aiohttp import web

from insideLLMs.proxy import callers
from insideLLMs.proxy.session import record
from insideLLMs.store.answers.wire_cassette import FORMAT, WireHead, read_wire_calls
from support.agent_provider import AgentProvider
from support.proxied import chat, post, provider, raw, recording, replaying

ASKS = "import os, urllib.request; print(urllib.request.urlopen(os.environ['OPENAI_BASE_URL'] + '/models').status)"


@pytest.fixture(autouse=True)
def no_processes(monkeypatch, tmp_path):
    monkeypatch.setattr(callers, "_PROC", tmp_path / "no-proc")


async def answer(request):
    await request.read()
    return web.json_response({})


def test_a_recording_says_that_its_calls_have_no_case_and_how_to_name_one(tmp_path):
    path = tmp_path / "c.jsonl"
    with AgentProvider() as server:
        done = record([sys.executable, "-c", ASKS], path, WireHead(format=FORMAT), [f"openai={server.url}/v1"])
    (note,) = done.notes
    assert note.startswith("calls without a case: 1; the program behind a call can be found on Linux only")
    assert "$INSIDELLMS_PROXY_URL/case/NAME/UPSTREAM or the header X-InsideLLMs-Case" in note
    assert [call.case for call in read_wire_calls(path)] == ["calls"]


def test_a_replay_without_cases_says_so_beside_a_call_that_has_no_recording(tmp_path):
    async def run():
        async with provider(answer) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            await post(url, chat("x"), case="curl")
        async with replaying(tmp_path / "c.jsonl") as (url, player):
            await post(url, chat("x"), case="")
        return player.verdict().reasons()

    reasons = asyncio.run(run())
    assert "the same request, recorded for another case: curl" in reasons[0]
    assert reasons[-1].startswith("calls without a case: 1; the program behind a call can be found on Linux only")


def test_a_test_of_the_only_process_that_runs_tests_names_its_calls(tmp_path):
    async def run():
        async with provider(answer) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            for name in ("test_a", ""):
                await raw(url, f"PUT /process/7 HTTP/1.1\nHost: {{host}}\nContent-Length: {len(name)}", name.encode())
                await post(url, chat("x"), case="")

    asyncio.run(run())
    assert [call.case for call in read_wire_calls(tmp_path / "c.jsonl")] == ["calls", "test_a"]
