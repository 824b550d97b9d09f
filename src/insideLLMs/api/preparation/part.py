"""Narrow an experiment to the part of it that the user selects. Nothing selected, or a name unknown, is an error."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import msgspec

from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import NothingToDoError, OptionError, Problem
from insideLLMs.core.experiment import Experiment, PromptSpec, Spec
from insideLLMs.core.part import Part, PartOptions
from insideLLMs.core.record_views import LabelledRecord
from insideLLMs.core.types import Example
from insideLLMs.datasets import open_dataset
from insideLLMs.store.sealed_run import SealedRun

_SHOWN = 5
Named = TypeVar("Named", bound=Spec | PromptSpec)


def narrow(experiment: Experiment, options: PartOptions, *, folder: Path) -> Experiment:
    """Return the experiment with what is selected, marked as a part; unchanged where nothing is left out.

    Raises OptionError for what selects nothing, DatasetError, and RunDirectoryError for a bad `failed_in`.
    """
    selection = msgspec.structs.replace(options, shard=None)
    selected = experiment if selection == PartOptions() else _select(experiment, selection, folder)
    return selected if options.shard is None else msgspec.structs.replace(selected, shard=options.shard)


def _select(experiment: Experiment, options: PartOptions, folder: Path) -> Experiment:
    problems: list[Problem] = []
    models = _named("model", options.models, experiment.models, problems)
    prompts = _named("prompt", options.prompts, experiment.prompts, problems)
    probes = _named("probe", options.probes, experiment.probes, problems)
    failed = None if options.failed_in is None else _Failed.of(options.failed_in, {model.id for model in models})
    if failed is not None:
        probes = tuple(probe for probe in probes if probe.id in failed.probes) or probes
    wanted = {name for probe in probes for name in probe.datasets}
    chosen = _Examples(options, failed, {spec.name for spec in experiment.datasets})
    for spec in experiment.datasets:
        dataset = open_dataset(spec, max_examples=experiment.max_examples, folder=folder)
        chosen.read(spec.name, (example for _, example in dataset.examples()), is_wanted=spec.name in wanted)
    problems += chosen.problems()
    if not problems and not any(chosen.kept.values()):
        problems.append(Problem("no example fits all that is selected"))
    _raise_any(problems)
    kept = {name: ids for name, ids in chosen.kept.items() if ids}
    members = msgspec.structs.replace(experiment, models=models, prompts=prompts, probes=probes)
    narrowed = _narrowed(members, kept)
    part = Part(
        trials=_trials(narrowed, {name: len(ids) for name, ids in kept.items()}),
        of_trials=_trials(experiment, chosen.totals),
        only=options.only, tags=options.tags, probes=options.probes, models=options.models, prompts=options.prompts,
        failed_in=None if failed is None else failed.run_id,
    )  # fmt: skip
    return experiment if part.trials == part.of_trials else msgspec.structs.replace(narrowed, part=part)


def _narrowed(experiment: Experiment, kept: Mapping[str, Sequence[str]]) -> Experiment:
    """Return the experiment with the examples that are kept: datasets without any, and probes without one, are gone."""
    left = tuple(
        msgspec.structs.replace(probe, datasets=tuple(name for name in probe.datasets if name in kept))
        for probe in experiment.probes
        if not kept.keys().isdisjoint(probe.datasets)
    )
    ids, used = {probe.id for probe in left}, {name for probe in left for name in probe.datasets}
    rules = {name: rule for name, rule in experiment.gate.probes.items() if name in ids}
    return msgspec.structs.replace(
        experiment,
        probes=left,
        datasets=tuple(spec for spec in experiment.datasets if spec.name in used),
        gate=msgspec.structs.replace(experiment.gate, probes=rules),
        part_examples={name: tuple(ids) for name, ids in kept.items()},
    )


def _trials(experiment: Experiment, examples: Mapping[str, int]) -> int:
    """Count the Trials of an experiment whose datasets have so many `examples`."""
    asked = sum(examples[name] for probe in experiment.probes for name in probe.datasets)
    return len(experiment.subjects) * experiment.repeats * asked


def _named(kind: str, patterns: Sequence[str], specs: Sequence[Named], problems: list[Problem]) -> tuple[Named, ...]:
    """Return the members that a pattern fits, all where none does; note each pattern that fits none."""
    ids = [spec.id for spec in specs]
    known = [pattern for pattern in patterns if any(fnmatchcase(name, pattern) for name in ids)]
    problems += [
        Problem(f"--{kind} {pattern!r} fits no {kind} of the experiment", hint=_near(pattern, ids))
        for pattern in patterns
        if pattern not in known
    ]
    return tuple(spec for spec in specs if not known or any(fnmatchcase(spec.id, one) for one in known))


def _near(word: str, known: Collection[str]) -> str:
    near = nearest(word, list(known))
    if near:
        return f"did you mean {near!r}?"
    names = sorted(known)
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"there are {', '.join(map(repr, names[:_SHOWN]))}{more}" if names else "there are none"


def _raise_any(problems: Sequence[Problem]) -> None:
    if problems:
        raise OptionError(
            "\n".join(map(str, problems)), fix="change what is selected, or leave the option out to run everything"
        )


class _Failed(msgspec.Struct, frozen=True):
    """The examples of a run that did not pass, by dataset and id, and the probes that they failed."""

    run_id: str
    probes: Collection[str]
    examples: Set[tuple[str, str]]
    datasets: Set[str]
    ids: Set[str]

    @classmethod
    def of(cls, path: Path, models: Collection[str]) -> "_Failed":
        """Read a sealed run; of its models those that are asked again, or all if it has none of them."""
        run = SealedRun.open(path)
        known = {model.id for model in run.manifest.models} & set(models)
        records = [
            (record.probe, (record.dataset, record.example_id))
            for record in run.records(LabelledRecord)
            if (record.model in known or not known) and _is_bad(record)
        ]
        if not records:
            raise NothingToDoError(f"{path}: no trial failed", fix="leave --failed-in out to run everything")
        examples = {example for _, example in records}
        datasets, ids = map(frozenset, zip(*examples, strict=True))
        return cls(run.manifest.run_id, {probe for probe, _ in records}, examples, datasets, ids)


def _is_bad(record: LabelledRecord) -> bool:
    return record.status != "success" or (record.scores is not None and record.scores.passed is False)


class _Examples(msgspec.Struct):
    """The ids that are kept of each dataset, and what is known of all, for the words of an error."""

    options: PartOptions
    failed: _Failed | None
    names: Collection[str]
    kept: dict[str, list[str]] = {}
    totals: dict[str, int] = {}
    ids: set[str] = msgspec.field(default_factory=set)
    tags: set[str] = msgspec.field(default_factory=set)

    def read(self, dataset: str, examples: Iterable[Example], *, is_wanted: bool) -> None:
        """Take the examples of a dataset, of which only one that `is_wanted` is selected from."""
        self.totals[dataset] = 0
        for example in examples:
            self.totals[dataset] += 1
            if is_wanted:
                tags = _tags_of(example)
                self.ids.add(example.id)
                self.tags.update(tags)
                if self._fits(dataset, example.id, tags):
                    self.kept.setdefault(dataset, []).append(example.id)

    def _fits(self, dataset: str, example_id: str, tags: Collection[str]) -> bool:
        options = self.options
        return (
            (not options.only or any(fnmatchcase(example_id, pattern) for pattern in options.only))
            and (not options.tags or not set(options.tags).isdisjoint(tags))
            and (self.failed is None or self._has_failed(dataset, example_id))
        )

    def _has_failed(self, dataset: str, example_id: str) -> bool:
        """Whether an example failed; a dataset that the run does not know by name goes by the ids alone."""
        assert self.failed is not None
        if self.failed.datasets.isdisjoint(self.names):
            return example_id in self.failed.ids
        return (dataset, example_id) in self.failed.examples

    def problems(self) -> Iterable[Problem]:
        """Yield what selects nothing."""
        for pattern in self.options.only:
            if not any(fnmatchcase(name, pattern) for name in self.ids):
                yield Problem(f"--only {pattern!r} fits no example", hint=_near(pattern, self.ids))
        for tag in self.options.tags:
            if tag not in self.tags:
                yield Problem(f"--tag {tag!r}: no example has this tag", hint=_near(tag, self.tags))


def _tags_of(example: Example) -> set[str]:
    """Return the tags of an example: a list, or a text with commas, as a spreadsheet has it."""
    given = example.fields.get("tags")
    if isinstance(given, str):
        given = given.replace(";", ",").split(",")
    return {str(tag).strip() for tag in given} if isinstance(given, list) else set()
