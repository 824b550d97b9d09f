"""Whom a command may ask on behalf of stored runs: what the user's experiment names, or runs that the user trusts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from insideLLMs.cli import console
from insideLLMs.core.errors import OptionError

if TYPE_CHECKING:
    from insideLLMs.api.trusted_runs import TrustedExperiment
    from insideLLMs.store.sealed_run import SealedRun


def trusted_sides(
    runs: "tuple[SealedRun, SealedRun]", why: str, files: Sequence[Path], folder: Path | None, *, trust_run: bool
) -> "tuple[TrustedExperiment, TrustedExperiment]":
    """Return what may be asked of both runs; `why` says for what. Raises OptionError."""
    from insideLLMs.api.trusted_runs import as_stored, named_by_user  # noqa: PLC0415 - slow

    if not (files or trust_run):
        raise OptionError(
            f"{why}, and stored runs may be somebody else's",
            fix="name your experiment: --experiment FILE; or add --trust-run if you trust both runs",
        )
    first, second = (
        as_stored(run, folder, console.note) if trust_run else named_by_user(run, files, folder) for run in runs
    )
    return first, second
