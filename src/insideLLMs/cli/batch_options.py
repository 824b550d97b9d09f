"""Options of batches: how an experiment is read where a run begins, as one argument, `origin`."""

from typing import TYPE_CHECKING

import click
import msgspec

from insideLLMs.cli.option_group import Command, Given, option_group
from insideLLMs.cli.part_options import part_options
from insideLLMs.core.part import PartOptions

if TYPE_CHECKING:
    from insideLLMs.store.batch_log import Origin

_NAMED = ("repeats", "max_examples")


def origin_options(function: Command) -> Command:
    """Add the options that go over an experiment's settings, and those that select a part of it."""
    options = (
        click.option("--repeats", type=int, help="How often each example is asked."),
        click.option("--max-examples", type=int, help="Run a deterministic subset of this size."),
        click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. repeats=3."),
    )
    return part_options(option_group(function, "origin", options, _origin))


def _origin(given: Given) -> "Origin | None":
    """Return what is given, without a file; None where that is nothing."""
    from insideLLMs.cli.run import parse_settings  # noqa: PLC0415 - slow
    from insideLLMs.store.batch_log import Origin  # noqa: PLC0415

    part = given.pop("part")
    assert isinstance(part, PartOptions)
    named = {name: value for name in _NAMED if (value := given.pop(name)) is not None}
    pairs = given.pop("pairs")
    assert isinstance(pairs, tuple)
    settings = {**named, **parse_settings(pairs)}
    if not settings and part == PartOptions():
        return None
    return Origin(experiment="", overrides=settings, part=msgspec.to_builtins(part, enc_hook=str))
