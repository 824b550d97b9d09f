"""What a client gets through the proxy, and again from the recording: whatever HTTP has in store."""

import asyncio
import gzip

import pytest
from aiohttp import web

from insideLLMs.core.errors import CassetteError
from insideLLMs.store.answers.wire_cassette import read_wire_calls
from support.proxied import chat, post, provider, raw, recording, replaying

EVENTS = [b": hi\n\n", b'data: {"a": 1}\n\n', b"data: [DONE]\n\n"]


def both(path, handler, *asks, **head):
    """Ask through the proxy, then of the recording; return what came back each time, and the verdict."""

    async def run():
        async with provider(handler) as upstream, recording(path, upstream, **head) as url:
            first = [await ask(url) for ask in asks]
        async with replaying(path, **head) as (url, player):
            second = [await ask(url) for ask in asks]
        return first, second, player.verdict()

    return asyncio.run(run())


def without_date(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return sorted(line for line in head.splitlines() if not line.startswith((b"Date", b"Server"))), body


async def answer_json(request):
    await request.read()
    return web.json_response({"said": request.path_qs}, headers={"x-request-id": "r1"})


async def answer_events(request):
    await request.read()
    out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await out.prepare(request)
    for event in EVENTS:
        await out.write(event)
    return out


def asking(method, target, *headers, body=b""):
    lines = "\n".join([f"{method} {target} HTTP/1.1", "Host: {host}", "X-InsideLLMs-Case: c", *headers])

    async def ask(url):
        return await raw(url, lines, body)

    return ask


CHUNKED = b'a\r\n{"model": \r\n4\r\n"m"}\r\n0\r\n\r\n'
ASKS = {
    "POST": asking("POST", "/openai/v1/x", "Content-Length: 2", body=b"{}"),
    "GET": asking("GET", "/openai/v1/models"),
    "a query": asking("GET", "/openai/v1/models?limit=2&after=a%2Fb"),
    "HEAD": asking("HEAD", "/openai/v1/models"),
    "OPTIONS": asking("OPTIONS", "/openai/v1/models", "Origin: http://localhost:3000"),
    "DELETE": asking("DELETE", "/openai/v1/files/f-1"),
    "a chunked body": asking("POST", "/openai/v1/x", "Transfer-Encoding: chunked", body=CHUNKED),
    "an empty body": asking("POST", "/openai/v1/x", "Content-Length: 0"),
    "a body that is not JSON": asking("POST", "/openai/v1/x", "Content-Length: 4", body=b"a=1\xff"),
    "a lone surrogate": asking("POST", "/openai/v1/x", "Content-Length: 8", body=b'"\\udc00"'),
    "a number that JSON has not": asking("POST", "/openai/v1/x", "Content-Length: 3", body=b"NaN"),
    "a case in the path": asking("POST", "/case/a%2Fb%20c/openai/v1/x", "Content-Length: 2", body=b"{}"),
    "the base itself": asking("GET", "/openai"),
    "what stands beside the base": asking("GET", "/openai/other/models"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_call_is_answered_again_as_it_was(ask, tmp_path):
    first, second, verdict = both(tmp_path / "c.jsonl", answer_json, ask)
    assert b" 200 " in first[0]
    heads = [without_date(first[0]), without_date(second[0])]
    assert heads[0][1] == heads[1][1]
    assert verdict.is_verified


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(tmp_path):
    ask = asking("POST", "/openai/v1/x", "Content-Length: 2", "Expect: 100-continue", body=b"{}")
    first, second, verdict = both(tmp_path / "c.jsonl", answer_json, ask)
    assert first[0].startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert second[0].startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert verdict.is_verified


def test_the_path_of_the_case_wins_over_the_header(tmp_path):
    both(tmp_path / "c.jsonl", answer_json, ASKS["a case in the path"])
    assert [call.case for call in read_wire_calls(tmp_path / "c.jsonl")] == ["a/b c"]


def test_a_stream_is_passed_on_event_by_event_without_waiting_for_the_next(tmp_path):
    async def run():
        seen, go_on = [], asyncio.Event()

        async def slowly(request):
            await request.read()
            out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await out.prepare(request)
            await out.write(EVENTS[0])
            await go_on.wait()
            await out.write(EVENTS[1])
            return out

        async with provider(slowly) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
            writer.write(f"GET /openai/v1/s HTTP/1.1\r\nHost: {url[7:]}\r\nConnection: close\r\n\r\n".encode())
            seen.append(await reader.readuntil(b"hi\n\n"))
            go_on.set()  # only now does the provider write more
            seen.append(await reader.read())
            writer.close()
        return seen

    assert b'data: {"a": 1}' in asyncio.run(run())[1]


def test_the_events_of_a_stream_are_kept_as_they_came(tmp_path):
    ask = asking("POST", "/openai/v1/s", "Content-Length: 2", body=b"{}")
    _, second, verdict = both(tmp_path / "c.jsonl", answer_events, ask)
    (call,) = read_wire_calls(tmp_path / "c.jsonl")
    assert [event.encode() for event in call.answer.events] == EVENTS
    assert all(event in second[0] for event in EVENTS)
    assert verdict.is_verified


def test_an_error_comes_back_with_the_wish_to_wait_and_then_the_answer(tmp_path):
    replies = iter([web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "7"})])

    async def busy_at_first(request):
        return next(replies, None) or await answer_json(request)

    asked = chat("the same")

    async def ask(url):
        return await post(url, asked)

    first, second, verdict = both(tmp_path / "c.jsonl", busy_at_first, ask, ask)
    assert [head.splitlines()[0] for head, _ in second] == ["HTTP/1.1 429 Too Many Requests", "HTTP/1.1 200 OK"]
    assert "retry-after: 7" in second[0][0].lower()
    assert [body for _, body in first] == [body for _, body in second]
    assert verdict.is_verified


def test_compressed_answers_are_kept_readable(tmp_path):
    async def packed(request):
        await request.read()
        assert request.headers["Accept-Encoding"] == "identity"
        body = gzip.compress(b'{"said": "packed all the same"}')
        return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    ask = asking("GET", "/openai/v1/x", "Accept-Encoding: gzip, br")
    first, second, verdict = both(tmp_path / "c.jsonl", packed, ask)
    assert gzip.decompress(without_date(first[0])[1]) == without_date(second[0])[1]
    assert "packed all the same" in (tmp_path / "c.jsonl").read_text()
    assert verdict.is_verified


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip"])
def test_an_answer_in_which_keys_could_not_be_found_fails_the_recording(coding, tmp_path):
    async def packed(request):
        return web.Response(body=b"not to be read", headers={"Content-Encoding": coding})

    with pytest.raises(CassetteError, match="an answer"):
        both(tmp_path / "c.jsonl", packed, asking("GET", "/openai/v1/x"))
    assert b"not to be read" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_an_answer_that_breaks_off_breaks_off_again(tmp_path):
    async def dies(request):
        await request.read()
        out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await out.prepare(request)
        await out.write(EVENTS[1])
        request.transport.close()
        return out

    ask = asking("POST", "/openai/v1/s", "Content-Length: 2", body=b"{}")
    first, second, verdict = both(tmp_path / "c.jsonl", dies, ask)
    for came in (*first, *second):
        assert EVENTS[1] in came
        assert not came.endswith(b"0\r\n\r\n")  # the end that a whole answer has
    assert verdict.is_verified


def test_a_client_that_leaves_in_the_middle_does_not_cut_the_recording_short(tmp_path):
    async def run():
        left = asyncio.Event()

        async def slowly(request):
            out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await out.prepare(request)
            await out.write(EVENTS[1])
            await left.wait()
            await out.write(EVENTS[2])
            return out

        async with provider(slowly) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
            writer.write(f"GET /openai/v1/s HTTP/1.1\r\nHost: {url[7:]}\r\n\r\n".encode())
            await reader.readuntil(EVENTS[1])
            writer.close()
            await writer.wait_closed()
            left.set()

    asyncio.run(run())
    (call,) = read_wire_calls(tmp_path / "c.jsonl")
    assert [event.encode() for event in call.answer.events] == EVENTS[1:]
    assert not call.answer.broken


def test_a_client_that_gives_up_before_the_answer_finds_none_again(tmp_path):
    async def run():
        asked, gone = asyncio.Event(), asyncio.Event()

        async def never(request):
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                gone.set()

        async with provider(never) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            _, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
            writer.write(f"GET /openai/v1/s HTTP/1.1\r\nHost: {url[7:]}\r\nX-InsideLLMs-Case: c\r\n\r\n".encode())
            await asked.wait()
            writer.close()
            await writer.wait_closed()
        async with replaying(tmp_path / "c.jsonl") as (url, player):
            came = await asking("GET", "/openai/v1/s")(url)
            return came, player.verdict()

    came, verdict = asyncio.run(run())
    assert came == b""
    assert verdict.is_verified


def test_pages_from_elsewhere_cannot_ask(tmp_path):
    async def run():
        async with provider(answer_json) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            return [
                await raw(url, f"GET /openai/v1/models HTTP/1.1\nHost: {host}")
                for host in ("evil.example", "127.0.0.1", "localhost.evil.example:80", "127.0.0.1:1")
            ]

    assert all(came.startswith(b"HTTP/1.1 403 ") for came in asyncio.run(run()))
    assert not (tmp_path / "c.jsonl").exists()


def test_a_large_image_passes_and_is_kept_by_its_digest(tmp_path):
    image = "data:image/png;base64," + "iVBORw0K" * (20 * 1024 * 1024 // 8)
    sizes = []

    async def look(request):
        sizes.append(len(await request.text()))
        return web.json_response({})

    def ask_with(image):
        parts = [{"type": "image_url", "image_url": {"url": image}}]

        async def ask(url):
            return await post(url, {"messages": [{"role": "user", "content": parts}]})

        return ask

    async def run():
        async with provider(_large(look)) as upstream, recording(tmp_path / "c.jsonl", upstream) as url:
            await ask_with(image)(url)
        async with replaying(tmp_path / "c.jsonl") as (url, player):
            await ask_with(image)(url)
            same = player.verdict()
            await ask_with(image[:-1] + "A")(url)
            return same, player.verdict()

    same, other = asyncio.run(run())
    assert sizes[0] > len(image)
    assert same.is_verified
    assert (tmp_path / "c.jsonl").stat().st_size < 2_000
    assert "messages[0].content[0].image_url.url" in other.reasons()[0]


def _large(handler):
    async def read(request):
        request._client_max_size = 1 << 30
        return await handler(request)

    return read


def test_a_bug_in_an_answer_ends_the_recording_and_is_not_green(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr("insideLLMs.proxy.recorder.kept_answer", broken)
    with pytest.raises(KeyError, match="a bug"):
        both(tmp_path / "c.jsonl", answer_json, ASKS["GET"])


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Origin: https://elsewhere.example", b" 403 "),
        ("Origin: http://127.0.0.1.elsewhere.example", b" 403 "),
        ("Origin: null", b" 403 "),
        ("Origin: http://localhost:3000", b" 200 "),
        ("Origin: http://127.0.0.1:8080", b" 200 "),
    ],
)
def test_a_page_from_elsewhere_gets_nothing_and_is_not_recorded(header, status, tmp_path):
    ask = asking("POST", "/openai/v1/x", "Content-Length: 2", header, body=b"{}")
    naming = asking("PUT", "/process/1", "Content-Length: 4", "Origin: https://elsewhere.example", body=b"name")
    first, second, verdict = both(tmp_path / "c.jsonl", answer_json, ASKS["GET"], ask, naming)
    assert status in first[1].splitlines()[0]
    assert status in second[1].splitlines()[0]
    assert b" 403 " in first[2].splitlines()[0]
    assert len([*read_wire_calls(tmp_path / "c.jsonl")]) == 1 + (status == b" 200 ")
    assert len(verdict.refused) == 1 + (status == b" 403 ")


def test_a_replay_of_a_subset_without_a_single_call_is_unverified(tmp_path):
    both(tmp_path / "c.jsonl", answer_json, ASKS["GET"])

    async def run():
        async with replaying(tmp_path / "c.jsonl") as (_, player):
            return player.verdict(subset=True)

    verdict = asyncio.run(run())
    assert not verdict.is_verified
    assert verdict.reasons() == ["the command made no call to a model"]


def connecting(target):
    async def ask(url):
        return await raw(url, f"CONNECT {target} HTTP/1.1\nHost: {{host}}")

    return ask


UNREADABLE = {
    "a WebSocket": asking("GET", "/openai/v1/realtime?model=m", "Connection: Upgrade", "Upgrade: websocket"),
    "a body that is not the gzip it says": asking(
        "POST", "/openai/v1/x", "Content-Length: 4", "Content-Encoding: gzip", body=b"abcd"
    ),
    "a proxy's CONNECT": connecting("api.openai.com:443"),
    "another provider": asking("GET", "/nowhere/v1/models"),
    "no provider": asking("GET", "/"),
    "a case and no provider": asking("GET", "/case/a"),
}


@pytest.mark.parametrize("ask", UNREADABLE.values(), ids=UNREADABLE)
def test_a_call_that_leads_nowhere_is_refused_and_makes_a_replay_unverified(ask, tmp_path):
    first, second, verdict = both(tmp_path / "c.jsonl", answer_json, ASKS["GET"], ask)
    assert first[1].startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"HTTP/1.1 404 "))
    assert without_date(first[1])[1] == without_date(second[1])[1]
    assert not verdict.is_verified
    assert len(verdict.refused) == 1


def test_keys_in_an_address_that_an_answer_names_are_not_kept(tmp_path):
    async def elsewhere(request):
        return web.Response(status=307, headers={"Location": "https://files.example/a?sig=SECRET-1234567&part=2"})

    _, second, _ = both(tmp_path / "c.jsonl", elsewhere, ASKS["GET"])
    assert b"location: https://files.example/a?part=2\r\n" in second[0]
    assert "SECRET" not in (tmp_path / "c.jsonl").read_text()


def test_calls_leave_by_the_proxy_of_the_users_environment(tmp_path, monkeypatch):
    seen = []

    async def as_a_proxy(request):
        seen.append(str(request.url))
        return web.json_response({})

    async def run():
        async with provider(as_a_proxy) as proxy, recording(tmp_path / "c.jsonl", "http://models.invalid") as url:
            monkeypatch.setenv("http_proxy", proxy)
            return await ASKS["GET"](url)

    assert b" 200 " in asyncio.run(run())
    assert seen == ["http://models.invalid/v1/models"]


def test_a_call_that_names_another_host_makes_a_replay_unverified(tmp_path):
    async def elsewhere(url):
        return await raw(url, "GET /openai/v1/models HTTP/1.1\nHost: api.openai.com")

    _, _, verdict = both(tmp_path / "c.jsonl", answer_json, ASKS["GET"], elsewhere)
    assert verdict.refused == ("this proxy answers only to 127.0.0.1 and localhost, and a call named another host",)
