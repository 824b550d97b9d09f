"""`insidellms view` as a user starts it, in a process that can be killed."""

import contextlib
import re

from support.command import started


@contextlib.contextmanager
def viewing(folder, *options):
    """Serve the runs of `folder`; yields the process, and the address that it prints."""
    server = started("view", ".", "--port", 0, *options, cwd=folder)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", server.stderr.readline())[0]
        yield server, address
    finally:
        server.kill()
        server.communicate()
