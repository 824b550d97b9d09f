"""Bytes that no text can hold, and keys in places where nobody looks for them, in what passes through the proxy."""

import asyncio

import msgspec
import pytest
from aiohttp import web

from insideLLMs.proxy.seen_secrets import SeenSecrets
from support.proxied import chat, post, provider, recording, replaying

KEY = "CANARYxq7Zr9Lm2Vt5Wb8Nc4"


def there_and_back(path, handler, *asks):
    """Record, then replay; return the verdict."""

    async def run():
        async with provider(handler) as upstream, recording(path, upstream) as url:
            for ask in asks:
                await ask(url)
        async with replaying(path) as (url, player):
            for ask in asks:
                await ask(url)
        return player.verdict()

    return asyncio.run(run())


async def echo(request):
    return web.json_response({"said": (await request.read()).decode(), **request.headers})


def get(*headers):
    lines = "\n".join(["GET /openai/v1/models HTTP/1.1", "Host: {host}", *headers])

    async def ask(url):
        # what raw() sends as UTF-8 is put together here as the bytes that old clients send
        reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        head = lines.replace("{host}", url.removeprefix("http://")).replace("\n", "\r\n")
        writer.write(head.encode("latin-1") + b"\r\nConnection: close\r\n\r\n")
        try:
            return await reader.read()
        finally:
            writer.close()

    return ask


@pytest.mark.parametrize("header", ["X-InsideLLMs-Case: café", "OpenAI-Beta: café"])
def test_a_header_that_is_no_utf_8_is_recorded_and_replayed(header, tmp_path):
    assert there_and_back(tmp_path / "c.jsonl", echo, get(header)).is_verified
    assert r"caf\\udce9" in (tmp_path / "c.jsonl").read_text()


async def answer_oddly(request):
    request.transport.write(
        b"HTTP/1.1 302 Found\r\nLocation: /a\xff\tb\r\nAccess-Control-It's: x\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n"
    )
    request.transport.close()
    await asyncio.sleep(0)
    return web.Response()


def test_odd_headers_of_an_answer_do_not_lose_the_recording(tmp_path):
    assert there_and_back(tmp_path / "c.jsonl", answer_oddly, get("X-InsideLLMs-Case: c")).is_verified


@pytest.mark.parametrize("levels", [97, 98, 99, 100, 101])
def test_a_body_of_any_depth_is_recorded(levels, tmp_path):
    body = b'{"a":' * levels + b"1" + b"}" * levels

    async def ask(url):
        return await post(url, body)

    assert there_and_back(tmp_path / "c.jsonl", echo, ask).is_verified


PLACES = {
    "the name of a test": ({}, f"test_refund[{KEY}]", {"Authorization": f"Bearer {KEY}"}),
    "a header of any name": ({}, "c", {"X-Odd": KEY}),
    "a tool of an MCP server": ({"tools": [{"headers": {"Authorization": f"Bearer {KEY}"}}]}, "c", {}),
    "a field of the body": ({"mcp_servers": [{"authorization_token": KEY}]}, "c", {}),
}


@pytest.mark.parametrize(("more", "case", "headers"), PLACES.values(), ids=PLACES)
def test_a_key_is_kept_nowhere_wherever_it_stands(more, case, headers, tmp_path):
    async def ask(url):
        return await post(url, chat(f"say {KEY}", **more), case=case, **headers)

    assert there_and_back(tmp_path / "c.jsonl", echo, ask).is_verified
    kept = (tmp_path / "c.jsonl").read_text()
    assert "CANARY" not in kept
    assert "say [redacted]" in kept


def test_the_name_of_a_model_in_a_header_is_no_key():
    secrets = SeenSecrets({})
    secrets.see([("X-Model", "Llama-3.3-70B-Instruct-Turbo-Free"), ("X-Request-Id", KEY)], "")
    assert secrets.text(f"Llama-3.3-70B-Instruct-Turbo-Free {KEY}") == f"Llama-3.3-70B-Instruct-Turbo-Free {KEY}"


def test_a_key_in_pieces_of_answers_that_take_turns_is_blanked_out():
    secrets = SeenSecrets({})
    secrets.see([("Authorization", "Bearer my-own-secret-7")], "")
    events = [
        f'data: {{"choices": [{{"index": {index}, "delta": {{"content": "{piece}"}}}}]}}\n\n'
        for piece in ("my-own", "-sec", "ret-7")
        for index in (0, 1)
    ]
    kept = [msgspec.json.decode(event[6:])["choices"][0] for event in secrets.events(events)]
    for index in (0, 1):
        assert "".join(one["delta"]["content"] for one in kept if one["index"] == index) == "[redacted]"
