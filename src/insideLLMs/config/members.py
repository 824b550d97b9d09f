"""Models and probes of an experiment: their entries checked against the plug-ins they name, and made Specs."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from insideLLMs.config.secrets import (
    gives_away,
    holds_secret,
    is_reference,
    is_secret_key,
    lacks,
    leaves,
    references,
    secret_arguments,
)
from insideLLMs.config.shape import Findings, suggestion
from insideLLMs.core.documents import FieldPath
from insideLLMs.core.errors import PluginError
from insideLLMs.core.experiment import ModelSpec, Resources
from insideLLMs.core.types import JsonValue
from insideLLMs.plugins import Factory, Registry, load_reference

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class ConfigEntry(msgspec.Struct, frozen=True):
    """One item of a list of the file, or the only one: where it stands and what it says."""

    path: FieldPath
    value: Mapping[str, JsonValue]

    def text(self, key: str) -> str | None:
        """Return the text under `key`, or None if there is none."""
        value = self.value.get(key)
        return value if isinstance(value, str) and value else None

    @property
    def args(self) -> dict[str, JsonValue]:
        """The entry's args; none if they are no mapping."""
        value = self.value.get("args")
        return dict(value) if isinstance(value, Mapping) else {}


def entries(raw: Mapping[str, JsonValue], noun: str, *, bare: str, within: FieldPath = ()) -> Iterator[ConfigEntry]:
    """Yield what stands under `noun` and its plural; text stands for an entry that has only the key `bare`."""
    found: list[tuple[FieldPath, JsonValue]] = [((*within, noun), raw[noun])] if noun in raw else []
    several = raw.get(f"{noun}s")
    if isinstance(several, list):
        found.extend(((*within, f"{noun}s", position), item) for position, item in enumerate(several))
    for path, item in found:
        if isinstance(item, str):
            yield ConfigEntry(path, {bare: item})
        elif isinstance(item, Mapping):
            yield ConfigEntry(path, item)


def check_alone(raw: Mapping[str, JsonValue], noun: str, findings: Findings) -> None:
    """Report `noun` beside its plural."""
    if noun in raw and f"{noun}s" in raw:
        findings.add((noun,), f"stands beside '{noun}s'", "write all of them as one list under the plural key")


def check_number(raw: Mapping[str, JsonValue], noun: str, findings: Findings) -> None:
    """Report `noun` beside its plural, and neither."""
    check_alone(raw, noun, findings)
    if noun not in raw and f"{noun}s" not in raw:
        findings.add((), f"has no {noun}", f"add '{noun}s:' with at least one entry")
    for key in (noun, f"{noun}s"):
        if key in raw and raw[key] is None:
            findings.add((key,), "is empty", f"write the {key} under it, indented by two blanks")


def model_id(entry: ConfigEntry) -> str | None:
    """Return the label of a model: its id, or ``type/model_name``, or its type."""
    name = entry.args.get("model_name")
    kind = short_type(entry.text("type"))
    return entry.text("id") or (f"{kind}/{name}" if kind and isinstance(name, str) and name else kind)


def probe_id(entry: ConfigEntry) -> str | None:
    """Return the label of a probe: its id or its type."""
    return entry.text("id") or short_type(entry.text("type"))


def short_type(kind: str | None) -> str | None:
    """Return a type without the file or module that a reference names."""
    return kind.rpartition(":")[2] if kind else None


def model_spec(entry: ConfigEntry) -> ModelSpec:
    """Make the Spec of a checked entry."""
    given = entry.value.get("resources")
    return ModelSpec(
        type=str(entry.value["type"]),
        id=str(model_id(entry)),
        args=entry.args,
        system=entry.text("system"),
        resources=None if given is None else msgspec.convert(given, Resources),
        reusable=bool(entry.value.get("reusable")),
    )


def check_ids(named: Sequence[tuple[ConfigEntry, str | None]], noun: str, findings: Findings) -> None:
    """Report labels that two entries share."""
    first: dict[str, ConfigEntry] = {}
    for entry, name in named:
        if name is None:
            continue
        if name in first:
            place = findings.place(first[name].path)
            where = f" (the other is at line {place[0]})" if place else ""
            findings.add(entry.path, f"is a second {noun} {name!r}{where}", "give one of them an 'id' of its own")
        first.setdefault(name, entry)


def find_factory(entry: ConfigEntry, key: str, registry: Registry, folder: Path, findings: Findings) -> Factory | None:
    """Return the plug-in that the entry names under `key`; report one that is unknown or does not load."""
    name = entry.text(key)
    if name is None:
        return None
    path = (*entry.path, key) if key in entry.value else entry.path
    if is_reference(name):
        findings.add(path, "may not come from the environment", "write the name of the plug-in")
        return None
    try:
        if ":" in name:
            return load_reference(name, folder=folder, what=f"{registry.kind} {name!r}")[0]
        if name not in registry:
            hint = _other_spelling(name, registry) or suggestion(name, registry.list())
            findings.add(path, f"there is no {registry.kind} {name!r}", hint)
            return None
        return registry.get_factory(name)
    except PluginError as error:
        spelt = _other_spelling(name, registry)
        findings.add(
            path,
            *((f"{name!r} is not how {registry.kind}s are written", spelt) if spelt else (error.message, error.fix)),
        )
        return None


def _other_spelling(name: str, registry: Registry) -> str | None:
    """Say how to write a model that is named as other tools name it: ``openai:gpt-4o-mini``, ``openai/gpt-4o-mini``."""
    kind, rest = (*re.split("[:/]", name, maxsplit=1), "")[:2]
    if not rest or kind not in registry or "model_name" not in inspect.signature(registry.get_factory(kind)).parameters:
        return None
    return f"write {{type: {kind}, args: {{model_name: {rest.rpartition(':')[2]}}}}}"


def check_args(
    entry: ConfigEntry,
    factory: Factory | None,
    findings: Findings,
    *,
    given: tuple[str, ...] = (),
    preset: tuple[str, ...] = (),
    shared: Mapping[str, JsonValue] | None = None,
) -> None:
    """Report arguments that the plug-in does not take, and those that it lacks.

    `given` are parameters that are filled in by us, `preset` those that its registration fills in, `shared` those
    under `generation` in the file.
    """
    shared = shared or {}
    if factory is None:
        return
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables in C have none
        return
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    named = [name for name, parameter in parameters.items() if parameter.kind in _NAMED and name not in given]
    named += ["of"] if "of" in entry.args and _takes_part(factory) else []
    for key in entry.args:
        if key not in named and not takes_any and not holds_secret(key, entry.args[key]):
            findings.add((*entry.path, "args", key), _not_taken(entry, key), suggestion(key, named))
    for key in shared:
        if key not in named and not takes_any:
            hint = suggestion(key, named) or "write it in the args of the models that take it"
            findings.add(("generation", key), f"model {model_id(entry)!r}: {_not_taken(entry, key)}", hint)
    for name in named:
        if (
            name in parameters
            and parameters[name].default is inspect.Parameter.empty
            and name not in {*entry.args, *shared, *preset}
        ):
            findings.add(entry.path, f"lacks the argument {name!r}", f"add 'args: {{{name}: ...}}'")


def _takes_part(factory: Factory) -> bool:
    from insideLLMs.probes.answer_parts import takes_part  # noqa: PLC0415 - most probes read no part

    return takes_part(factory)


def _not_taken(entry: ConfigEntry, key: str) -> str:
    return f"{entry.text('type') or entry.text('format') or 'the plug-in'!r} takes no argument {key!r}"


def check_secrets(entry: ConfigEntry, environ: Mapping[str, str], findings: Findings, *, strict: bool = True) -> None:
    """Report secrets in args, without showing them, and references that cannot be kept.

    Where not `strict`, only names that end in `key` count: a probe's `secret` may be the word it asks for.
    """
    for at in secret_arguments(entry.args.get("command")):
        findings.add(
            (*entry.path, "args", "command", at),
            "holds a secret, which no file may, and which others on this machine could see",
            "remove it, and name its variable under env, where the program reads it",
        )
    for path, value, referring in leaves(entry.args, (*entry.path, "args")):
        key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        if gives_away(path, value) and (strict or not is_secret_key(key) or key.lower().endswith("key")):
            findings.add(path, "holds a secret, which no file may", _where_secrets_go(entry))
        elif not referring and is_reference(value):
            findings.add(path, f"may not refer to the environment ({value})", "only headers, addresses and secrets may")
        elif referring and isinstance(value, str):
            for name in references(value):
                fault = lacks(name, environ)
                if fault is not None:
                    findings.add(path, fault, f"export {name}=...")


def _where_secrets_go(entry: ConfigEntry) -> str:
    kind = entry.text("type") or "the provider"
    variable = entry.args.get("api_key_env")
    named = variable if isinstance(variable, str) else f"{kind.upper()}_API_KEY" if kind.isidentifier() else "its key"
    return f"remove it and set it in the environment: {named}, or a variable written as ${{NAME}}"
