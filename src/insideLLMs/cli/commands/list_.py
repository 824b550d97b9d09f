"""`insidellms list`: what there is to use, and the runs of a folder."""

from pathlib import Path

import click

from insideLLMs.cli import console
from insideLLMs.cli.fitted_text import out_rows
from insideLLMs.cli.places import RUNS
from insideLLMs.core.errors import ExitCode
from insideLLMs.core.types import JsonValue, expand

KINDS = ("providers", "probes", "datasets", "importers", "runs")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--run-root", type=RUNS, default=Path("runs"), show_default=True, help="The folder of the runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(kind: str | None, *, run_root: Path, as_json: bool) -> int:
    """List providers, probes, datasets (built-in ones and formats), importers of logs, or runs.

    Without a name, list all but the runs.
    """
    kinds = (kind,) if kind else KINDS[:4]
    found = {name: _runs(run_root) if name == "runs" else _plugins(name) for name in kinds}
    if as_json:
        console.out_json(found)
        return ExitCode.OK
    for name, rows in found.items():
        console.out(f"{name}:")
        out_rows((str(row["name"]), str(row["about"])) for row in rows or [{"name": "none", "about": ""}])
    return ExitCode.OK


def _plugins(kind: str) -> list[dict[str, JsonValue]]:
    from insideLLMs import plugins  # noqa: PLC0415 - discovers installed packages

    registry = {
        "providers": plugins.model_registry,
        "probes": plugins.probe_registry,
        "datasets": plugins.dataset_registry,
        "importers": plugins.importer_registry,
    }[kind]
    rows = [{"name": name, "about": registry.info(name)["doc"]} for name in registry.list()]
    return [*_shipped(), *rows] if kind == "datasets" else rows


def _shipped() -> list[dict[str, JsonValue]]:
    from insideLLMs.datasets.installed import shipped_datasets  # noqa: PLC0415 - reads files

    return [
        {**expand(one), "about": f"{one.examples:>3} examples, {one.licence}, sha256 {one.sha256[:12]}: {one.about}"}
        for one in shipped_datasets()
    ]


def _runs(root: Path) -> list[dict[str, JsonValue]]:
    from insideLLMs.cli.commands.runs import answered  # noqa: PLC0415 - only here
    from insideLLMs.store.run_root import runs_below  # noqa: PLC0415

    found = runs_below(root) if root.is_dir() else ()
    return [{"name": str(run.path), "about": answered(run)} for run in found]
