"""Bytes that no text can hold, and keys in places where nobody looks for them, in what passes through the proxy."""

import asyncio
import base64
import json

import msgspec
import pytest
from aiohttp import web

from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.store.answers.wire_cassette import read_wire_calls
from support.proxied import chat, post, provider, raw, recording, replaying

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


def get_path(path):
    async def ask(url):
        return await raw(url, f"GET {path} HTTP/1.1\nHost: {{host}}\nX-InsideLLMs-Case: c")

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


SHORT = "CANARY-77"
MULTIPART = (
    f'--b0\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{SHORT}\r\n'
    f'--b0\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: text/plain\r\n\r\n'
    f"say {SHORT}\r\n--b0--\r\n"
).encode()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SHOWN = {
    "one of several cookies": ({}, {"Cookie": f"session={SHORT}; theme=dark"}),
    "the place of a user": ({}, {"Authorization": f"Basic {base64.b64encode(f'{SHORT}:'.encode()).decode()}"}),
    "a password": ({}, {"Authorization": f"Basic {base64.b64encode(f'ann:{SHORT}'.encode()).decode()}"}),
    "a short field": (chat("x", password=SHORT), {}),
    "the address of an image": (chat([{"image_url": {"url": f"https://host/a.png?sig={SHORT}&w=1"}}]), {}),
    "a form": (
        f"a=1&client_secret={SHORT}&say={SHORT}".encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "a form in parts": (MULTIPART, {"Content-Type": "multipart/form-data; boundary=b0"}),
}


@pytest.mark.parametrize(("body", "headers"), SHOWN.values(), ids=SHOWN)
def test_a_short_key_is_kept_nowhere_wherever_it_stands(body, headers, tmp_path):
    async def ask(url):
        return await post(url, body, **headers)

    assert there_and_back(tmp_path / "c.jsonl", echo, ask).is_verified
    assert SHORT not in (tmp_path / "c.jsonl").read_text()


@pytest.mark.parametrize("query", ["X-Amz-Signature=S", "X-Goog-Signature=S", "access_token=S", "subscription-key=S"])
def test_a_key_in_a_query_is_kept_nowhere(query, tmp_path):
    ask = get_path(f"/openai/v1/models?{query.replace('=S', '=' + KEY)}&limit=2")
    assert there_and_back(tmp_path / "c.jsonl", echo, ask).is_verified
    (call,) = read_wire_calls(tmp_path / "c.jsonl")
    assert call.request.path == "/v1/models?limit=2"


PLAIN = {
    "the end of a text": (chat("x", stop_token="END"), chat("x", stop_token="STOP")),
    "an image with a signed address": tuple(
        chat([{"image_url": {"url": f"https://host/{name}.png?sig={SHORT}"}}]) for name in "ab"
    ),
}


@pytest.mark.parametrize(("before", "after"), PLAIN.values(), ids=PLAIN)
def test_what_only_stands_beside_a_key_is_compared(before, after, tmp_path):
    async def run():
        async with provider(echo) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            await post(url, before)
        async with replaying(tmp_path / "c.jsonl") as (url, player):
            await post(url, after)
        return player.verdict()

    assert not asyncio.run(run()).is_verified


def test_a_key_that_only_a_later_call_shows_is_blanked_out_of_all_calls(tmp_path):
    key = "canary words only"  # of no known shape

    async def run():
        async with provider(echo_in_lines) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            await post(url, chat(f"say {key}"), case=f"test[{key}]")
            await post(url, chat("x"), Authorization=f"Bearer {key}")

    asyncio.run(run())
    first, second = read_wire_calls(tmp_path / "c.jsonl")
    assert "canary" not in (tmp_path / "c.jsonl").read_text()
    assert (second.case, second.request.body["messages"][0]["content"]) == ("test[[redacted]]", "say [redacted]")
    assert [json.loads(line)["text"] for line in second.answer.body.splitlines()] == ["[redacted]", "", ""]
    assert first.case == "a case"


async def echo_in_lines(request):
    await request.read()
    lines = [json.dumps({"text": text}) for text in ("canary", " words", " only")]
    return web.Response(text="\n".join(lines), content_type="application/x-ndjson")


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
    kept = [msgspec.json.decode(event[6:])["choices"][0] for event in secrets.answer(events)]
    for index in (0, 1):
        assert "".join(one["delta"]["content"] for one in kept if one["index"] == index) == "[redacted]"
