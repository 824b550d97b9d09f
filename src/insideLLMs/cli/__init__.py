"""The command line, one module a command; ``main(argv)`` runs a command in this process and returns its exit code."""

from insideLLMs.cli.main import run_command as main

__all__ = ["main"]
