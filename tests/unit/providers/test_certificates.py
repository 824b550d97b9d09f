"""The certificates that the machine names are those that a connection trusts."""

import subprocess
import sys
from pathlib import Path

PEM = Path(__file__).parents[2] / "support" / "self_signed.pem"
PROGRAM = """
import asyncio, ssl, sys
from insideLLMs.core.errors import ConnectionFailedError
from insideLLMs.providers.codec import HttpCall
from insideLLMs.providers.transport import Transport

async def talk(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    await writer.drain()
    writer.close()

async def main():
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=server_side)
    transport = Transport(f"https://localhost:{server.sockets[0].getsockname()[1]}", headers={})
    try:
        print((await transport.send(HttpCall(path="/", body=b"{}"))).status)
    except ConnectionFailedError:
        print("refused")
    await transport.aclose()
    server.close()

asyncio.run(main())
"""


def connect(tmp_path: Path, trusted: str) -> str:
    environ = {"SSL_CERT_FILE": trusted, "SSL_CERT_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(PEM)], env=environ, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def test_a_connection_trusts_the_bundle_that_ssl_cert_file_names(tmp_path: Path) -> None:
    assert connect(tmp_path, str(PEM)) == "200"


def test_a_connection_that_no_certificate_vouches_for_is_refused(tmp_path: Path) -> None:
    assert connect(tmp_path, str(tmp_path / "none.pem")) == "refused"
