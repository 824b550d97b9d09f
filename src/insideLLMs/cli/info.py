"""`insidellms info`: one plug-in, or one run directory."""

from pathlib import Path
from typing import Any

import click

from insideLLMs.cli import console
from insideLLMs.core.errors import ExitCode, UnknownPluginError
from insideLLMs.core.types import expand
from insideLLMs.store.directory import read_manifest


@click.command("info")
@click.argument("name", metavar="NAME|RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(name: str, *, as_json: bool) -> int:
    """Describe a provider, probe or dataset format with its arguments, or a run directory."""
    facts = [expand(read_manifest(Path(name)))] if Path(name).is_dir() else _plugin_facts(name)
    if as_json:
        console.out_json(facts if len(facts) > 1 else facts[0])
        return ExitCode.OK
    for fact in facts:
        for key, value in fact.items():
            console.out(f"{key}: {value}")
    return ExitCode.OK


def _plugin_facts(name: str) -> list[dict[str, Any]]:
    import inspect  # noqa: PLC0415 - slow, and only here

    from insideLLMs import plugins  # noqa: PLC0415 - discovers installed packages

    registries = (plugins.model_registry, plugins.probe_registry, plugins.dataset_registry)
    facts = []
    for registry in registries:
        if name in registry:
            signature = inspect.signature(registry.get_factory(name))
            arguments = [str(parameter) for parameter in signature.parameters.values()]
            facts.append({**registry.info(name), "arguments": arguments})
    if not facts:
        names = sorted({known for registry in registries for known in registry.list()})
        near = plugins.nearest(name, names)
        hint = f"did you mean {near!r}?" if near else "see `insidellms list`"
        raise UnknownPluginError(f"{name!r} is neither a plug-in nor a run directory", fix=hint)
    return facts
