"""Score the answers of a finished run again, without any call: the result is an ordinary run directory."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from insideLLMs.api.example_checks import check_of, complaints
from insideLLMs.api.prepare import (
    Prepared,
    Site,
    check_models,
    make_judges,
    make_probe,
    probe_identity,
    probe_specs,
)
from insideLLMs.api.run import Run
from insideLLMs.api.run_writer import RunWriter
from insideLLMs.core import canonical
from insideLLMs.core.errors import DatasetError, OptionError
from insideLLMs.core.protocols import Probe, PromptProbe
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import (
    Example,
    ExecutionSpec,
    Experiment,
    JsonValue,
    ModelSpec,
    Outcome,
    ProbeSpec,
    Record,
    Spec,
    Telemetry,
)
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.asked_models import make_asked_models
from insideLLMs.execute.trial import FatalError, ProbeCalls, score
from insideLLMs.plan import Group, Selection, Trial, make_plan, record_of
from insideLLMs.store.directory import RunDirectory
from insideLLMs.store.journal import Journal
from insideLLMs.store.manifest import DatasetFacts, Manifest, MemberSpec
from insideLLMs.store.sealed_run import SealedRun

_FLUSH_EVERY = 256
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RescoreOptions:
    """Which answers are scored how, and where the result goes.

    `of` is the probe of the run whose answers are taken; it may be left out where the run has only one.
    """

    probes: tuple[Spec, ...]
    to: Path
    of: str | None = None
    overwrite: bool = False
    folder: Path = Path()
    timeout_s: float | None = 300.0


@dataclass(frozen=True, slots=True)
class _Stored:
    """A dataset as a finished run has it: its facts, and the examples in its records."""

    facts: DatasetFacts
    run: SealedRun
    probe: str

    def examples(self) -> Iterator[tuple[int, Example]]:
        """Yield each example once, with its rank by id."""
        rank, previous = -1, None
        for record in _records(self.run, self.probe, self.facts.name):
            if record.example_id != previous:
                rank, previous = rank + 1, record.example_id
                yield rank, record.example


async def rescore(run: SealedRun, options: RescoreOptions) -> Run:
    """Score `run` again. Raises InsideLLMsError; nothing of `run` is changed."""
    of = _chosen(run.manifest, options.of)
    prepared = await asyncio.to_thread(_prepare, run, of, options)
    try:
        return await _score_all(run, of, prepared, options)
    finally:
        await prepared.aclose()


async def _score_all(run: SealedRun, of: str, prepared: Prepared, options: RescoreOptions) -> Run:
    plan = prepared.plan
    directory = await asyncio.to_thread(
        RunDirectory.open, options.to, run_id=plan.run_id, total=plan.total, overwrite=options.overwrite
    )
    with directory, RunWriter(prepared.facts, directory) as writer:
        calls = ProbeCalls(work=prepared, models=make_asked_models(prepared))
        for group in plan.groups:
            await _score_group(group, prepared, run, of, (calls, directory.journal))
        notes: dict[str, JsonValue] = {"rescored_from": run.manifest.run_id, "rescored_probe": of}
        manifest, summary = await asyncio.to_thread(writer.seal, notes)
    return Run(path=options.to, manifest=manifest, summary=summary)


async def _score_group(
    group: Group, prepared: Prepared, run: SealedRun, of: str, means: tuple[ProbeCalls, Journal]
) -> None:
    calls, journal = means
    probe = prepared.probes[group.probe]
    assert isinstance(probe, PromptProbe)
    rank, previous, index = -1, None, 0
    for number, record in enumerate(_records(run, of, group.dataset), 1):
        if record.example_id != previous:
            rank, previous = rank + 1, record.example_id
        index = prepared.plan.index_of(group, rank, record.subject, record.repeat)
        trial = prepared.plan.trial(group, index, record.example, record.example_digest)
        outcome = await _score_again(probe, trial, record, calls)
        journal.append_record(index, canonical.line(record_of(trial, outcome)), outcome.telemetry)
        if number % _FLUSH_EVERY == 0:
            journal.flush()
            await asyncio.sleep(0)
    journal.flush()


async def _score_again(probe: PromptProbe, trial: Trial, record: Record, calls: ProbeCalls) -> Outcome:
    """Score a stored answer; a Trial that had none stays what it was."""
    usage = record.response.usage if record.response else None
    telemetry = Telemetry(
        cached=True,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
    )
    request = record.request or record.example.request()
    if record.response is None:
        return Outcome(status=record.status, request=request, failure=record.failure, telemetry=telemetry)
    try:
        answer = separate(record.response)  # an older release may have stored it
        return await score(probe, trial, (request, answer), telemetry, calls)
    except FatalError as fatal:
        raise fatal.error from fatal


def _records(run: SealedRun, probe: str, dataset: str) -> Iterator[Record]:
    """Yield the records of one probe over one dataset, in their order."""
    return (record for record in run.records(Record) if (record.probe, record.dataset) == (probe, dataset))


def _chosen(manifest: Manifest, of: str | None) -> str:
    """Return the probe whose answers are taken. Raises OptionError if that is not clear."""
    known = [probe.id for probe in manifest.probes]
    if of is None and len(known) == 1:
        return known[0]
    if of not in known:
        told = "the run has several probes" if of is None else f"the run has no probe {of!r}"
        raise OptionError(told, fix=f"choose one with --of: {', '.join(known)}")
    return of


def _prepare(run: SealedRun, of: str, options: RescoreOptions) -> Prepared:
    manifest = run.manifest
    source = next(probe for probe in manifest.probes if probe.id == of)
    experiment = _experiment(run, source, options)
    probes = {spec.id: make_probe(spec, options.folder) for spec in experiment.probes}
    facts = {each.name: each for each in manifest.datasets if each.name in source.datasets}
    datasets = {name: _Stored(each, run, of) for name, each in facts.items()}
    _check(probes, datasets)
    threads = AbandonableThreads()
    judges, judge_identities = make_judges(probes, Site(folder=options.folder, threads=threads))
    check_models(one for named in judges.values() for one in named.values())
    identities = {
        spec.id: {**probe_identity(spec, probes[spec.id], options.folder, ready=False), **judge_identities[spec.id]}
        for spec in experiment.probes
    }
    plan = make_plan(
        experiment,
        selections={name: _selection(each, manifest) for name, each in facts.items()},
        model_identities={model.id: model.identity for model in manifest.models},
        probe_identities=identities,
    )
    return Prepared(
        experiment=experiment,
        plan=plan,
        models={},
        execution=experiment.execution,
        probes=probes,
        datasets=datasets,
        model_specs=manifest.models,
        prompt_facts=manifest.prompts,
        probe_specs=probe_specs(experiment, probes, identities, plan),
        threads=threads,
        judges=judges,
    )


def _selection(facts: DatasetFacts, manifest: Manifest) -> Selection:
    cut = manifest.max_examples is not None and facts.selected < facts.total - facts.skipped
    return Selection(
        sha256=facts.sha256, count=facts.selected, rule={"max_examples": manifest.max_examples} if cut else {}
    )


def _experiment(run: SealedRun, source: MemberSpec, options: RescoreOptions) -> Experiment:
    """Return the run's experiment with other probes; what only its resolved file tells is taken from there."""
    manifest, resolved = run.manifest, run.experiment
    args = {model.id: model.args for model in resolved.models}
    given = {each.name: each for each in resolved.datasets}
    return Experiment(
        name=manifest.name,
        models=tuple(
            ModelSpec(type=model.type, id=model.id, args=args.get(model.id, {}), system=model.system)
            for model in manifest.models
        ),
        prompts=resolved.prompts,
        probes=tuple(
            ProbeSpec(type=spec.type, id=spec.id, args=spec.args, datasets=source.datasets) for spec in options.probes
        ),
        datasets=tuple(given[name] for name in source.datasets),
        max_examples=manifest.max_examples,
        repeats=manifest.repeats,
        confidence_level=resolved.confidence_level,
        title=resolved.title,
        execution=ExecutionSpec(timeout_s=options.timeout_s),
    )


def _check(probes: Mapping[str, Probe], datasets: Mapping[str, _Stored]) -> None:
    """Raise unless every probe can score stored answers, and every example is one that it can score."""
    problems: list[str] = []
    for name, probe in probes.items():
        if not isinstance(probe, PromptProbe):
            raise OptionError(
                f"probe {name!r} asks the model itself, so it cannot score stored answers",
                fix="choose a probe that scores a response (a PromptProbe)",
            )
        problems += complaints(f"probe {name!r}", check_of(probe), datasets, _MOST_PROBLEMS - len(problems))
    if problems:
        raise DatasetError(
            "some examples cannot be scored:\n" + "\n".join(problems), fix="choose another probe, or change its args"
        )
