"""`insidellms record`: run a command behind a proxy that keeps its calls to models."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.cli.places import LOCAL
from insideLLMs.core.errors import ExitCode

if TYPE_CHECKING:
    from insideLLMs.store.answers.wire_cassette import WireHead


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a cassette is to declare."""

    volatile: tuple[str, ...]
    volatile_text: tuple[str, ...]
    variables: tuple[str, ...]

    def head(self) -> "WireHead":
        """Return it as the first line of a cassette. Raises OptionError."""
        from insideLLMs.proxy.upstreams import parse_variables  # noqa: PLC0415 - slow
        from insideLLMs.store.answers.wire_cassette import FORMAT, WireHead  # noqa: PLC0415

        variables = parse_variables(self.variables)
        return WireHead(format=FORMAT, volatile=self.volatile, volatile_text=self.volatile_text, variables=variables)


_VOLATILE = click.option(
    "--volatile",
    metavar="PATH",
    multiple=True,
    help="A field of requests that differs each time, as a JSON path: $.metadata.run. May be given several times.",
)
_VOLATILE_TEXT = click.option(
    "--volatile-text",
    metavar="PATTERN",
    multiple=True,
    help="A part of texts that differs each time: uuid, date, time, or a regular expression.",
)
_VARIABLE = click.option(
    "--variable",
    "variables",
    metavar="NAME=UPSTREAM/PATH",
    multiple=True,
    help="Another variable with a base URL that the command reads, e.g. LLM_URL=openai/v1.",
)
UNTIL_COMMAND = {"allow_interspersed_args": False}
"""What follows the command's name is its own."""
COMMAND = click.argument("command_line", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)


def declarations(function: Command) -> Command:
    """Add the options that say what a cassette declares; the command gets them as `declared`."""

    def gather(given: Given) -> Declared:
        return Declared(**{name: given.pop(name) for name in ("volatile", "volatile_text", "variables")})  # type: ignore[arg-type] # click's

    return option_group(function, "declared", (_VOLATILE, _VOLATILE_TEXT, _VARIABLE), gather)


@click.command("record", context_settings=UNTIL_COMMAND)
@COMMAND
@click.option("--to", "cassette", required=True, type=LOCAL, help="The cassette to write, e.g. calls.jsonl.")
@click.option(
    "--upstream",
    "upstreams",
    metavar="NAME=URL",
    multiple=True,
    help="The address that calls go to, e.g. openai=https://gateway.example.com/v1.  "
    "[default: the command's variables or the provider]",
)
@click.option("--resume", is_flag=True, help="Continue a recording that was stopped, without repeating its calls.")
@click.option("--keep-failed", is_flag=True, help="Replace the cassette even if COMMAND fails.")
@declarations
@console.common_options
def command(
    command_line: tuple[str, ...],
    *,
    cassette: Path,
    upstreams: tuple[str, ...],
    resume: bool,
    keep_failed: bool,
    declared: Declared,
) -> int:
    """Run COMMAND and record its calls to OpenAI, Anthropic, Gemini and others, with their answers.

    The command finds the recording proxy by OPENAI_BASE_URL, ANTHROPIC_BASE_URL, GOOGLE_GEMINI_BASE_URL and others; any
    URL below $INSIDELLMS_PROXY_URL/UPSTREAM/ works. Keys pass through and are written nowhere. The exit code is the
    command's own, or 1 if nothing could be recorded. If COMMAND fails, a cassette that is there stays as it was.
    """
    from insideLLMs.proxy.session import record  # noqa: PLC0415 - slow

    done = record(command_line, cassette, declared.head(), upstreams, resume=resume, keep_failed=keep_failed)
    for note in done.notes:
        console.warn(note)
    if done.written:
        console.note(f"{done.calls:,} call{'s' if done.calls != 1 else ''} recorded in {cassette}")
    return done.exit_code or ExitCode.OK
