"""Options of batches: how an experiment is read where a run begins, and how a run asks in them."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from insideLLMs.cli import console
from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.cli.options.part import part_options
from insideLLMs.cli.options.settings import parse_settings
from insideLLMs.core.errors import OptionError
from insideLLMs.core.part import PartOptions

if TYPE_CHECKING:
    from insideLLMs.api.batches.run import BatchedRun
    from insideLLMs.store.batch_log import Origin

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_WAIT, _THEN = "24h", "stop"
_NAMED = ("repeats", "max_examples")


def origin_options(function: Command) -> Command:
    """Add the options that go over an experiment's settings, and those that select a part of it."""
    options = (
        click.option("--repeats", type=int, help="How many times each example is asked."),
        click.option("--max-examples", type=int, help="Run a deterministic subset of this size."),
        click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. repeats=3."),
    )
    return part_options(option_group(function, "origin", options, _origin))


def _origin(given: Given) -> "Origin | None":
    """Return what is given, without a file; None where that is nothing."""
    from insideLLMs.remote.copies import place_of  # noqa: PLC0415 - slow
    from insideLLMs.store.batch_log import Origin  # noqa: PLC0415

    part = given.pop("part")
    assert isinstance(part, PartOptions)
    named = {name: value for name in _NAMED if (value := given.pop(name)) is not None}
    pairs = given.pop("pairs")
    assert isinstance(pairs, tuple)
    settings = {**named, **parse_settings(pairs)}
    if not settings and part == PartOptions():
        return None
    return Origin(experiment="", overrides=settings, part=msgspec.to_builtins(part, enc_hook=place_of))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChoice:
    """That the providers' batch APIs are asked, how long to wait for them, and what then."""

    max_wait: str
    then: str

    def rounds(self, *, quiet: bool) -> "BatchedRun":
        """Return how such a run goes."""
        from insideLLMs.api.batches.run import BatchedRun  # noqa: PLC0415 - slow
        from insideLLMs.api.batches.waiting import BatchTerms  # noqa: PLC0415 - slow

        then: Literal["stop", "live"] = "live" if self.then == "live" else "stop"
        terms = BatchTerms(max_wait_s=parse_duration_s(self.max_wait), then=then)
        return BatchedRun(terms, _say_nothing if quiet else console.note, handle_signals=True)


def _say_nothing(text: str) -> None:
    """Leave progress out."""


def batch_options(function: Command) -> Command:
    """Add the options of a run in batches; the function gets them as one argument, `batch`: None without --batch."""
    options = (
        click.option(
            "--batch", "is_batch", is_flag=True, help="Ask in batches, at half the price: OpenAI, Anthropic, Gemini."
        ),
        click.option(
            "--max-wait", metavar="TIME", help="With --batch: how long to wait, e.g. 90s, 30m, 2h.  [default: 24h]"
        ),
        click.option(
            "--then",
            type=click.Choice(["stop", "live"]),
            help="With --batch, after that time: stop, or ask for the rest without a batch.  [default: stop]",
        ),
    )
    return option_group(function, "batch", options, _choice)


def _choice(given: Given) -> BatchChoice | None:
    is_batch, max_wait, then = given.pop("is_batch"), given.pop("max_wait"), given.pop("then")
    if not is_batch:
        if max_wait is not None or then is not None:
            raise OptionError("--max-wait and --then go with --batch", fix="add --batch, or leave them out")
        return None
    choice = BatchChoice(max_wait=str(_MAX_WAIT if max_wait is None else max_wait), then=str(then or _THEN))
    parse_duration_s(choice.max_wait)
    return choice


def parse_duration_s(text: str) -> float:
    """Return a time in seconds. Raises OptionError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if found is None:
        raise OptionError(f"--max-wait {text!r} is not a time", fix="write it as 90s, 30m, 2h or 1d")
    return float(found[1]) * _SECONDS[found[2]]
