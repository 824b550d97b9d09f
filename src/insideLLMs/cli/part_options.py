"""Options that select a part of an experiment; the function gets them as one argument, `part`."""

from collections.abc import Callable
from pathlib import Path

import click

from insideLLMs.core.part import PartOptions

Command = Callable[..., int]
_SEVERAL = (
    ("--only", "only", "GLOB", "Run only the examples whose id fits, as 'billing-*'."),
    ("--tag", "tags", "TAG", "Run only the examples with this among their `tags`."),
    ("--probe", "probes", "ID", "Run only this probe."),
    ("--model", "models", "ID", "Run only this model."),
    ("--prompt", "prompts", "ID", "Run only this prompt."),
)


def part_options(function: Command) -> Command:
    """Add the options to a command."""

    def gathered(*args: object, **options: object) -> int:
        given = {name: options.pop(name) for name in PartOptions.__struct_fields__}
        return function(*args, part=PartOptions(**given), **options)  # type: ignore[arg-type] # as click typed them

    gathered.__doc__ = function.__doc__
    command: Command = gathered
    command.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined] # click's own
    failed = "Run only the examples and probes that did not pass in this run."
    command = click.option("--failed-in", metavar="RUN", type=click.Path(path_type=Path), help=failed)(command)
    for option, name, metavar, told in reversed(_SEVERAL):
        again = f"{told} May be given several times."
        command = click.option(option, name, multiple=True, metavar=metavar, help=again)(command)
    return command
