"""`insidellms mcp`: the commands that a coding agent needs, over the Model Context Protocol on stdin and stdout."""

from importlib.util import find_spec
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, InsideLLMsError


@click.command("mcp")
@console.common_options
def command() -> int:
    """Let a coding agent run, validate, diff and explain: an MCP server on stdin and stdout.

    It reads and writes only in the folder where it is started. An experiment runs the Python files that
    it names; stored runs never do.
    """
    if find_spec("mcp") is None:
        raise InsideLLMsError("the server needs the MCP SDK", fix="pip install 'insidellms[mcp]'")
    from insideLLMs.cli.mcp_server import serve  # noqa: PLC0415 - slow, and of an extra

    serve(Path.cwd())
    return ExitCode.OK
