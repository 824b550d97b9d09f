"""Asking models on behalf of a stored run: only what the user's own experiment names, or a run that the user trusts.

A run directory may be somebody else's. Its stored experiment says which address is called, with which variables of the
environment, and which code runs; none of that is done because the directory says so.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from insideLLMs.api.preparation.members import public_type
from insideLLMs.config.load import load_experiment
from insideLLMs.config.secrets import leaves, references
from insideLLMs.core.errors import OptionError, UnknownPluginError
from insideLLMs.core.experiment import SAMPLING, Experiment, ModelSpec, ProbeSpec, Spec
from insideLLMs.core.types import JsonValue
from insideLLMs.plugins import model_registry
from insideLLMs.store.sealed_run import SealedRun

_ADDRESSES = ("base_url", "url", "proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedExperiment:
    """What may be asked on behalf of a run, and the folder in which its relative names are looked up."""

    run: SealedRun
    experiment: Experiment
    folder: Path


def named_by_user(run: SealedRun, files: Sequence[Path], folder: Path | None = None) -> TrustedExperiment:
    """Return the run's experiment with the models and probes of that file of `files` which has all of them.

    Only sampling arguments, system prompts and ids are taken from the run. Raises OptionError if no file has them.
    """
    problems = []
    for file in files:
        named = load_experiment(file)
        models = [_same(spec, named.models) for spec in run.experiment.models]
        probes = [_same(spec, named.probes) for spec in run.experiment.probes]
        missing = [f"{spec.id!r} ({public_type(spec)})" for spec in _unmatched(run, models, probes)]
        if not missing:
            return TrustedExperiment(
                run=run, experiment=_merged(run.experiment, models, probes), folder=folder or file.resolve().parent
            )
        problems.append(f"{file} does not have its {', '.join(missing)}")
    raise OptionError(
        f"{run.path} may call other addresses or run other code than you named: {'; '.join(problems)}",
        fix="name its experiment too, with another --experiment; or add --trust-run if you trust both runs",
    )


def as_stored(run: SealedRun, folder: Path | None, say: Callable[[str], None]) -> TrustedExperiment:
    """Return the run's experiment as it is stored, after saying what asking its models will do."""
    for line in _consequences(run):
        say(f"--trust-run: {run.label}: {line}")
    return TrustedExperiment(run=run, experiment=run.experiment, folder=(folder or Path()).resolve())


def _unmatched(run: SealedRun, models: Sequence[Spec | None], probes: Sequence[Spec | None]) -> Iterator[Spec]:
    stored = (*run.experiment.models, *run.experiment.probes)
    yield from (spec for spec, found in zip(stored, (*models, *probes), strict=True) if found is None)


def _same(stored: Spec, named: Sequence[Spec]) -> Spec | None:
    """Return the user's spec that reaches as far as the stored one: the same type, address, headers, code and files."""
    return next((spec for spec in named if _reach(spec) == _reach(stored)), None)


def _reach(spec: Spec) -> tuple[str, dict[str, JsonValue]]:
    return public_type(spec), {name: value for name, value in spec.args.items() if not _is_harmless(spec, name)}


def _is_harmless(spec: Spec, name: str) -> bool:
    if not isinstance(spec, ModelSpec):
        return False
    value = spec.args.get(name)
    plain = isinstance(value, str | int | float | None) and "${" not in str(value)
    return spec.type == "dummy" or (name in SAMPLING and plain)  # a dummy model calls nothing


def _merged(stored: Experiment, models: Sequence[Spec | None], probes: Sequence[Spec | None]) -> Experiment:
    def args(spec: Spec, named: Spec) -> dict[str, JsonValue]:
        sampling = {name: value for name, value in spec.args.items() if _is_harmless(spec, name)}
        return {**{name: value for name, value in named.args.items() if not _is_harmless(named, name)}, **sampling}

    return msgspec.structs.replace(
        stored,
        models=tuple(
            ModelSpec(type=named.type, id=spec.id, args=args(spec, named), system=spec.system)
            for spec, named in zip(stored.models, models, strict=True)
            if named is not None
        ),
        probes=tuple(
            ProbeSpec(type=named.type, id=spec.id, args=args(spec, named), datasets=spec.datasets)
            for spec, named in zip(stored.probes, probes, strict=True)
            if named is not None
        ),
    )


def variables_of(experiment: Experiment) -> tuple[str, ...]:
    """Return the variables of the environment that an experiment sends, sorted: keys above all."""
    return tuple(sorted({name for spec in (*experiment.models, *experiment.probes) for name in _named(spec)[1]}))


def _consequences(run: SealedRun) -> Iterator[str]:
    """Say where each model is called and which variables it is sent, and which code runs."""
    for spec in (*run.experiment.models, *run.experiment.probes):
        kind = "model" if isinstance(spec, ModelSpec) else "probe"
        addresses, names, code = _named(spec)
        said = (
            f" calls {', '.join(addresses)}" if addresses else "",
            f", sends {', '.join(sorted(names))}" if names else "",
            f", runs {', '.join(code)}" if code else "",
        )
        if any(said):
            yield f"{kind} {spec.id!r} ({spec.type}){''.join(said)}"


def _named(spec: Spec) -> tuple[list[str], set[str], list[str]]:
    """Return the addresses, the variables and the code that a model or probe names."""
    texts = [(path, value, referring) for path, value, referring in leaves(spec.args, ()) if isinstance(value, str)]
    code = [spec.type] if ":" in spec.type else []
    code += [value for _, value, _ in texts if ".py:" in value]
    code += [shlex.join(command) for command in _commands(spec.args)]
    names = {name for _, value, referring in texts if referring for name in references(value)}
    names |= {value for path, value, _ in texts if "env" in path[-2:-1]}  # a list of variables
    names |= {value for path, value, _ in texts if path[-1] == "api_key_env"}  # of judges and servers, too
    addresses = [value for path, value, _ in texts if path[-1] in _ADDRESSES]
    if isinstance(spec, ModelSpec) and not code:
        address, key = _endpoint(spec)
        addresses = addresses or [address] if address else addresses
        names |= {key} if key else set()
    return addresses, names, code


def _commands(value: JsonValue) -> Iterator[list[str]]:
    """Yield the commands that arguments name, those of judges among them."""
    if isinstance(value, Mapping):
        command = value.get("command")
        if isinstance(command, list):
            yield [str(text) for text in command]
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _commands(item)


def _endpoint(spec: ModelSpec) -> tuple[str, str]:
    """Return the address and the key's variable that the provider uses by default."""
    try:
        endpoint = getattr(model_registry.get_factory(spec.type), "endpoint", None)
    except UnknownPluginError:
        endpoint = None
    key = spec.args.get("api_key_env") or (endpoint.key_env if endpoint is not None else "")
    return (endpoint.base_url if endpoint is not None else ""), str(key)
