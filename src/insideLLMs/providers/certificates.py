"""The machine's certificates, read when a connection needs them.

aiohttp makes its two TLS contexts as it is imported, and each reads all certificates there are: 40 ms of CPU at
every start, also for a model on this machine that is reached without TLS.
"""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any


class _LateContext(ssl.SSLContext):
    """A context as any other, but that its certificates are still to be read: at its first connection."""

    def _read(self) -> None:
        self.__class__ = ssl.SSLContext  # type: ignore[assignment] # the same layout, and from now on no detour
        self.set_default_verify_paths()

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:  # ssl's own signature, passed on
        self._read()
        return self.wrap_bio(*args, **options)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:  # as above
        self._read()
        return self.wrap_socket(*args, **options)

    def get_ca_certs(self, *args: Any, **options: Any) -> Any:  # as above
        self._read()
        return self.get_ca_certs(*args, **options)

    def cert_store_stats(self) -> dict[str, int]:
        self._read()
        return self.cert_store_stats()


def _put_off(context: ssl.SSLContext) -> None:
    context.__class__ = _LateContext


@contextlib.contextmanager
def read_late() -> Iterator[None]:
    """Let the TLS contexts that are made within read the default certificates at their first connection."""
    ssl.SSLContext.set_default_verify_paths = _put_off  # type: ignore[method-assign, assignment] # hides the base class's
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths
