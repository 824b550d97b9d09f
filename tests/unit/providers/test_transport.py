"""The one HTTP transport: what becomes of every way in which a call can go wrong."""

import asyncio
import inspect
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions

from insideLLMs.core.errors import (
    BadAnswerError,
    ConnectionFailedError,
    ModelError,
    ModelTimeoutError,
    RequestRefusedError,
)
from insideLLMs.core.protocols import CallFacts, current_call
from insideLLMs.providers.addresses import bare_url
from insideLLMs.providers.codec import HttpAnswer, HttpCall
from insideLLMs.providers.rate_limits import retry_after_s
from insideLLMs.providers.transport import (
    UNSENDABLE,
    Transport,
    TransportOptions,
    translation,
)
from support.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.usefixtures("way")
OWN_CLOCK = pytest.mark.parametrize("way", ["by a session"], indirect=True)
"""Only a session has a clock of its own: whoever calls in the other way cuts the call off."""
SECRET = "sk-canary-0123456789abcdef"
CALL = HttpCall(path="/chat/completions", body=b'{"messages":[{"role":"user","content":"hello"}],"model":"m"}')


def post(base_url: str, call: HttpCall = CALL, *, options: TransportOptions | None = None) -> HttpAnswer:
    async def once() -> HttpAnswer:
        transport = Transport(
            base_url,
            headers={"Authorization": f"Bearer {SECRET}"},
            secrets=[SECRET],
            options=options or TransportOptions(),
        )
        try:
            return await transport.send(call)
        finally:
            await transport.aclose()

    return asyncio.run(once())


def test_an_answer_comes_back_whole_with_status_and_headers(openai_server: OpenAIServer) -> None:
    answer = post(openai_server.base_url)
    assert answer.status == 200
    assert b"echo: hello" in answer.body
    assert answer.headers["content-type"] == "application/json"
    assert openai_server.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("reset", ConnectionFailedError, "the connection broke"),
        ("short", BadAnswerError, "ends early"),
        ("huge", BadAnswerError, "longer than 16777216 bytes"),
        ("redirect", BadAnswerError, "redirects (307) to http://elsewhere.example/v1/chat"),
    ],
)
def test_each_fault_becomes_the_error_that_names_it(
    openai_server: OpenAIServer, kind: str, error: type[ModelError], words: str
) -> None:
    openai_server.faults = [Fault(kind=kind)]
    with pytest.raises(error) as caught:
        post(openai_server.base_url)
    assert type(caught.value) is error
    assert words in str(caught.value)
    assert caught.value.retryable
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_server_that_does_not_finish_in_time_is_a_timeout(openai_server: OpenAIServer, kind: str) -> None:
    openai_server.faults = [Fault(kind=kind)]
    with pytest.raises(ModelTimeoutError, match="no answer in time"):
        post(openai_server.base_url, options=TransportOptions(total_s=0.15))


@OWN_CLOCK
def test_a_caller_with_a_shorter_limit_keeps_the_time_and_a_longer_one_leaves_it_to_the_transport(
    openai_server: OpenAIServer,
) -> None:
    openai_server.latency_s = 0.2
    options = TransportOptions(total_s=0.05)
    assert called_within(0.05, lambda: post(openai_server.base_url, options=options)).status == 200
    with pytest.raises(ModelTimeoutError):
        called_within(1.0, lambda: post(openai_server.base_url, options=options))


def called_within(limit_s: float, call: Callable[[], HttpAnswer]) -> HttpAnswer:
    """Call as somebody does who says that the call will be cancelled after `limit_s`, and does not."""
    mark = current_call.set(CallFacts(limit_s=limit_s))
    try:
        return call()
    finally:
        current_call.reset(mark)


def test_a_body_without_a_declared_length_is_cut_off_at_the_limit() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(100):
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    with pytest.raises(BadAnswerError, match="longer than 300000 bytes"):
        against(talk, options=TransportOptions(max_body_bytes=300_000))


def test_what_is_no_http_is_a_bad_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 smtp.example ESMTP " + SECRET.encode() + b"\r\n")
        writer.close()

    with pytest.raises(BadAnswerError) as caught:
        against(talk)
    assert SECRET not in str(caught.value)


def test_a_refused_connection_names_the_place_and_not_the_key() -> None:
    with pytest.raises(ConnectionFailedError, match=r"cannot connect \(http://127.0.0.1:9/v1\)") as caught:
        post("http://127.0.0.1:9/v1?key=hush")
    assert "hush" not in str(caught.value)
    assert caught.value.fix is not None


@OWN_CLOCK
def test_a_connection_that_takes_too_long_names_the_limit_and_not_the_query(openai_server: OpenAIServer) -> None:
    openai_server.faults = [Fault(kind="hang")]
    with pytest.raises(ModelTimeoutError, match=r"the call took longer than 0\.1 s") as caught:
        post(openai_server.base_url + "?key=hush", options=TransportOptions(total_s=0.1))
    assert "hush" not in str(caught.value)


def test_plain_http_on_a_tls_port_is_a_failed_connection(openai_server: OpenAIServer) -> None:
    with pytest.raises(ConnectionFailedError):
        post(openai_server.base_url.replace("http:", "https:"))


def serve_tls(*, trusted: bool) -> int:
    """Make one call to a server whose certificate no authority signed; return the status."""
    pem = Path(__file__).parents[2] / "support" / "self_signed.pem"  # valid for localhost until 2126, for tests alone
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pem)
    client_side = ssl.create_default_context(cafile=pem) if trusted else None

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def run() -> int:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=server_side)
        base_url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        transport = Transport(base_url, headers={}, options=TransportOptions(ssl_context=client_side))
        try:
            return (await transport.send(CALL)).status
        finally:
            await transport.aclose()
            server.close()

    return asyncio.run(run())


def test_a_certificate_that_nobody_vouches_for_is_refused_with_advice() -> None:
    with pytest.raises(ConnectionFailedError, match="no safe connection") as caught:
        serve_tls(trusted=False)
    assert "SSL_CERT_FILE" in str(caught.value)


def test_a_private_authority_can_be_trusted() -> None:
    assert serve_tls(trusted=True) == 200


def test_proxies_of_the_environment_are_left_alone_unless_asked_for(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert post(openai_server.base_url).status == 200
    with pytest.raises(ConnectionFailedError):
        post(openai_server.base_url, options=TransportOptions(use_proxy_env=True))


def test_an_unknown_host_is_a_failed_connection() -> None:
    with pytest.raises(ConnectionFailedError, match=r"nowhere\.invalid"):
        post("http://nowhere.invalid/v1")


def test_a_key_that_the_server_quotes_is_blanked_out(openai_server: OpenAIServer) -> None:
    openai_server.require_key = "another"
    answer = post(openai_server.base_url)
    assert answer.status == 401
    assert SECRET.encode() not in answer.body
    assert b"[redacted]" in answer.body


def test_a_placeholder_key_is_no_secret(openai_server: OpenAIServer) -> None:
    async def once() -> HttpAnswer:
        transport = Transport(openai_server.base_url, headers={}, secrets=["", "echo"])
        try:
            return await transport.send(CALL)
        finally:
            await transport.aclose()

    assert b"echo: hello" in asyncio.run(once()).body


def test_neither_transport_nor_options_show_a_secret() -> None:
    transport = Transport("http://u:hunter2@h/v1?key=hush", headers={"Authorization": SECRET}, secrets=[SECRET])
    text = repr(transport) + str(transport) + repr(TransportOptions(ssl_context=ssl.create_default_context()))
    assert not any(secret in text for secret in (SECRET, "hunter2", "hush"))


def test_connections_are_pooled_and_follow_the_concurrency(openai_server: OpenAIServer) -> None:
    openai_server.latency_s = 0.02

    async def many() -> None:
        transport = Transport(openai_server.base_url, headers={})
        for _ in range(2):
            await asyncio.gather(*(transport.send(CALL) for _ in range(150)))
        await transport.aclose()

    asyncio.run(many())
    assert openai_server.requests == 300
    assert openai_server.most_in_flight > 100
    assert openai_server.connections <= 150


def test_one_transport_serves_loop_after_loop(openai_server: OpenAIServer) -> None:
    transport = Transport(openai_server.base_url, headers={})

    async def once() -> int:
        answer = await transport.send(CALL)
        await transport.aclose()
        return answer.status

    assert [asyncio.run(once()) for _ in range(3)] == [200, 200, 200]


def test_the_query_of_a_base_url_stays_behind_the_path(openai_server: OpenAIServer) -> None:
    answer = post(openai_server.base_url + "?api-version=2024", HttpCall(path="/nope", body=b"{}"))
    assert b"/v1/nope?api-version=2024" in answer.body


def foreign_exceptions() -> list[type[Exception]]:
    """List every exception class that aiohttp's client and its parser define."""
    found = {
        value
        for module in (client_exceptions, http_exceptions, aiohttp)
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
        and value.__module__.startswith("aiohttp")
    }
    server_side = {
        "aiohttp.web",
        "aiohttp.web_exceptions",
        "aiohttp.payload",
        "aiohttp.streams",
        "aiohttp.http_websocket",
    }
    return sorted((kind for kind in found if kind.__module__ not in server_side), key=lambda kind: kind.__name__)


# never raised by one POST without redirects and web sockets: they stay with the catch-all
NOT_FOR_US = {"ClientError", "WSMessageTypeError", "WebSocketError"}


@pytest.mark.parametrize("kind", foreign_exceptions(), ids=lambda kind: kind.__name__)
def test_every_exception_class_of_aiohttp_is_caught_and_mapped_by_name(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    if kind.__name__ in NOT_FOR_US:
        return
    assert isinstance(error, aiohttp.ClientError | http_exceptions.HttpProcessingError | OSError | ValueError)
    assert translation(error) is not UNSENDABLE


def test_socket_and_tls_errors_are_mapped() -> None:
    for error in (ConnectionResetError(), BrokenPipeError(), OSError(24, "Too many open files"), ssl.SSLError()):
        assert translation(error)[0] is ConnectionFailedError
    assert translation(TimeoutError())[0] is ModelTimeoutError
    assert translation(ValueError("Newline in header"))[0] is RequestRefusedError


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:10 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 10.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:27:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:10 GMT"}, 5.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers, now=1445412485.0) == wait_s


def test_retry_after_of_a_real_answer_is_carried(openai_server: OpenAIServer) -> None:
    openai_server.faults = [Fault(kind="429", retry_after="3")]
    assert post(openai_server.base_url).retry_after_s == 3.0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@api.example:8443/v1?key=x#y", "https://api.example:8443/v1"),
        ("http://[::1]:80/v1", "http://[::1]/v1"),
        ("not a url", ""),
        ("http://h:99999999/", ""),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_anything_secret(url: str, shown: str) -> None:
    assert bare_url(url) == shown


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


def against(talk: Talk, *, options: TransportOptions | None = None) -> HttpAnswer:
    """Post one call to a server that is just this coroutine."""

    async def run() -> HttpAnswer:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)  # type: ignore[arg-type]
        host, port = server.sockets[0].getsockname()[:2]
        transport = Transport(
            f"http://{host}:{port}", headers={}, secrets=[SECRET], options=options or TransportOptions()
        )
        try:
            return await transport.send(CALL)
        finally:
            await transport.aclose()
            server.close()

    return asyncio.run(run())


def test_cancelling_a_call_leaves_the_transport_usable(openai_server: OpenAIServer) -> None:
    openai_server.faults = [Fault(kind="hang")]

    async def run() -> int:
        transport = Transport(openai_server.base_url, headers={})
        call = asyncio.ensure_future(transport.send(CALL))
        while not openai_server.requests:  # noqa: ASYNC110 - another thread counts them
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        answer = await transport.send(CALL)
        await transport.aclose()
        return answer.status

    assert asyncio.run(run()) == 200
