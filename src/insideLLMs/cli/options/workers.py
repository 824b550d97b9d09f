"""Options that say where a run's models are asked: in several processes of this machine, or on a Ray cluster."""

import os
from pathlib import Path

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.options.group import Command, Given, NumberParam, option_group
from insideLLMs.core.errors import OptionError
from insideLLMs.core.ray_options import RayOptions
from insideLLMs.remote.url import RemoteUrl
from insideLLMs.store.sealed_run import MANIFEST, State, state_of
from insideLLMs.store.working_run import split_of

_EXECUTOR = (
    click.option(
        "--executor",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where the models are asked: in this process, or by workers on a Ray cluster.",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="With --executor ray: the cluster to use.  [default: $RAY_ADDRESS, or one on this machine]",
    ),
    click.option(
        "--ray-workers",
        type=int,
        help="With --executor ray: at most this many workers of each kind.  [default: what fits]",
    ),
)
_MOST_PROCESSES = 256


class _Processes(NumberParam):
    """A number of processes, or `auto` for that of the cores this process may use."""

    name = "processes"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "auto":
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        text = str(value)
        if not (text.isdecimal() and 1 <= int(text) <= _MOST_PROCESSES):
            self.fail(f"{text!r} is neither a number from 1 to {_MOST_PROCESSES} nor auto.", param, ctx)
        return int(text)


def processes_option(function: Command) -> Command:
    """Add `--processes`; the function gets the number."""
    told = "Run in N processes on this machine; auto: one per core."
    return click.option("--processes", type=_Processes(), default=1, metavar="N", help=told)(function)


def processes_to_use(wanted: int, resumed: Path | RemoteUrl | None) -> int:
    """Return in how many processes to run: a run that is resumed goes on in as many as it began with."""
    if resumed is None or (found := _split_of(resumed)) is None:
        return wanted
    if wanted not in {found, 1}:
        console.note(f"{resumed} goes on in {found} process{'es' if found > 1 else ''}, as it began")
    return found


def _split_of(place: Path | RemoteUrl) -> int | None:
    """Return in how many processes a run goes on; None where there is none, and 1 where it is sealed."""
    found = split_of(place)
    if found is not None:
        return found
    if isinstance(place, Path):
        return 1 if state_of(place) is State.SEALED else None
    from insideLLMs.remote.objects import Objects  # noqa: PLC0415 - only for a URL

    return 1 if Objects(place).get(MANIFEST) is not None else None


def executor_options(function: Command) -> Command:
    """Add the options of a cluster; the function gets them as one argument, `ray`."""
    return option_group(function, "ray", _EXECUTOR, _ray)


def _ray(given: Given) -> RayOptions | None:
    executor, address, workers = (given.pop(name) for name in ("executor", "ray_address", "ray_workers"))
    if executor == "ray":
        return RayOptions(address=msgspec.convert(address, str | None), workers=msgspec.convert(workers, int | None))
    if address is not None or workers is not None:
        raise OptionError("--ray-address and --ray-workers go with --executor ray", fix="add --executor ray")
    return None
