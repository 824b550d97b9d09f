"""`insidellms info`: one plug-in, or one run directory."""

import json
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union, get_args, get_origin

import click

import insideLLMs
from insideLLMs.cli import console
from insideLLMs.cli.fitted_text import out_prose
from insideLLMs.cli.plugin_names import completing
from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import ExitCode, UnknownPluginError
from insideLLMs.core.types import JsonValue, expand
from insideLLMs.store.remote.run import local_run
from insideLLMs.store.sealed_run import SealedRun

if TYPE_CHECKING:
    import inspect

_KINDS: dict[type, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


@click.command("info")
@click.argument("name", metavar="NAME|RUN", shell_complete=completing("provider", "probe", "dataset"))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@console.common_options
def command(name: str, *, as_json: bool) -> int:
    """Describe a provider, probe or dataset format with its arguments, or a run directory."""
    path = local_run(name)
    facts = [_plain(expand(SealedRun.open(path).manifest))] if path.is_dir() else _plugin_facts(name)
    if as_json:
        console.out_json(facts if len(facts) > 1 else facts[0])
        return ExitCode.OK
    for fact in facts:
        _show(fact)
    return ExitCode.OK


def _show(fact: dict[str, JsonValue]) -> None:
    if "arguments" in fact:
        out_prose(f"{fact['kind']} {fact['name']}, from {fact['origin']}\n\n{fact['doc']}")
        console.out("\narguments:" if fact["arguments"] else "\narguments: none")
        for argument in fact["arguments"]:
            console.out(f"  {argument}")
        if "measured" in fact:
            console.out(f"\nmeasured: {json.dumps(fact['measured'], indent=2)}")
        return
    import yaml  # noqa: PLC0415 - only here

    plain = {key: value for key, value in fact.items() if value not in (None, {}, [], ())}
    console.out(str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)).rstrip())


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
    from insideLLMs.datasets.rows import GIVEN_BY_NAME  # noqa: PLC0415

    registries = (
        plugins.model_registry,
        plugins.probe_registry,
        plugins.dataset_registry,
        plugins.importer_registry,
    )
    facts = []
    for registry in registries:
        if name in registry:
            factory = registry.get_factory(name)
            given = GIVEN_BY_NAME if registry is plugins.dataset_registry else ("experiment_folder",)
            parameters = inspect.signature(factory).parameters.values()
            arguments = [_argument(parameter) for parameter in parameters if parameter.name not in given]
            facts.append({**registry.info(name), "doc": inspect.getdoc(factory) or "", "arguments": arguments})
            facts[-1].update(_measured(factory))
    if not facts:
        names = sorted({known for registry in registries for known in registry.list()})
        near = nearest(name, names)
        hint = f"did you mean {near!r}?" if near else "see `insidellms list`"
        raise UnknownPluginError(f"{name!r} is not a plug-in or a run directory", fix=hint)
    return facts


def _argument(parameter: "inspect.Parameter") -> str:
    """Describe an argument as a user writes it."""
    if parameter.kind is parameter.VAR_KEYWORD:
        return "others, which are passed on"
    told = f"{parameter.name}: {_kind(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return f"{told} (required)"
    empty = parameter.default is None or parameter.default in ((), "")
    return told if empty else f"{told} (default: {json.dumps(parameter.default, default=str)})"


def _kind(annotation: object) -> str:
    """Name a type in the words of an experiment file."""
    inner = [one for one in get_args(annotation) if one not in (type(None), ...)]
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_kind, inner)))
    if origin is Literal:
        return " or ".join(map(str, inner))
    plain = origin or annotation
    if isinstance(plain, type) and issubclass(plain, Sequence) and plain is not str:
        return f"list of {_kind(inner[0])}" if inner else "list"
    if isinstance(plain, type) and issubclass(plain, Mapping):
        return "mapping"
    return _KINDS.get(plain, "any value") if isinstance(plain, type) else "any value"
