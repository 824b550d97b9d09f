"""The command `insidellms`: a group whose commands are imported only when they are called."""

import contextlib
import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from gettext import gettext
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from insideLLMs import __version__
from insideLLMs.cli import console
from insideLLMs.cli.earlier_spellings import modern
from insideLLMs.core.errors import ExitCode, InsideLLMsError

GROUPS = {
    "Run an experiment": {
        "init": ("init", "Write a small experiment to start from."),
        "validate": ("validate", "Check an experiment file or a run directory."),
        "run": ("run", "Run an experiment and store its run directory."),
        "report": ("report", "Show a run, or write its HTML page again."),
        "view": ("view", "Show a folder of runs in the browser, live."),
        "quicktest": ("quicktest", "Ask a model one prompt."),
        "harness": ("run", "The same as run."),
    },
    "Compare, and gate": {
        "diff": ("diff", "Compare two runs, and pass or fail."),
        "blame": ("blame", "Find the change that made a comparison red."),
        "audit": ("audit", "Show what the gate of a run would miss."),
        "compare": ("compare", "Compare the models and prompts of one run."),
        "baseline": ("baseline", "Keep a pool of accepted baseline runs."),
        "noise": ("noise", "Measure how much unchanged runs differ."),
        "trend": ("trend", "Show how results changed over several runs."),
        "watch": ("watch", "Warn when runs slowly get worse than a pool."),
        "comment": ("comment", "Write a report as a comment on its pull request."),
    },
    "Your application, traffic and people": {
        "record": ("record", "Record the model calls that a command makes."),
        "replay": ("replay", "Run a command on recorded answers to its calls."),
        "sample": ("sample", "Draw examples from production traces."),
        "import": ("import_", "Turn logs, tables and experiments of other tools into ours."),
        "labels": ("labels", "Show, merge and export people's labels of answers."),
    },
    "Work with stored runs": {
        "runs": ("runs", "List the runs of a folder, and remove old ones."),
        "rescore": ("rescore", "Score stored answers with other probes."),
        "export": ("export", "Write a run's records as CSV, JSONL or Parquet."),
        "merge": ("merge", "Merge the shards of a run into one run."),
        "batch": ("batch", "Write requests to a batch file, and read the answers."),
        "verify": ("verify", "Check that no file of a run was changed, and who signed it."),
        "sign": ("sign", "Sign a run directory."),
        "prove": ("prove", "Show one example's records of a run without the rest."),
        "verify-proof": ("verify_proof", "Check such records without the run."),
    },
    "Look around, and set up": {
        "list": ("list_", "List providers, probes, dataset formats, or runs."),
        "info": ("info", "Describe one plug-in, or a run directory."),
        "schema": ("schema", "Print a JSON Schema of a file that insideLLMs reads or writes."),
        "doctor": ("doctor", "Check this installation: extras, weights, keys."),
        "new": ("new", "Write a probe to start from."),
        "model": ("model", "Download and list embedded models."),
        "cache": ("cache", "Show or prune the response cache."),
        "mcp": ("mcp", "Let a coding agent run, validate, diff and explain."),
        "completion": ("completion", "Print the shell's completion script."),
    },
}
"""The commands by what they are for: the module of each, and its line in `--help`."""

COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_YOUNG_OBJECTS = 200_000
"""Between looks for cycles, of which few are made: one look among what starting a run leaves takes 12 to 30 ms."""


class LazyGroup(click.Group):
    """Knows its commands by name and one line, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"insideLLMs.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an exit within it is none of ours, while that of a shell's completion is."""
        try:
            return super().invoke(ctx)
        except SystemExit as error:
            from insideLLMs.core.user_code import exit_by_others  # noqa: PLC0415 - hardly ever

            raise exit_by_others(error) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from insideLLMs.core.arguments import nearest  # noqa: PLC0415 - only for a misspelt command

            near = nearest(args[0], list(COMMANDS))
            hint = f" Did you mean '{near}'?" if near else ""
            ctx.fail(gettext("No such command '{name}'.").format(name=args[0]) + hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(len(max(COMMANDS, key=len))), text) for name, (_, text) in commands.items()]
                )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="insidellms")
def cli() -> None:
    """git diff and pytest for the behaviour of language models.

    Exit codes: 0 done and gate passed; 1 error, the message says how to fix it; 2 wrong usage or a bug;
    3 the gate failed; 4 the comparison is inconclusive; 130 interrupted.
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with an ExitCode.

    The process ends at once, without the interpreter's own clean-up: everything is stored and closed by then,
    and neither a thread of user code that hangs nor one of a native model can delay or crash the end.
    """
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
    console.open_outputs()
    code = run_command(argv)
    with contextlib.suppress(BrokenPipeError):  # a reader that has gone does not want the rest
        try:
            sys.stdout.flush()
        except OSError as error:
            code = _say(console.unwritable(error))
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def run_command(argv: Sequence[str] | None = None) -> int:
    """Run the command in this process, as ``insideLLMs.cli.main(["diff", "a", "b"])``, and return its exit code.

    In a notebook, whose thread runs an event loop, it runs on a thread of its own.
    """
    if "asyncio" not in sys.modules:  # which takes 40 ms, and who runs a loop has it
        return _run(argv)
    import asyncio  # noqa: PLC0415

    from insideLLMs.core.run_blocking import is_in_loop, run_blocking  # noqa: PLC0415

    return run_blocking(asyncio.to_thread(_run, argv)) if is_in_loop() else _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    try:
        args, notes = modern(sys.argv[1:] if argv is None else argv)
        for note in notes:
            console.note(f"note: {note}")
        result = cli.main(args, standalone_mode=False, prog_name="insidellms")
        return int(result) if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.ClickException, click.Abort, InsideLLMsError, KeyboardInterrupt, OSError) as error:
        return _say(error)
    except Exception as error:  # noqa: BLE001 - the one place where a bug ends: as exit code 2, with a way to report it
        console.bug(error)
        return ExitCode.UNEXPECTED


def _say(error: BaseException) -> ExitCode:
    match error:
        case click.ClickException():
            said = io.StringIO()
            error.show(said)
            console.note(said.getvalue().rstrip() + _hint(error))
            return ExitCode.UNEXPECTED
        case InsideLLMsError():
            console.error(error)
            return error.exit_code
        case OSError():
            return _say(_of_the_system(error))
        case _:
            console.note("interrupted")
            return ExitCode.INTERRUPTED


def _hint(error: click.ClickException) -> str:
    if not isinstance(error, click.UsageError):
        return ""
    from insideLLMs.cli.options.settings import hint_on_quotes  # noqa: PLC0415 - only for a mistake

    return hint_on_quotes(error)


def _of_the_system(error: OSError) -> InsideLLMsError:
    """Put into words what the system refused: a name that is too long, a folder that may not be entered."""
    try:
        Path.cwd()
    except OSError:
        return InsideLLMsError("the working folder is gone: it was removed or renamed", fix="cd to one that is there")
    if error.filename is None:
        return console.unwritable(error) if error.errno in _NO_ROOM else InsideLLMsError(f"the system says: {error}")
    return InsideLLMsError(
        f"{os.fsdecode(error.filename)}: {error.strerror}", fix="check its name, its permissions, and the disk"
    )


if __name__ == "__main__":
    main()
