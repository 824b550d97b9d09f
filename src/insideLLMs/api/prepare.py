"""An Experiment made ready: its models and probes exist, its datasets are read and hashed, its Trials planned.

Whatever can be wrong is found here, before anything is spent.
"""

import asyncio
import contextlib
import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, Protocol

import msgspec

from insideLLMs.api.example_checks import check_examples
from insideLLMs.api.run_writer import RunFacts
from insideLLMs.config.secrets import expand_references
from insideLLMs.core.errors import ArgumentError, ConfigError, ModelUnavailableError, Problem, TemplateError
from insideLLMs.core.protocols import AsyncModel, JudgedProbe, LocalModel, Probe
from insideLLMs.core.template import template_of
from insideLLMs.core.types import Example, Experiment, JsonValue, ModelSpec, PromptSpec, Spec
from insideLLMs.core.user_code import UserCodeError, calling_user_code
from insideLLMs.datasets import Dataset, open_dataset
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.adapt import as_async_model, close_model
from insideLLMs.execute.ready_prompt import ReadyPrompt
from insideLLMs.execute.work import Judges, ReadyModel, Sharing, Work
from insideLLMs.plan import Plan, Selection, describe, judge_id, make_plan, model_digest
from insideLLMs.plugins import Registry, load_reference, model_registry, probe_registry
from insideLLMs.store.manifest import Bound, DatasetFacts, MemberSpec, PromptFacts, all_identities, stored_ranges


class Source(Protocol):
    """A dataset as the composition sees it: its examples, and the facts that the plan and manifest need."""

    def examples(self) -> Iterator[tuple[int, Example]]: ...
    @property
    def facts(self) -> DatasetFacts: ...


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Ready-made objects, by id or name, that take the place of what the specs would make.

    `sharing` is that of a run whose experiment does not want independent answers.
    """

    models: Mapping[str, Any] = msgspec.field(default_factory=dict)
    probes: Mapping[str, Any] = msgspec.field(default_factory=dict)
    datasets: Mapping[str, Source] = msgspec.field(default_factory=dict)
    sharing: Sharing = "shared"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where models are made: beside which files, on which threads, and what a cassette tells of their machine."""

    folder: Path
    threads: AbandonableThreads
    recorded: Mapping[str, Mapping[str, JsonValue]] | None = None


class Prepared(Work, frozen=True, kw_only=True):
    """Everything a run needs but a place to store it."""

    experiment: Experiment
    datasets: Mapping[str, Source]
    model_specs: tuple[MemberSpec, ...]
    prompt_facts: tuple[PromptFacts, ...] = ()
    probe_specs: tuple[MemberSpec, ...]

    @property
    def facts(self) -> RunFacts:
        """What the run's files say beside its records."""
        return RunFacts(
            run_id=self.plan.run_id,
            trials=self.plan.total,
            experiment=self.experiment,
            models=self.model_specs,
            prompts=self.prompt_facts,
            probes=self.probe_specs,
            datasets=tuple(self.datasets[name].facts for name in sorted(self.datasets)),
        )

    @property
    def identities(self) -> dict[str, Mapping[str, JsonValue]]:
        """What says of each model what it is, the judges among them."""
        return all_identities(self.model_specs, self.probe_specs)

    async def aclose(self) -> None:
        """Give back the models' connections and memory."""
        await asyncio.gather(*(close_model(ready.model) for ready in self.asked.values()))
        self.threads.close()


class _FileSource(msgspec.Struct, frozen=True):
    """A dataset read from its file or from the experiment."""

    dataset: Dataset

    def examples(self) -> Iterator[tuple[int, Example]]:
        return self.dataset.examples()

    @property
    def facts(self) -> DatasetFacts:
        index = self.dataset.index
        return DatasetFacts(
            name=index.name,
            sha256=index.sha256,
            total=index.total,
            selected=index.count,
            skipped=index.skipped,
            images_sha256=index.images_sha256 or msgspec.UNSET,
        )


def prepare(
    experiment: Experiment,
    *,
    folder: Path,
    parts: Parts | None = None,
    recorded: Mapping[str, Mapping[str, JsonValue]] | None = None,
    asks: bool = True,
) -> Prepared:
    """Make, read, hash, plan and check. Blocks while it reads datasets and starts models.

    Models need no key where a cassette stands in (`recorded` has its facts), or where nobody `asks` them.

    Raises ConfigError, PluginError, DatasetError, ModelError or NothingToDoError.
    """
    parts = parts or Parts()
    threads = AbandonableThreads()
    site = Site(folder=folder, threads=threads, recorded=recorded)
    models, identities, probes, prompts = _make_members(experiment, parts, site)
    judges, judge_identities = make_judges(probes, site)
    _check_names(models, judges)
    probe_identities = {
        spec.id: {
            **probe_identity(spec, probes[spec.id], folder, ready=spec.id in parts.probes),
            **judge_identities[spec.id],
        }
        for spec in experiment.probes
    }
    datasets = _open_datasets(experiment, parts, folder)
    plan = make_plan(
        experiment,
        selections={name: _selection(source, experiment) for name, source in datasets.items()},
        model_identities=identities,
        probe_identities=probe_identities,
    )
    if recorded is None and asks:
        check_models((*models.values(), *(one for named in judges.values() for one in named.values())))
    prepared = Prepared(
        experiment=experiment,
        plan=plan,
        models=models,
        prompts=prompts,
        execution=experiment.execution,
        probes=probes,
        datasets=datasets,
        model_specs=_model_specs(experiment, identities, plan),
        prompt_facts=prompt_facts(experiment.prompts, plan),
        probe_specs=probe_specs(experiment, probes, probe_identities, plan),
        threads=threads,
        judges=judges,
        sharing="independent" if experiment.independent_answers else parts.sharing,
    )
    check_examples(prepared, experiment)
    return prepared


def _open_datasets(experiment: Experiment, parts: Parts, folder: Path) -> dict[str, Source]:
    """Return the source of each dataset by its name: one that was given, or the file that the experiment names."""
    given: Mapping[str, Source] = parts.datasets
    return {
        spec.name: given[spec.name]
        if spec.name in given
        else _FileSource(open_dataset(spec, max_examples=experiment.max_examples, folder=folder))
        for spec in experiment.datasets
    }


class _Members(NamedTuple):
    models: dict[str, ReadyModel]
    identities: dict[str, dict[str, JsonValue]]
    probes: dict[str, Probe]
    prompts: dict[str, ReadyPrompt]


def _make_members(experiment: Experiment, parts: Parts, site: Site) -> _Members:
    """Make the models, probes and prompts. Raises ConfigError with all that cannot be made."""
    made = _Members({}, {}, {}, {})
    problems: list[Problem] = []
    for place, model in enumerate(experiment.models):
        with _collecting(problems, f"models[{place}]", model.args):
            ready, identity = _ready_model(model, parts.models.get(model.id), site)
            made.models[model.id], made.identities[model.id] = ready, identity
    for place, probe in enumerate(experiment.probes):
        with _collecting(problems, f"probes[{place}]", probe.args):
            is_made = probe.id in parts.probes
            made.probes[probe.id] = parts.probes[probe.id] if is_made else make_probe(probe, site.folder)
    for place, prompt in enumerate(experiment.prompts):
        with _collecting(problems, f"prompts[{place}]", {}):
            made.prompts[prompt.id] = ReadyPrompt.of(prompt)
    if problems:
        raise ConfigError(problems)
    return made


@contextlib.contextmanager
def _collecting(problems: list[Problem], holder: str, args: Mapping[str, JsonValue]) -> Iterator[None]:
    """Collect what is wrong with an entry of the experiment, under the name of the argument where that is known."""
    try:
        yield
    except ConfigError as error:
        problems.extend(replace(one, field=holder, hint=one.hint or error.fix) for one in error.problems)
    except ArgumentError as error:
        field = f"{holder}.args.{error.argument}" if error.argument in args else holder
        problems.append(Problem(error.message, field=field, hint=error.fix))
    except TemplateError as error:
        field = f"{holder}.args.{error.argument}" if error.argument in args else f"{holder}.{error.argument}"
        problems.append(Problem(error.message, field=field, line=error.line, hint=error.fix))


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


def _model_specs(
    experiment: Experiment, identities: Mapping[str, dict[str, JsonValue]], plan: Plan
) -> tuple[MemberSpec, ...]:
    return tuple(
        MemberSpec(
            id=spec.id,
            type=public_type(spec),
            identity=identities[spec.id],
            digest=plan.digests[f"model:{spec.id}"],
            system=spec.system,
        )
        for spec in sorted(experiment.models, key=lambda spec: spec.id)
    )


def probe_specs(
    experiment: Experiment, probes: Mapping[str, Probe], identities: Mapping[str, dict[str, JsonValue]], plan: Plan
) -> tuple[MemberSpec, ...]:
    """Describe the probes for the manifest. Raises ConfigError for a score range that is none."""
    return tuple(
        MemberSpec(
            id=spec.id,
            type=public_type(spec),
            identity=identities[spec.id],
            digest=plan.digests[f"probe:{spec.id}"],
            datasets=tuple(sorted(spec.datasets)),
            score_ranges=_declared_ranges(spec, probes[spec.id]),
        )
        for spec in sorted(experiment.probes, key=lambda spec: spec.id)
    )


def prompt_facts(prompts: Iterable[PromptSpec], plan: Plan) -> tuple[PromptFacts, ...]:
    """Describe the prompts for the manifest."""
    return tuple(
        PromptFacts(id=spec.id, messages=spec.chat, system=spec.system, digest=plan.digests[f"prompt:{spec.id}"])
        for spec in sorted(prompts, key=lambda spec: spec.id)
    )


def _declared_ranges(spec: Spec, probe: Probe) -> dict[str, tuple[Bound, Bound]]:
    try:
        return stored_ranges(probe.score_ranges)
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            [Problem(f"score_ranges is {probe.score_ranges!r}", field=f"probe {spec.id!r}")],
            fix='it must name two numbers for each score, e.g. score_ranges = {"stars": (0, 10)}',
        ) from error


def _ready_model(spec: ModelSpec, ready: Any, site: Site) -> tuple[ReadyModel, dict[str, JsonValue]]:
    """Make a model of the run, or take the `ready` one; return with it what defines it."""
    model = as_async_model(make_model(spec, site.folder) if ready is None else ready, site.threads)
    identity = {"type": public_type(spec), **_identity(model, site.recorded), **_code_digest(spec, site.folder)}
    system = None if spec.system is None else template_of(spec.system, "system")
    return ReadyModel(model=model, system=system, digest=model_digest(identity, spec.system)), identity


def make_judges(probes: Mapping[str, Probe], site: Site) -> tuple[Judges, dict[str, dict[str, JsonValue]]]:
    """Make the models that probes ask to score; return with them what they add to each probe's identity."""
    judges: dict[str, dict[str, ReadyModel]] = {}
    identities: dict[str, dict[str, JsonValue]] = {name: {} for name in probes}
    for probe_id, probe in probes.items():
        if not isinstance(probe, JudgedProbe):
            continue
        with calling_user_code(f"{probe.name}.judge_models()"):
            named = dict(probe.judge_models())
        made = {name: _judge(name, one, site) for name, one in named.items()}
        judges[probe_id] = {name: ready for name, (ready, _) in made.items()}
        identities[probe_id] = {"judges": {name: identity for name, (_, identity) in made.items()}}
    return judges, identities


def _check_names(models: Mapping[str, ReadyModel], judges: Judges) -> None:
    """Raise ConfigError where a model is called as a judge is: each has its own answers and costs."""
    twice = [name for probe, named in judges.items() for one in named if (name := judge_id(probe, one)) in models]
    if twice:
        raise ConfigError(
            [Problem("is also the name of a judge", field=f"model {name!r}") for name in twice],
            fix="give the model another 'id'",
        )


def _judge(name: str, model: Any, site: Site) -> tuple[ReadyModel, dict[str, JsonValue]]:
    if isinstance(model, ModelSpec):
        return _ready_model(model, None, site)
    return _ready_model(ModelSpec(type=type(model).__name__, id=name), model, site)


def make_model(spec: ModelSpec, folder: Path) -> Any:
    """Make the model that `spec` names; environment references in its arguments are resolved now, and only here."""
    args = expand_references(spec.args, os.environ)
    factory = None if ":" in spec.type else model_registry.get_factory(spec.type)
    made_by = getattr(factory, "__init__", None) if isinstance(factory, type) else factory
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
                return factory(**args)
            return registry.get(spec.type, **args)
    except UserCodeError as error:
        lacking = _lacking(spec, args, registry)
        why = f"lacks the argument {lacking!r}" if lacking else f"cannot be made: {error.type_name}: {error.cause}"
        fix = f"give it one: {lacking}=..." if lacking else "check its args"
        raise ConfigError([Problem(why, field=f"{kind} {spec.id!r}")], fix=fix) from error


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
        reference = spec.args.get(name)
        if isinstance(reference, str):
            args[name], digest = load_reference(reference, folder=folder, what=f"probe {spec.id!r}: {name}")
            identity[name] = {"function": _without_folder(reference), "code_sha256": digest}
    return args, identity


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
        return {"type": spec.type, "version": version, **describe(probe)}
    _, args = _loaded_args(spec, folder)
    return {"type": public_type(spec), "version": version, "args": args, **_code_digest(spec, folder)}


def _selection(source: Source, experiment: Experiment) -> Selection:
    facts = source.facts
    rule: dict[str, JsonValue] = {}
    if experiment.max_examples is not None and facts.selected < facts.total - facts.skipped:
        rule["max_examples"] = experiment.max_examples
    if facts.images_sha256 is not msgspec.UNSET:
        rule["images"] = facts.images_sha256
    return Selection(sha256=facts.sha256, count=facts.selected, rule=rule)


def check_models(models: Iterable[ReadyModel]) -> None:
    """Let each model say what it lacks (a key, its weights) before anything is spent."""
    for ready in models:
        check = getattr(ready.model, "check", None)
        if callable(check):
            check()
