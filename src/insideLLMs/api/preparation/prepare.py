"""An Experiment made ready: its models and probes exist, its datasets are read and hashed, its Trials planned.

Whatever can be wrong is found here, before anything is spent.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from insideLLMs.api.preparation.example_checks import check_examples
from insideLLMs.api.preparation.members import (
    Site,
    check_models,
    make_judges,
    make_probe,
    probe_identity,
    public_type,
    ready_model,
)
from insideLLMs.api.preparation.prepared import Parts, Prepared, Source
from insideLLMs.api.preparation.shard import take_shard
from insideLLMs.core.errors import ArgumentError, ConfigError, PluginError, Problem, TemplateError
from insideLLMs.core.experiment import Experiment, PromptSpec, Spec
from insideLLMs.core.protocols import Probe, RulesOnTools
from insideLLMs.core.types import Example, JsonValue
from insideLLMs.datasets import Dataset, open_dataset
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.ready_prompt import ReadyPrompt
from insideLLMs.execute.work import Judges, ReadyModel
from insideLLMs.plan import Plan, judge_id, make_plan
from insideLLMs.store.manifest import Bound, DatasetFacts, MemberSpec, PromptFacts, stored_ranges

logger = logging.getLogger(__name__)
_SHOWN_ROWS = 5


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
            part_sha256=index.part_sha256 or msgspec.UNSET,
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
    models, identities, probes, prompts, judges, probe_identities = make_members(experiment, parts, site)
    _check_names(models, judges)
    datasets = _open_datasets(experiment, parts, folder)
    plan = make_plan(
        experiment,
        selections={name: source.facts.selection(experiment.max_examples) for name, source in datasets.items()},
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
    if any(isinstance(probe, RulesOnTools) for probe in probes.values()):
        from insideLLMs.api.preparation.tool_checks import check_tools  # noqa: PLC0415 - only runs of agents need it

        check_tools(prepared, experiment)
    return prepared if experiment.shard is None else take_shard(prepared, experiment.shard)


def _open_datasets(experiment: Experiment, parts: Parts, folder: Path) -> dict[str, Source]:
    """Return the source of each dataset by its name: one that was given, or the file that the experiment names."""
    given: Mapping[str, Source] = parts.datasets
    return {
        spec.name: given[spec.name]
        if spec.name in given
        else _FileSource(
            _told_of_rows(
                open_dataset(
                    spec,
                    max_examples=experiment.max_examples,
                    folder=folder,
                    part=experiment.part_examples.get(spec.name),
                )
            )
        )
        for spec in experiment.datasets
    }


def _told_of_rows(dataset: Dataset) -> Dataset:
    """Warn of rows that are left out, with the places of the first, and of examples that nobody reviewed."""
    index = dataset.index
    if index.skipped:
        named = "".join(f"\n  {problem}" for problem in index.problems[:_SHOWN_ROWS])
        more = index.skipped - len(index.problems[:_SHOWN_ROWS])
        rest = f"\n  and {more:,} more" if more else ""
        rows = "row is" if index.skipped == 1 else "rows are"
        logger.warning("dataset %r: %d bad %s skipped:%s%s", index.name, index.skipped, rows, named, rest)
    if index.pending and not dataset.spec.reviewed:
        told = "dataset %r: %d of %d examples are pending review; 'reviewed: true' refuses them"
        logger.warning(told, index.name, index.pending, index.total - index.rejected)
    if index.rejected:
        logger.warning("dataset %r: %d rejected examples are left out", index.name, index.rejected)
    return dataset


class Members(NamedTuple):
    """The objects that an experiment's entries name, and what identifies its models and probes."""

    models: dict[str, ReadyModel]
    identities: dict[str, dict[str, JsonValue]]
    probes: dict[str, Probe]
    prompts: dict[str, ReadyPrompt]
    judges: dict[str, Mapping[str, ReadyModel]]
    probe_identities: dict[str, dict[str, JsonValue]]


def make_members(experiment: Experiment, parts: Parts, site: Site) -> Members:
    """Make the models, probes with their judges, and prompts. Raises ConfigError with all that cannot be made."""
    made = Members({}, {}, {}, {}, {}, {})
    problems: list[Problem] = []
    for place, model in enumerate(experiment.models):
        with _collecting(problems, f"models[{place}]", model.args):
            ready, identity = ready_model(model, parts.models.get(model.id), site)
            made.models[model.id], made.identities[model.id] = ready, identity
    for place, probe in enumerate(experiment.probes):
        with _collecting(problems, f"probes[{place}]", probe.args):
            is_made = probe.id in parts.probes
            made.probes[probe.id] = parts.probes[probe.id] if is_made else make_probe(probe, site.folder)
            judges, identities = make_judges({probe.id: made.probes[probe.id]}, site)
            made.judges.update(judges)
            own = probe_identity(probe, made.probes[probe.id], site.folder, ready=is_made)
            made.probe_identities[probe.id] = {**own, **identities[probe.id]}
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
    except PluginError as error:
        argument = error.argument if isinstance(error, ArgumentError) else None
        field = f"{holder}.args.{argument}" if argument in args else holder
        problems.append(Problem(error.message, field=field, hint=error.fix))
    except TemplateError as error:
        field = f"{holder}.args.{error.argument}" if error.argument in args else f"{holder}.{error.argument}"
        problems.append(Problem(error.message, field=field, line=error.line, hint=error.fix))


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


def _check_names(models: Mapping[str, ReadyModel], judges: Judges) -> None:
    """Raise ConfigError where a model is called as a judge is: each has its own answers and costs."""
    twice = [name for probe, named in judges.items() for one in named if (name := judge_id(probe, one)) in models]
    if twice:
        raise ConfigError(
            [Problem("is also the name of a judge", field=f"model {name!r}") for name in twice],
            fix="give the model another 'id'",
        )
