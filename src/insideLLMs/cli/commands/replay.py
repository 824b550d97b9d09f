"""`insidellms replay`: run a command with its calls to models answered from a recording."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.commands.record import COMMAND, UNTIL_COMMAND, Declared, declarations
from insideLLMs.cli.options.report_files import write_files
from insideLLMs.cli.places import FILE, OUTPUT
from insideLLMs.core.errors import ExitCode


@click.command("replay", context_settings=UNTIL_COMMAND)
@COMMAND
@click.option("--from", "cassette", required=True, type=FILE, help="The cassette that `insidellms record` wrote.")
@click.option(
    "--subset",
    is_flag=True,
    help="When only a part of the tests runs: cases that make no call do not count as missing.",
)
@declarations
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON; the command's output goes to stderr.")
@click.option("--junit", type=OUTPUT, help="Also write a JUnit report.")
@console.common_options
def command(
    command_line: tuple[str, ...],
    *,
    cassette: Path,
    subset: bool,
    declared: Declared,
    as_json: bool,
    junit: Path | None,
) -> int:
    """Run COMMAND and answer its calls from a recording, without a connection or a key.

    The exit code is the command's own if every call was recorded and every recorded call was made. Otherwise the result
    is unverified, exit code 4, and each call without a recording is shown beside the nearest one.
    """
    from insideLLMs.proxy.junit import replay_junit  # noqa: PLC0415
    from insideLLMs.proxy.session import replay  # noqa: PLC0415 - slow

    verdict, code = replay(command_line, cassette, declared.head(), subset=subset, json=as_json)
    write_files([(junit, lambda out: out.write(replay_junit(verdict, code).encode()))])
    if as_json:
        console.out_json({**verdict.document(), "command_exit_code": code})
    for reason in verdict.reasons():
        console.note(reason)
    said = "verified" if verdict.is_verified else "UNVERIFIED"
    calls = f"{verdict.made:,} call{'s' if verdict.made != 1 else ''}"
    console.note(f"{said}: {calls} against {cassette}; the command ended with {code}")
    return code if verdict.is_verified else ExitCode.INCONCLUSIVE
