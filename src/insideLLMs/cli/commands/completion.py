"""`insidellms completion`: tab completion for the shell."""

import click
from click.shell_completion import get_completion_class

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@console.common_options
def command(shell: str) -> int:
    """Print the completion script of SHELL; e.g. add `eval "$(insidellms completion bash)"` to ~/.bashrc."""
    from insideLLMs.cli.main import cli  # noqa: PLC0415 - main imports this module by name

    found = get_completion_class(shell)
    assert found is not None
    console.out(found(cli, {}, "insidellms", "_INSIDELLMS_COMPLETE").source())
    return ExitCode.OK
