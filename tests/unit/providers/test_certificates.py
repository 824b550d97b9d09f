"""Certificates are read late, and then they are those that would have been read early."""

import json
import subprocess
import sys
from pathlib import Path

from support.openai_server import OpenAIServer

PEM = Path(__file__).parents[2] / "support" / "self_signed.pem"
PROGRAM = """
import asyncio, json, ssl, sys
from insideLLMs.core.errors import ConnectionFailedError
from insideLLMs.providers.codec import HttpCall
from insideLLMs.providers.transport import Transport
import aiohttp.connector

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
    default = aiohttp.connector._SSL_CONTEXT_VERIFIED
    told = {"early": type(default) is ssl.SSLContext, "others": ssl.create_default_context().cert_store_stats()["x509"]}
    try:
        told["status"] = (await transport.post(HttpCall(path="/", body=b"{}"))).status
    except ConnectionFailedError:
        told["status"] = "refused"
    told["late"] = type(default) is ssl.SSLContext
    told["read"] = default.cert_store_stats()["x509"]
    await transport.aclose()
    server.close()
    print(json.dumps(told))

asyncio.run(main())
"""


def connect(tmp_path: Path, trusted: str) -> dict[str, object]:
    environ = {"SSL_CERT_FILE": trusted, "SSL_CERT_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(PEM)], env=environ, capture_output=True, text=True, check=True
    )
    told: dict[str, object] = json.loads(ran.stdout)
    return told


def test_a_connection_trusts_the_machines_certificates_though_they_are_read_late(tmp_path: Path) -> None:
    assert connect(tmp_path, str(PEM)) == {"early": False, "others": 1, "status": 200, "late": True, "read": 1}


def test_a_connection_that_no_certificate_vouches_for_is_refused(tmp_path: Path) -> None:
    told = connect(tmp_path, str(tmp_path / "none.pem"))
    assert told == {"early": False, "others": 0, "status": "refused", "late": True, "read": 0}


def test_without_tls_no_certificate_is_read(openai_server: OpenAIServer) -> None:
    program = (
        "import ssl, sys\nfrom insideLLMs import OpenAIModel\n"
        "print(OpenAIModel('m', base_url=sys.argv[1]).generate('hello'))\n"
        "import aiohttp.connector\nassert type(aiohttp.connector._SSL_CONTEXT_VERIFIED) is not ssl.SSLContext\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, openai_server.base_url], capture_output=True, text=True, check=False
    )
    assert ran.stdout == "echo: hello\n", ran.stderr
