"""`insidellms cache`: look at the response cache, and clear it out."""

import os

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, OptionError

_DAY_S = 86_400
_MEGABYTE = 1_000_000


@click.group("cache")
def command() -> None:
    """Show or prune the response cache that `run --cache` uses."""


@command.command("stats")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def stats(*, as_json: bool) -> int:
    """Show how many answers the cache has, from which models, how large and how old."""
    from insideLLMs.store.answers.cache import cache_path, read_stats  # noqa: PLC0415 - only here

    found = read_stats(cache_path(os.environ))
    if as_json:
        console.out_json({name: getattr(found, name) for name in found.__struct_fields__})
        return ExitCode.OK
    console.out(f"{found.path}: {found.answers:,} answers, {found.size_bytes / _MEGABYTE:.1f} MB")
    if found.oldest_s is not None and found.newest_s is not None:
        console.out(f"  {found.newest_s / _DAY_S:.1f} to {found.oldest_s / _DAY_S:.1f} days old")
    for model, count in found.models.items():
        console.out(f"  {count:>9,}  {model}")
    return ExitCode.OK


@command.command("prune")
@click.option("--older-than", "days", type=click.FloatRange(min=0), help="Remove answers older than this many days.")
@click.option("--model", help="Remove answers of this model only, by its label in `cache stats`.")
@click.option("--all", "everything", is_flag=True, help="Remove all answers.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def prune_(*, days: float | None, model: str | None, everything: bool, as_json: bool) -> int:
    """Remove answers by age, by model, or all of them."""
    from insideLLMs.store.answers.cache import cache_path, prune  # noqa: PLC0415 - only here

    if everything == (days is not None or model is not None):
        raise OptionError("prune needs --older-than, --model or both, or else --all")
    removed = prune(cache_path(os.environ), older_than_s=None if days is None else days * _DAY_S, model=model)
    if as_json:
        console.out_json({"removed": removed})
    else:
        console.out(f"removed {removed:,} answers")
    return ExitCode.OK
