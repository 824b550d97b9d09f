"""Connections that are kept: whatever the answer and however it arrives, it is what a session reads."""

import asyncio
import contextlib
import gzip
import re
import ssl
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from insideLLMs.core.errors import BadAnswerError, ConnectionFailedError, ModelError
from insideLLMs.core.protocols import CallFacts, current_call
from insideLLMs.providers.codec import HttpCall
from insideLLMs.providers.lanes import PlainAnswer
from insideLLMs.providers.transport import Transport, TransportOptions

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CALL = HttpCall(path="/chat", body=b"{}")


class PieceServer:
    """Answers each request with the next of `answers`, a list of pieces; the last one is given again and again.

    None among the pieces closes the connection.
    """

    def __init__(self, *answers, tls=None):
        self.answers = list(answers)
        self.tls = tls
        self.connections = 0
        self.requests = 0
        self.ended = 0
        self._writers = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self.tls)
        name = "http://127.0.0.1" if self.tls is None else "https://localhost"
        self.url = f"{name}:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        while self.ended < self.connections:  # noqa: ASYNC110 - the connections count themselves
            await asyncio.sleep(0)

    async def _talk(self, reader, writer):
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
                self.requests += 1
                for piece in self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]:
                    if piece is None:
                        raise ConnectionError
                    writer.write(piece)
                    await writer.drain()
                    await turns(2)
        writer.close()
        await turns(5)
        self.ended += 1


async def turns(count):
    """Let the loop turn, so that what was sent arrives."""
    for _ in range(count):
        await asyncio.sleep(0)


async def sent(transport, call=CALL, *, plainly=True):
    """Return what a call came to: status, headers and body, or the error and its words."""
    mark = current_call.set(CallFacts(limit_s=60.0) if plainly else None)
    try:
        answer = await transport.send(call)
        return answer.status, sorted((name.lower(), value) for name, value in answer.headers.items()), answer.body
    except ModelError as error:
        return type(error), str(error).replace(transport.base_url, "URL")
    finally:
        current_call.reset(mark)


def asked(server, talk, **options):
    """Run `talk(transport)` against a server."""

    async def run():
        async with server:
            transport = Transport(server.url, headers={}, options=TransportOptions(**options))
            try:
                return await talk(transport)
            finally:
                await transport.aclose()

    return asyncio.run(run())


TEXT = st.sampled_from(["a", "application/json", "é", "a\tb", " padded ", "", "x" * 300])
HEADERS = st.lists(
    st.tuples(st.sampled_from(["X-Request-Id", "x-ratelimit-remaining", "Retry-After", "Set-Cookie"]), TEXT), max_size=4
)
BODIES = st.one_of(st.binary(max_size=60), st.just(b'{"choices": []}' * 30), st.just(b"data: {}\n\n"))
FRAMES = [
    "length",
    "chunked",
    "close",
    "length twice",
    "too short",
    "too long",
    "chunked and length",
    "Connection: close",
]


@st.composite
def answers(draw):
    """Draw the bytes of an answer in pieces, allowed and not, that may be cut off anywhere."""
    body, frame = draw(BODIES), draw(st.sampled_from(FRAMES))
    coding = draw(st.sampled_from(["", "", "", "gzip", "deflate", "identity", "odd"]))
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding, bytes)(body)
    lines = [f"{name}: {value}" for name, value in draw(HEADERS)]
    lines += [f"Content-Encoding: {coding}"] if coding else []
    lines += framing(frame, len(packed))
    if "chunked" in frame:
        cut = draw(st.integers(0, len(packed)))
        packed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (packed[:cut], packed[cut:]) if part)
        packed += b"0\r\n\r\n"
    status = draw(st.sampled_from(["200 OK", "200", "200 ", "200 Ça va", "201 Made", "204 None", "429 Wait", "099 No"]))
    version = draw(st.sampled_from(["HTTP/1.1"] * 4 + ["HTTP/1.0", "HTTP/2.0"]))
    end = draw(st.sampled_from(["\r\n"] * 5 + ["\n"]))
    early = draw(st.sampled_from(["", "", "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n", "HTTP/1.1 100 Go on\r\n\r\n"]))
    whole = (early + end.join([f"{version} {status}", *draw(st.permutations(lines)), "", ""])).encode() + packed
    if draw(st.integers(0, 4)) == 0:
        return in_pieces(draw, whole[: draw(st.integers(0, len(whole)))], ended=True)
    return in_pieces(draw, whole, ended=frame in {"close", "too long"} or draw(st.booleans()))


def framing(frame, length):
    """Return the headers that say how long an answer is."""
    told = {"too short": max(0, length - 1), "too long": length + 1}.get(frame, length)
    return {
        "close": [],
        "chunked": ["Transfer-Encoding: chunked"],
        "length twice": [f"Content-Length: {length}"] * 2,
        "chunked and length": ["Transfer-Encoding: chunked", f"Content-Length: {length}"],
        "Connection: close": ["Connection: close", f"Content-Length: {length}"],
    }.get(frame, [f"Content-Length: {told}"])


def in_pieces(draw, whole, *, ended):
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(whole) - 1)), max_size=3)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return [*(piece for piece in pieces if piece), *([None] if ended else [])]


@given(answers())
@example([PLAIN])
@example([PLAIN + PLAIN])
@example([PLAIN.replace(b"2\r\n\r\n", b"+2\r\n\r\n")])
@example([PLAIN.replace(b"Content-Type: ", b"Content-Type : ")])
@example([PLAIN.replace(b"application/json", b"a\r\n b")])
@example([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
@example([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 130 + b"Content-Length: 2\r\n\r\n{}"])
@example([b"HTTP/1.1 200 OK\r\nA: " + b"x" * 9000 + b"\r\nContent-Length: 2\r\n\r\n{}"])
@example([b"HTTP/1.1 200 OK\r\nSec-WebSocket-Key1: 1\r\nContent-Length: 2\r\n\r\n{}"])
@example([b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}"])
def test_an_answer_in_any_framing_and_pieces_is_what_a_session_reads(pieces):
    async def by_session(transport):
        async with asyncio.timeout(20):
            return await sent(transport, plainly=False)

    async def by_lane(transport):
        async with asyncio.timeout(20):
            assert (await sent(transport))[0] == 200
            return await sent(transport)

    found = asked(PieceServer(pieces), by_session), asked(PieceServer([PLAIN], pieces), by_lane)
    assert found[1] == found[0]


@pytest.mark.parametrize(
    "told",
    [
        PLAIN,
        PLAIN.replace(b"OK", b""),
        PLAIN.replace(b"application/json", b"text/event-stream"),
        PLAIN.replace(b": ", b":"),
        b"HTTP/1.1 200 OK\r\ndate: x\r\nX: \r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_what_most_servers_send_is_plain(told):
    assert PlainAnswer.of(told) is not None


CHUNKED = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"]
MIXED = [[PLAIN], [PLAIN], [PLAIN[:20], PLAIN[20:]], [PLAIN], CHUNKED, [PLAIN], CHUNKED, [PLAIN]]


def test_plain_answers_stay_on_one_connection_with_others_between_them():
    server = PieceServer(*MIXED)

    async def talk(transport):
        return [await sent(transport) for _ in range(9)]

    assert [(one[0], one[2]) for one in asked(server, talk)] == [(200, b"{}")] * 9
    assert server.connections == 1


def test_a_connection_is_kept_with_tls_as_without():
    pem = Path(__file__).parents[2] / "support" / "self_signed.pem"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    server = PieceServer(*MIXED, tls=tls)

    async def talk(transport):
        return [await sent(transport) for _ in range(9)]

    found = asked(server, talk, ssl_context=ssl.create_default_context(cafile=pem))
    assert [(one[0], one[2]) for one in found] == [(200, b"{}")] * 9
    assert server.connections == 1


def test_requests_that_fill_the_socket_are_sent_whole():
    server = PieceServer([PLAIN])
    call = HttpCall(path="/chat", body=b"x" * 64 * 1024)

    async def talk(transport):
        return await asyncio.gather(*(sent(transport, call) for _ in range(40)))

    assert [one[0] for one in asked(server, talk)] == [200] * 40
    assert server.requests == 40


@pytest.mark.parametrize("more", [[None], [b"HTTP/1.1 408 Too late\r\nContent-Length: 0\r\n\r\n"], [PLAIN, None]])
def test_a_kept_connection_that_was_closed_or_has_bytes_nobody_asked_for_is_not_used_again(more):
    server = PieceServer([PLAIN], [PLAIN, *more], [PLAIN])

    async def talk(transport):
        found = [await sent(transport), await sent(transport)]
        await turns(20)
        return [*found, await sent(transport), await sent(transport)]

    assert [one[0] for one in asked(server, talk)] == [200] * 4
    assert server.connections == 2


def test_a_call_whose_connection_closes_before_the_answer_is_sent_once_and_fails():
    server = PieceServer([PLAIN], [PLAIN], [None], [PLAIN])

    async def talk(transport):
        return [await sent(transport) for _ in range(4)]

    found = asked(server, talk)
    assert [one[0] for one in found] == [200, 200, ConnectionFailedError, 200]
    assert server.requests == 4


@pytest.mark.parametrize("begun", [[], [PLAIN[:-1]], [PLAIN[:10]]])
def test_a_call_that_is_cut_off_closes_its_connection(begun):
    server = PieceServer([PLAIN], [PLAIN], begun, [PLAIN])

    async def talk(transport):
        await sent(transport)
        await sent(transport)
        cut_off = asyncio.ensure_future(sent(transport))
        while server.requests < 3:  # noqa: ASYNC110 - the server counts them
            await asyncio.sleep(0)
        await turns(20)
        cut_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut_off
        return await sent(transport)

    assert asked(server, talk)[0] == 200
    assert server.connections == 2


def test_an_answer_that_comes_as_the_call_is_cut_off_closes_the_connection():
    server = PieceServer([PLAIN])

    async def talk(transport):
        await sent(transport)
        await sent(transport)
        (pool,) = transport._pools.values()
        lane = pool.idle.take()
        pool.idle.put(lane)
        cut_off = asyncio.ensure_future(sent(transport))
        await turns(1)
        cut_off.cancel()
        lane.data_received(PLAIN)
        with pytest.raises(asyncio.CancelledError):
            await cut_off
        assert not lane.is_open
        return await sent(transport)

    assert asked(server, talk)[0] == 200
    assert server.connections == 2


def test_a_connection_that_nobody_used_for_long_is_closed_and_not_used(monkeypatch):
    server = PieceServer([PLAIN])

    async def talk(transport):
        found = [await sent(transport), await sent(transport)]
        (pool,) = transport._pools.values()
        monkeypatch.setattr(pool.idle, "_keepalive_s", -1.0)
        return [*found, await sent(transport)]

    assert [one[0] for one in asked(server, talk)] == [200] * 3
    assert server.connections == 2


def test_the_times_of_a_call_on_a_kept_connection_are_noted():
    async def talk(transport):
        found = []
        for _ in range(3):
            facts = CallFacts(limit_s=60.0)
            mark = current_call.set(facts)
            await transport.send(CALL)
            current_call.reset(mark)
            found.append(facts)
        return found

    first, *kept = asked(PieceServer([PLAIN]), talk)
    assert first.connect_s > 0
    assert [one.first_byte_s > 0 for one in (first, *kept)] == [True] * 3
    assert kept[1].connect_s == 0


def test_an_answer_that_is_too_long_is_refused_whatever_its_framing():
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n"

    async def talk(transport):
        return [await sent(transport) for _ in range(4)]

    server = PieceServer([PLAIN], [PLAIN], [long, *[b"x" * 60_000] * 10], [PLAIN])
    found = asked(server, talk, max_body_bytes=300_000)
    assert [one[0] for one in found] == [200, 200, BadAnswerError, 200]


def test_closing_a_transport_closes_the_connections_that_it_kept():
    server = PieceServer([PLAIN])

    async def talk(transport):
        await sent(transport)
        await sent(transport)
        await transport.aclose()
        while server.ended < server.connections:  # noqa: ASYNC110 - the server counts them
            await asyncio.sleep(0)
        return await sent(transport)

    assert asked(server, talk)[0] == 200
    assert server.connections == 2
