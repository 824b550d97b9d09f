"""The option that runs an experiment in several processes."""

import os
from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.group import Command, NumberParam
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.sealed_run import State, state_of
from insideLLMs.store.shard_folders import split_of

_MOST = 256


class _Processes(NumberParam):
    """A number of processes, or `auto` for that of the cores this process may use."""

    name = "processes"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "auto":
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        number: int = click.IntRange(1, _MOST).convert(value, param, ctx)  # type: ignore[arg-type] # text too
        return number


def processes_option(function: Command) -> Command:
    """Add `--processes`; the function gets the number."""
    told = "Run in N processes of this machine; auto: one per core."
    return click.option("--processes", type=_Processes(), default=1, metavar="N", help=told)(function)


def processes_to_use(wanted: int, resumed: Path | RemoteUrl | None) -> int:
    """Return in how many processes to run: a run that is resumed goes on in as many as it began with."""
    if not isinstance(resumed, Path) or state_of(resumed) not in {State.UNFINISHED, State.SEALED}:
        return wanted
    found = split_of(resumed) or 1
    if wanted not in {found, 1}:
        console.note(f"{resumed} goes on in {found} process{'es' if found > 1 else ''}, as it began")
    return found
