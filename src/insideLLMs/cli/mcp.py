"""`insidellms mcp`: the commands that a coding agent needs, over the Model Context Protocol on stdin and stdout."""

from importlib.util import find_spec
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError


@click.command("mcp")
@console.common_options
def command() -> int:
    """Serve run, validate, diff and explain to a coding agent, over stdin and stdout.

    It reads and writes in the folder that it is started in, and nowhere else. An experiment runs the Python files that
    it names; stored runs never do.
    """
    if find_spec("mcp") is None:
        raise InsideLLMsError("the server needs the MCP SDK", fix="pip install 'insidellms[mcp]'")
    from insideLLMs.cli.mcp_server import serve  # noqa: PLC0415 - slow, and of an extra

    serve(Path.cwd())
    return ExitCode.OK
