"""The models, probes and judges that specs name: made from their plug-ins, and told apart by their identities."""

import copy
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import msgspec

from insideLLMs.config.secrets import expand_references
from insideLLMs.core.errors import ConfigError, ModelUnavailableError, Problem
from insideLLMs.core.experiment import ModelSpec, Spec
from insideLLMs.core.protocols import AsyncModel, JudgedProbe, LocalModel, Probe
from insideLLMs.core.template import template_of
from insideLLMs.core.types import JsonValue
from insideLLMs.core.user_code import UserCodeError, calling_user_code
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.adapt import as_async_model
from insideLLMs.execute.work import Judges, ReadyModel
from insideLLMs.plan import describe, model_digest
from insideLLMs.plugins import Registry, load_reference, model_registry, probe_registry

_APPLICATIONS = ("callable", "exec", "http", "mcp", "served")


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where models are made: beside which files, on which threads, and what a cassette tells of their machine."""

    folder: Path
    threads: AbandonableThreads
    recorded: Mapping[str, Mapping[str, JsonValue]] | None = None


def _identity(model: AsyncModel, recorded: Mapping[str, Mapping[str, JsonValue]] | None) -> Mapping[str, JsonValue]:
    """Return what identifies a model; in a replay, a local model's on the machine that recorded it."""
    if recorded is None or not isinstance(model, LocalModel):
        return model.identity()
    facts = recorded.get(model.origin())
    if facts is not None:
        model.assume(facts)
    try:
        return model.identity()
    except ModelUnavailableError as error:
        raise ModelUnavailableError(
            f"{error.message}, and the cassette does not say which weights it was recorded with",
            fix=f"record it again with --record; or, to replay it here: {error.fix}",
        ) from error


def ready_model(spec: ModelSpec, ready: Any, site: Site) -> tuple[ReadyModel, dict[str, JsonValue]]:
    """Make a model of the run, or take the `ready` one; return with it what defines it."""
    model = as_async_model(make_model(spec, site.folder) if ready is None else ready, site.threads)
    identity = {"type": public_type(spec), **_identity(model, site.recorded), **_code_digest(spec, site.folder)}
    system = None if spec.system is None else template_of(spec.system, "system")
    reusable = spec.reusable or not has_hidden_inputs(spec, model)
    return ReadyModel(
        model=model, system=system, digest=model_digest(identity, spec.system), reusable=reusable
    ), identity


def has_hidden_inputs(spec: ModelSpec, model: AsyncModel) -> bool:
    """Whether more may decide its answers than its identity and what it is sent.

    So it is of users' own code, of commands, of endpoints that may be a whole application, and of what the environment
    sets and may not be written.
    """
    is_ours = type(model).__module__.startswith("insideLLMs.providers.") and spec.type not in _APPLICATIONS
    return not is_ours or bool(private_settings(model))


def private_settings(model: object) -> tuple[str, ...]:
    """Return what tells a model from others and may not be written; most have nothing of the kind."""
    settings: Callable[[], tuple[str, ...]] = getattr(model, "private_settings", tuple)
    return settings()


def make_judges(probes: Mapping[str, Probe], site: Site) -> tuple[Judges, dict[str, dict[str, JsonValue]]]:
    """Make the models that probes ask to score or run; return with them what they add to each probe's identity."""
    judges: dict[str, dict[str, ReadyModel]] = {}
    identities: dict[str, dict[str, JsonValue]] = {name: {} for name in probes}
    for probe_id, probe in probes.items():
        for key, named in _named_models(probe).items():
            made = {name: _judge(name, one, site) for name, one in named.items()}
            judges.setdefault(probe_id, {}).update({name: ready for name, (ready, _) in made.items()})
            identities[probe_id][key] = {name: identity for name, (_, identity) in made.items()}
    return judges, identities


def _named_models(probe: Probe) -> dict[str, dict[str, Any]]:
    """Return the models that a probe asks: its own, where it has any, and its judges."""
    own_models = getattr(probe, "own_models", dict)
    with calling_user_code(f"{probe.name}.own_models()"):
        own = dict(own_models())
    named = {"models": own} if own else {}
    if isinstance(probe, JudgedProbe):
        with calling_user_code(f"{probe.name}.judge_models()"):
            named["judges"] = dict(probe.judge_models())
    return named


def _judge(name: str, model: Any, site: Site) -> tuple[ReadyModel, dict[str, JsonValue]]:
    if isinstance(model, ModelSpec):
        return ready_model(model, None, site)
    return ready_model(ModelSpec(type=type(model).__name__, id=name), model, site)


def make_model(spec: ModelSpec, folder: Path) -> Any:
    """Make the model that `spec` names; environment references in its arguments are resolved now, and only here."""
    args = expand_references(spec.args, os.environ)
    factory = None if ":" in spec.type else model_registry.get_factory(spec.type)
    given = getattr(factory, "__init__", None) if isinstance(factory, type) else factory
    made_by = None if given is None else inspect.unwrap(given)
    if isinstance(made_by, FunctionType) and "experiment_folder" in made_by.__code__.co_varnames:
        args["experiment_folder"] = folder  # for those that name files beside the experiment
    return _make(spec, args, model_registry, "model", folder)


def make_probe(spec: Spec, folder: Path) -> Probe:
    """Make the probe that `spec` names. Raises ConfigError or PluginError."""
    args, _ = _loaded_args(spec, folder)
    probe = _make(spec, args, probe_registry, "probe", folder)
    if not callable(getattr(probe, "run", None)):
        raise ConfigError(
            [Problem(f"{spec.type!r} is not a probe: it has no run(model, data)", field=f"probe {spec.id!r}")]
        )
    return _named(probe)


def _named(probe: Any) -> Probe:
    """Give a duck-typed probe, or one that never called `super().__init__`, what the engine reads."""
    for name, default in (("name", type(probe).__name__), ("score_ranges", {}), ("scores_in_place", False)):
        if not hasattr(probe, name):
            setattr(probe, name, default)
    named: Probe = probe
    return named


def _make(spec: Spec, args: Mapping[str, JsonValue], registry: Registry, kind: str, folder: Path) -> Any:
    try:
        with calling_user_code(f"{kind} {spec.id!r}"):
            if ":" in spec.type:
                factory, _ = load_reference(spec.type, folder=folder, what=f"{kind} {spec.id!r}")
                make = factory
            else:
                factory, make = registry.get_factory(spec.type), functools.partial(registry.get, spec.type)
            return make(**args) if kind == "model" or "of" not in args else _make_reading_part(factory, args, make)
    except UserCodeError as error:
        lacking = _lacking(spec, args, registry)
        why = f"lacks the argument {lacking!r}" if lacking else f"cannot be made: {error.type_name}: {error.cause}"
        fix = f"give it one: {lacking}=..." if lacking else "check its args"
        raise ConfigError([Problem(why, field=f"{kind} {spec.id!r}")], fix=fix) from error


def _make_reading_part(factory: Callable[..., Any], args: Mapping[str, JsonValue], make: Callable[..., Any]) -> Any:
    from insideLLMs.probes.answer_parts import make_reading_part  # noqa: PLC0415 - most probes read no part

    return make_reading_part(factory, args, make=make)


def _lacking(spec: Spec, args: Mapping[str, JsonValue], registry: Registry) -> str | None:
    """Name a required argument that is not among `args`."""
    if ":" in spec.type:
        return None
    given = {*args, *registry.info(spec.type)["defaults"]}
    parameters = inspect.signature(registry.get_factory(spec.type)).parameters.values()
    needed = (one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD)
    return next((name for name in needed if name not in given), None)


def _loaded_args(spec: Spec, folder: Path) -> tuple[dict[str, Any], dict[str, JsonValue]]:
    """Load the functions that a probe's arguments name, where its class says so in `references`.

    Return the arguments to make it with, and what stands for them in its identity: names without folders, and
    the digests of files.
    """
    args, identity = dict(spec.args), dict(spec.args)
    wanted = () if ":" in spec.type else getattr(probe_registry.get_factory(spec.type), "references", ())
    for name in wanted:
        holder, _, key = name.rpartition("[].")
        if not holder:
            _load_into(args, identity, name, spec, folder)
        elif isinstance(spec.args.get(holder), list):
            rows = [dict(row) if isinstance(row, Mapping) else row for row in spec.args[holder]]
            args[holder], identity[holder] = rows, copy.deepcopy(rows)
            for row, facts in zip(rows, identity[holder], strict=True):
                if isinstance(row, dict):
                    _load_into(row, facts, key, spec, folder)
    return args, identity


def _load_into(args: dict[str, Any], identity: dict[str, JsonValue], name: str, spec: Spec, folder: Path) -> None:
    """Put the function that an argument names in its place, and what identifies it."""
    reference = args.get(name)
    if isinstance(reference, str):
        args[name], digest = load_reference(reference, folder=folder, what=f"probe {spec.id!r}: {name}")
        identity[name] = {"function": _without_folder(reference), "code_sha256": digest}


def public_type(spec: Spec) -> str:
    """Return the type without the folder of a reference: no path may reach a canonical file."""
    return _without_folder(spec.type)


def _without_folder(reference: str) -> str:
    source, separator, attribute = reference.rpartition(":")
    return f"{Path(source).name}:{attribute}" if separator and source.endswith(".py") else reference


def _code_digest(spec: Spec, folder: Path) -> dict[str, JsonValue]:
    if ":" not in spec.type:
        return {}
    _, digest = load_reference(spec.type, folder=folder, what=f"{spec.id!r}")
    return {"code_sha256": digest} if digest else {}


def probe_identity(spec: Spec, probe: Any, folder: Path, *, ready: bool) -> dict[str, JsonValue]:
    """Return what defines a probe: type, version, arguments, code; of a ready-made one its settings."""
    version = str(getattr(probe, "version", "1"))
    if ready:
        of = getattr(probe, "of", None)
        return {"type": spec.type, "version": version, **describe(probe), **({} if of is None else {"of": of})}
    _, args = _loaded_args(spec, folder)
    return {"type": public_type(spec), "version": version, "args": args, **_code_digest(spec, folder)}


def check_models(models: Iterable[ReadyModel]) -> None:
    """Let each model say what it lacks (a key, its weights) before anything is spent."""
    for ready in models:
        check = getattr(ready.model, "check", None)
        if callable(check):
            check()
