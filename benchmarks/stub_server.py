"""The tests' OpenAI-compatible server as a process of its own, for benchmarks to ask."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_PROGRAM = Path(__file__).resolve().parents[1] / "tests" / "support" / "openai_server.py"


@contextlib.contextmanager
def stub_server(*options: str) -> Iterator[int]:
    """Start it with its own `options`, and yield its port."""
    command = [sys.executable, str(_PROGRAM), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()
