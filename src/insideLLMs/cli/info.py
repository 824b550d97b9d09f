"""`insidellms info`: one plug-in, or one run directory."""

import json
from pathlib import Path

import click

import insideLLMs
from insideLLMs.cli import console
from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ExitCode, UnknownPluginError
from insideLLMs.core.types import JsonValue, expand
from insideLLMs.store.sealed_run import SealedRun


@click.command("info")
@click.argument("name", metavar="NAME|RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(name: str, *, as_json: bool) -> int:
    """Describe a provider, probe or dataset format with its arguments, or a run directory."""
    facts = [_plain(expand(SealedRun.open(Path(name)).manifest))] if Path(name).is_dir() else _plugin_facts(name)
    if as_json:
        console.out_json(facts if len(facts) > 1 else facts[0])
        return ExitCode.OK
    for fact in facts:
        console.out(_told(fact))
    return ExitCode.OK


def _told(fact: dict[str, JsonValue]) -> str:
    if "arguments" in fact:
        arguments = "".join(f"\n  {argument}" for argument in fact["arguments"]) or " none"
        told = f"{fact['kind']} {fact['name']}, from {fact['origin']}\n\n{fact['doc']}\n\narguments:{arguments}"
        return f"{told}\n\nmeasured: {json.dumps(fact['measured'], indent=2)}" if "measured" in fact else told
    import yaml  # noqa: PLC0415 - only here

    plain = {key: value for key, value in fact.items() if value not in (None, {}, [], ())}
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)).rstrip()


def _plain(value: JsonValue) -> JsonValue:
    """Turn tuples into lists, which is what YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _measured(factory: object) -> dict[str, JsonValue]:
    """Read how well a scorer was measured to do, where the class names a file of the package that says so."""
    name = getattr(factory, "measurement", None)
    return {"measured": json.loads((Path(insideLLMs.__file__).parent / name).read_bytes())} if name else {}


def _plugin_facts(name: str) -> list[dict[str, JsonValue]]:
    import inspect  # noqa: PLC0415 - slow, and only here

    from insideLLMs import plugins  # noqa: PLC0415 - discovers installed packages

    registries = (plugins.model_registry, plugins.probe_registry, plugins.dataset_registry)
    facts = []
    for registry in registries:
        if name in registry:
            factory = registry.get_factory(name)
            signature = inspect.signature(factory)
            arguments = [str(parameter) for parameter in signature.parameters.values()]
            facts.append({**registry.info(name), "doc": inspect.getdoc(factory) or "", "arguments": arguments})
            facts[-1].update(_measured(factory))
    if not facts:
        names = sorted({known for registry in registries for known in registry.list()})
        near = nearest(name, names)
        hint = f"did you mean {near!r}?" if near else "see `insidellms list`"
        raise UnknownPluginError(f"{name!r} is not a plug-in or a run directory", fix=hint)
    return facts
