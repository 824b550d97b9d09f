"""`insidellms record`: run a command behind a proxy that keeps its calls to models."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.places import LOCAL
from insideLLMs.core.errors import ExitCode

VOLATILE = click.option(
    "--volatile",
    metavar="PATH",
    multiple=True,
    help="A field of requests that differs each time, as a JSON path: $.metadata.run. Several may be given.",
)
VOLATILE_TEXT = click.option(
    "--volatile-text",
    metavar="PATTERN",
    multiple=True,
    help="A part of texts that differs each time: uuid, date, time, or a regular expression.",
)
VARIABLE = click.option(
    "--variable",
    "variables",
    metavar="NAME=UPSTREAM/PATH",
    multiple=True,
    help="Another variable with a base URL that the command reads, e.g. LLM_URL=openai/v1.",
)
UNTIL_COMMAND = {"allow_interspersed_args": False}
"""What follows the command's name is its own."""
COMMAND = click.argument("command_line", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)


@click.command("record", context_settings=UNTIL_COMMAND)
@COMMAND
@click.option("--to", "cassette", required=True, type=LOCAL, help="The cassette to write, e.g. calls.jsonl.")
@click.option(
    "--upstream",
    "upstreams",
    metavar="NAME=URL",
    multiple=True,
    help="Where calls go: openai=https://gateway.example.com/v1.  [default: the command's variables or the provider]",
)
@click.option("--resume", is_flag=True, help="Continue a recording that was stopped, without repeating its calls.")
@VOLATILE
@VOLATILE_TEXT
@VARIABLE
@console.common_options
def command(
    command_line: tuple[str, ...],
    *,
    cassette: Path,
    upstreams: tuple[str, ...],
    resume: bool,
    volatile: tuple[str, ...],
    volatile_text: tuple[str, ...],
    variables: tuple[str, ...],
) -> int:
    """Run COMMAND and record its calls to OpenAI, Anthropic, Gemini and others, with their answers.

    The command finds the recording proxy by OPENAI_BASE_URL, ANTHROPIC_BASE_URL, GOOGLE_GEMINI_BASE_URL and others; any
    URL below $INSIDELLMS_PROXY_URL/UPSTREAM/ works. Keys pass through and are written nowhere. The exit code is the
    command's own, or 1 if nothing could be recorded.
    """
    from insideLLMs.proxy.session import record  # noqa: PLC0415 - slow
    from insideLLMs.proxy.upstreams import parse_variables  # noqa: PLC0415
    from insideLLMs.store.wire_cassette import FORMAT, WireHead  # noqa: PLC0415

    head = WireHead(format=FORMAT, volatile=volatile, volatile_text=volatile_text, variables=parse_variables(variables))
    done = record(command_line, cassette, head, upstreams, resume=resume)
    for note in done.notes:
        console.warn(note)
    console.note(f"{done.calls:,} call{'s' if done.calls != 1 else ''} recorded in {cassette}")
    return done.exit_code or ExitCode.OK
