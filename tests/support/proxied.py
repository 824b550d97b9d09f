"""Both sides of the recording proxy in this process: a provider behind it, raw connections in front of it."""

import asyncio
import contextlib
import json

from aiohttp import web

from insideLLMs.proxy.asked_calls import RequestReader
from insideLLMs.proxy.late_keys import LateKeys
from insideLLMs.proxy.ordering import in_order
from insideLLMs.proxy.player import Player
from insideLLMs.proxy.recorder import Recorder
from insideLLMs.proxy.seen_secrets import SeenSecrets
from insideLLMs.proxy.server import LoopbackServer
from insideLLMs.proxy.upstreams import upstreams_of, upstreams_recorded
from insideLLMs.proxy.volatile import VolatileParts
from insideLLMs.store.answers.wire_cassette import FORMAT, WireHead, WireRecorder, read_wire_calls


@contextlib.asynccontextmanager
async def provider(handler):
    """Serve `handler` as a provider; yields its URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def recording(path, url, **head):
    """Record what is asked at the URL that this yields, in the place of openai."""
    declared = WireHead(format=FORMAT, **head)
    secrets = SeenSecrets({})
    cassette = WireRecorder(path, declared)
    recorder = Recorder(cassette, RequestReader(secrets, VolatileParts.of(declared)), secrets)
    places = upstreams_of([f"openai={url}/v1"], {})
    try:
        async with recorder, LoopbackServer(recorder, places) as server:
            yield server.url
        if recorder.failure:
            raise recorder.failure
        if cassette.count:
            cassette.finish(in_order, LateKeys(secrets).call)
    finally:
        cassette.close()


@contextlib.asynccontextmanager
async def replaying(path, **head):
    """Replay a cassette at the URL that this yields, with the player."""
    volatile = VolatileParts.of(WireHead(format=FORMAT, **head))
    reader = RequestReader(SeenSecrets({}), volatile)
    player = Player([volatile.call(call) for call in read_wire_calls(path)], reader)
    async with LoopbackServer(player, upstreams_recorded([], {})) as server:
        yield server.url, player


async def raw(url, head, body=b"", *, until_closed=True):
    """Send bytes, and return all that comes back; {host} in the head becomes the proxy's own."""
    host = url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = head.replace("{host}", host).strip().splitlines()
    writer.write("\r\n".join([*(line.strip() for line in lines), "Connection: close", "", ""]).encode() + body)
    await writer.drain()
    try:
        return await reader.read()
    finally:
        writer.close()


async def post(url, body, path="/openai/v1/chat/completions", case="a case", **headers):
    """Ask as a client does; returns the status line and the body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = "\n".join(f"{name}: {value}" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\nHost: {{host}}\nX-InsideLLMs-Case: {case}\nContent-Length: {len(data)}\n{more}"
    came = await raw(url, head, data)
    top, _, rest = came.partition(b"\r\n\r\n")
    return top.decode(), rest


def chat(text, **more):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}
