"""Tells `insidellms record` and `replay` which test this process runs: its calls to models are then of that case."""

import contextlib
import http.client
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

_TIMEOUT_S = 10.0


@contextlib.contextmanager
def named_case(proxy_url: str, name: str) -> Iterator[None]:
    """Let the calls of this process, and of those that it starts, be of a case while the block lasts."""
    _name(proxy_url, name)
    try:
        yield
    finally:
        _name(proxy_url, "")


def _name(proxy_url: str, name: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(proxy_url).netloc, timeout=_TIMEOUT_S)
    with contextlib.closing(connection), contextlib.suppress(OSError):  # without a proxy there are no calls to name
        connection.request("PUT", f"/process/{os.getpid()}", name.encode())
        connection.getresponse().read()
