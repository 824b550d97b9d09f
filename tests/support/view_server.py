"""`insidellms view` as a user starts it, in a process that can be killed."""

import contextlib
import re

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
