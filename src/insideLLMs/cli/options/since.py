"""Options of a run since another; the function gets them as one argument, `since`: None without --since."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.cli.options.gate import today
from insideLLMs.cli.options.group import Command, Given, option_group
from insideLLMs.cli.places import RUN
from insideLLMs.core.errors import OptionError
from insideLLMs.remote.url import RemoteUrl

if TYPE_CHECKING:
    from insideLLMs.api.since.rounds import RunSince


@dataclass(frozen=True, slots=True, kw_only=True)
class SinceChoice:
    """The run whose answers are reused, the share of them that is asked again, and the seed that draws it."""

    run: Path
    canary: float | None
    seed: str | None

    def check_apart(self, run_dir: Path | RemoteUrl | None) -> None:
        """Raise OptionError where the run would be written over the one that it is since."""
        from insideLLMs.remote.copies import place_of  # noqa: PLC0415 - few runs need it

        if run_dir is not None and place_of(run_dir) == place_of(self.run):
            raise OptionError(f"--run-dir and --since are one folder: {run_dir}", fix="choose another --run-dir")

    def rounds(self, *, resume: bool) -> "RunSince":
        """Return how such a run goes. Raises RunDirectoryError for a run whose answers cannot be reused."""
        from insideLLMs.api.since.baseline import open_baseline  # noqa: PLC0415 - slow
        from insideLLMs.api.since.rounds import RunSince, SinceOptions  # noqa: PLC0415 - slow

        baseline = open_baseline(self.run)
        options = SinceOptions(
            baseline=baseline, today=today(), say=console.note, canary=self.canary, seed=self.seed, resume=resume
        )
        return RunSince(options)


def since_options(function: Command) -> Command:
    """Add the options to a command."""
    options = (
        click.option(
            "--since",
            metavar="RUN",
            type=RUN,
            help="Ask only what is new since this run, or since the newest run of this pool.",
        ),
        click.option(
            "--canary",
            type=float,
            help="With --since: the share of old questions that is asked again.  [default: 0.02]",
        ),
        click.option(
            "--canary-seed", metavar="TEXT", help="With --since: the seed that draws them.  [default: the date]"
        ),
    )
    return option_group(function, "since", options, _choice)


def _choice(given: Given) -> SinceChoice | None:
    run, canary, seed = given.pop("since"), given.pop("canary"), given.pop("canary_seed")
    if run is None:
        if canary is not None or seed is not None:
            raise OptionError("--canary and --canary-seed go with --since", fix="add --since RUN")
        return None
    assert isinstance(run, Path)
    if canary is not None and not (isinstance(canary, float) and 0.0 <= canary <= 1.0):
        raise OptionError(f"--canary is {canary}; it is a share from 0 to 1", fix="e.g. --canary 0.05")
    try:
        str(seed).encode()
    except UnicodeEncodeError as error:
        raise OptionError("--canary-seed is not valid UTF-8", fix="give a text, e.g. a date") from error
    return SinceChoice(run=run, canary=canary, seed=None if seed is None else str(seed))
