"""`insidellms view`: as a user starts it, in a process that can be killed, and in this process."""

import contextlib
import re
import threading

from insideLLMs.api.view.server import ViewServer
from support.command import started


@contextlib.contextmanager
def viewing(folder, *options, place="."):
    """Serve `place` in `folder`; yields the process, and the address that it prints."""
    server = started("view", place, "--port", 0, *options, cwd=folder)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/\S*", server.stderr.readline())[0]
        yield server, address
    finally:
        server.kill()
        server.communicate()


@contextlib.contextmanager
def serving(folder, **options):
    """Serve `folder` from this process; yields the ViewServer."""
    with ViewServer(folder, **options) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
