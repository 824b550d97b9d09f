"""A POST like one that was sent before: the same bytes on the same connections, and nothing of another call."""

import asyncio
import gzip

import pytest

from insideLLMs.core.errors import BadAnswerError, ConnectionFailedError
from insideLLMs.core.protocols import CallFacts, current_call
from insideLLMs.providers.codec import HttpAnswer, HttpCall
from insideLLMs.providers.transport import Transport, TransportOptions

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Notes each request with its connection's number, and answers with the next of `answers`, the last again."""

    def __init__(self, *answers):
        self.answers = list(answers) or [ANSWER]
        self.requests = []
        self.connections = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _talk(self, reader, writer):
        self.connections += 1
        number = self.connections
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().splitlines()[:-1]
                length = next(int(line.split(":")[1]) for line in lines if line.startswith("Content-Length"))
                self.requests.append((number, sorted(lines), await reader.readexactly(length)))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if not answer:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


def asked(server, *calls, **options):
    """Send calls one after the other, as the engine does; return answers and errors."""

    async def run():
        async with server:
            key = {"Authorization": "Bearer k", "X-Org": "Zoë"}
            transport = Transport(server.url, headers=key, options=TransportOptions(**options))
            found = []
            for call in calls:
                mark = current_call.set(CallFacts(limit_s=5.0))
                try:
                    found.append(await transport.send(call))
                except (BadAnswerError, ConnectionFailedError) as error:
                    found.append(error)
                finally:
                    current_call.reset(mark)
            await transport.aclose()
            return found

    return asyncio.run(run())


def post(body=b"{}", **fields):
    return HttpCall(path="/chat", body=body, **fields)


def test_what_is_sent_again_has_the_lines_of_the_first_and_its_own_body():
    server = Server()
    asked(server, post(b"12345"), post(b"67890"), post("{Zoë}".encode()))
    first, second, third = server.requests
    assert [one[2] for one in server.requests] == [b"12345", b"67890", "{Zoë}".encode()]
    assert second[1] == first[1]
    assert [line for line in third[1] if "Length" not in line] == [line for line in first[1] if "Length" not in line]
    assert server.connections == 1


def test_the_headers_of_one_call_alone_are_not_sent_again():
    server = Server()
    asked(server, post(headers={"Idempotency-Key": "one"}), post(), post(headers={"Idempotency-Key": "two"}), post())
    keys = [[line for line in lines if "Idempotency" in line] for _, lines, _ in server.requests]
    assert keys == [["Idempotency-Key: one"], [], ["Idempotency-Key: two"], []]


@pytest.mark.parametrize(
    "others",
    [
        [HttpCall(path="/other", body=b"{}")],
        [post(query={"page": "2"})],
        [HttpCall(path="/chat", service="upload", body=b"{}")],
        [HttpCall(path="/chat", method="PUT", body=b"{}")],
        [post(b"x" * 100_000)],
    ],
)
def test_calls_of_other_kinds_go_where_they_should(others):
    server = Server()
    asked(server, *others, post(), *others, post())
    lines = [(next(line for line in lines if "HTTP/1.1" in line), body) for _, lines, body in server.requests]
    assert lines[:2] == lines[2:]
    assert lines[1] == ("POST /v1/chat HTTP/1.1", b"{}")


def test_an_answer_that_says_wait_is_not_the_answer():
    wait = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    found = asked(Server(ANSWER, wait + wait + ANSWER), post(), post())
    assert [(one.status, one.body) for one in found] == [(200, b"{}"), (200, b"{}")]


def test_an_answer_is_read_from_chunks_and_compressed_as_the_first_is():
    packed = gzip.compress(b'{"a": 1}')
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    server = Server(answer)
    assert [one.body for one in asked(server, post(), post(), post())] == [b'{"a": 1}'] * 3
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionFailedError),
        (b"no http\r\n\r\n", BadAnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, BadAnswerError),
        (b"HTTP/1.1 307 No\r\nLocation: http://elsewhere\r\nContent-Length: 0\r\n\r\n", BadAnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", HttpAnswer),
    ],
)
def test_a_connection_that_ended_badly_or_is_to_be_closed_is_not_used_again(answer, error):
    server = Server(ANSWER, answer, ANSWER)
    found = asked(server, post(), post(), post(), max_body_bytes=1000)
    assert [type(one) for one in found] == [HttpAnswer, error, HttpAnswer]
    assert server.connections == 2
