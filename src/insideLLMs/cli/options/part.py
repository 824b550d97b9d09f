"""Options that select a part of an experiment; the function gets them as one argument, `part`."""

import os

import click
import msgspec

from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.cli.places import RUN
from insideLLMs.core.part import PartOptions
from insideLLMs.core.shard import read_shard

_SEVERAL = (
    ("--only", "only", "GLOB", "Run only the examples whose id fits, e.g. 'billing-*'."),
    ("--tag", "tags", "TAG", "Run only the examples with this tag in their `tags`."),
    ("--probe", "probes", "ID", "Run only this probe."),
    ("--model", "models", "ID", "Run only this model."),
    ("--prompt", "prompts", "ID", "Run only this prompt."),
)


def part_options(function: Command) -> Command:
    """Add the options to a command."""
    several = (
        click.option(option, name, multiple=True, metavar=metavar, help=f"{told} May be given several times.")
        for option, name, metavar, told in _SEVERAL
    )
    failed = "Run only the examples and probes that did not pass in this run."
    failed_in = click.option("--failed-in", metavar="RUN", type=RUN, help=failed)
    shard = click.option(
        "--shard", metavar="I/N", help="Run only part I of N; auto: the scheduler's variables say which."
    )
    return option_group(function, "part", (*several, failed_in, shard), _part)


def _part(given: Given) -> PartOptions:
    shard = given.pop("shard")
    given["shard"] = read_shard(str(shard), os.environ) if shard is not None else None
    return msgspec.convert({name: given.pop(name) for name in PartOptions.__struct_fields__}, PartOptions)
