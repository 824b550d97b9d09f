"""Options that say where a run's models are asked; the function gets them as one argument, `ray`."""

import click
import msgspec

from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.core.errors import ConfigError, Problem
from insideLLMs.core.ray_options import RayOptions

_OPTIONS = (
    click.option(
        "--executor",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Ask the models in this process, or by workers on a Ray cluster.",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="With --executor ray: the cluster to use.  [default: $RAY_ADDRESS, or one on this machine]",
    ),
    click.option(
        "--ray-workers", type=int, help="With --executor ray: the most workers of each kind.  [default: what fits]"
    ),
)


def executor_options(function: Command) -> Command:
    """Add the options to a command."""
    return option_group(function, "ray", _OPTIONS, _ray)


def _ray(given: Given) -> RayOptions | None:
    executor, address, workers = (given.pop(name) for name in ("executor", "ray_address", "ray_workers"))
    if executor == "ray":
        return RayOptions(address=msgspec.convert(address, str | None), workers=msgspec.convert(workers, int | None))
    if address is not None or workers is not None:
        raise ConfigError([Problem("--ray-address and --ray-workers go with --executor ray")], fix="add --executor ray")
    return None
