"""Score the stored answers of a run again, without any call: the result is an ordinary run directory.

The answers of a run that was not finished come to a run that is not finished either, to be resumed; never to a
sealed one that lacks some.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from insideLLMs.api.preparation.example_checks import check_of, complaints
from insideLLMs.api.preparation.members import Site, check_models, make_judges, make_probe, probe_identity
from insideLLMs.api.preparation.prepare import probe_specs
from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run import Run
from insideLLMs.api.run_writer import RunWriter
from insideLLMs.core import canonical
from insideLLMs.core.errors import DatasetError, NothingToDoError, OptionError, RunDirectoryError
from insideLLMs.core.experiment import ExecutionSpec, Experiment, ModelSpec, ProbeSpec, Spec
from insideLLMs.core.protocols import Probe, PromptProbe
from insideLLMs.core.shell_words import as_typed
from insideLLMs.core.since import NOTE
from insideLLMs.core.steps import counted
from insideLLMs.core.thoughts import separate
from insideLLMs.core.types import AskedBy, Example, JsonValue, Outcome, Record, ResultStatus, Telemetry, Usage
from insideLLMs.execute.abandonable import AbandonableThreads
from insideLLMs.execute.asked_models import make_asked_models
from insideLLMs.execute.trial import FatalError, ProbeCalls, score
from insideLLMs.plan import Group, Plan, Trial, make_plan, record_of
from insideLLMs.remote.copies import place_of
from insideLLMs.store.directory import REPLACE_OR_MOVE, RunDirectory
from insideLLMs.store.journal import Journal
from insideLLMs.store.manifest import DatasetFacts, Manifest, MemberSpec
from insideLLMs.store.sealed_run import SealedRun, State, state_of
from insideLLMs.store.unfinished_run import UnfinishedRun

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


class Rescored(Run, frozen=True, kw_only=True):
    """The run that scoring came to; of an unfinished one `scored` is fewer than its trials, and it can be resumed.

    `answered_elsewhere` counts the answers of probes that have more: one that asks the same shares them.
    """

    scored: int
    answered_elsewhere: dict[str, int]

    @property
    def is_finished(self) -> bool:
        """Whether every trial has its record, so that the run was sealed."""
        return self.scored == self.manifest.trials


@dataclass(frozen=True, slots=True)
class _Answers:
    """What one probe of a run was answered over one dataset."""

    facts: DatasetFacts
    run: SealedRun | UnfinishedRun
    probe: str

    def examples(self) -> Iterator[tuple[int, Example]]:
        """Yield each answered example once, with its place among them."""
        rank, previous = -1, None
        for _, record, _ in self.stored():
            if record.example_id != previous:
                rank, previous = rank + 1, record.example_id
                yield rank, record.example

    def stored(self) -> Iterator[tuple[int, Record, Telemetry]]:
        """Yield number, record and telemetry of each Trial in their order; numbers count over the whole run."""
        for index, record, telemetry in _stored(self.run):
            if (record.probe, record.dataset) == (self.probe, self.facts.name):
                yield index, record, telemetry

    def first(self, trials_per_example: int) -> int:
        """Return the number of the first Trial, answered or not."""
        sizes = {each.name: each.selected for each in self.run.manifest.datasets}
        pairs = [(probe.id, name) for probe in self.run.manifest.probes for name in probe.datasets]
        return trials_per_example * sum(
            sizes[name] for probe, name in pairs if (probe, name) < (self.probe, self.facts.name)
        )


def _stored(run: SealedRun | UnfinishedRun) -> Iterator[tuple[int, Record, Telemetry]]:
    """Yield what a run holds. An answer of a sealed run was not asked for again; an unfinished one keeps its costs."""
    if isinstance(run, UnfinishedRun):
        yield from run.journal.answered()
        return
    for index, record in enumerate(run.records(Record)):
        usage = (record.response and record.response.usage) or Usage()
        yield index, record, Telemetry(cached=True, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)


def open_answered(path: Path) -> SealedRun | UnfinishedRun:
    """Open a run whose answers can be scored, finished or not. Raises RunDirectoryError."""
    return UnfinishedRun.open(path) if state_of(path) is State.UNFINISHED else SealedRun.open(path)


async def rescore(run: SealedRun | UnfinishedRun, options: RescoreOptions) -> Rescored:
    """Score `run` again. Raises InsideLLMsError; nothing of `run` is changed."""
    if place_of(options.to) == place_of(run.path):
        raise OptionError(f"{options.to} is the run itself, which stays as it is", fix="choose another --to")
    of = _chosen(run.manifest, options.of)
    prepared = await asyncio.to_thread(_prepare, run, of, options)
    try:
        return await _score_all(run, of, prepared, options)
    finally:
        await prepared.aclose()


async def _score_all(run: SealedRun | UnfinishedRun, of: str, prepared: Prepared, options: RescoreOptions) -> Rescored:
    header = prepared.facts.header(prepared.plan.answers_id)
    directory = await asyncio.to_thread(
        RunDirectory.open, options.to, header, overwrite=options.overwrite, taken_fix=REPLACE_OR_MOVE
    )
    with directory, RunWriter(prepared.facts, directory) as writer:
        calls = ProbeCalls(work=prepared, models=make_asked_models(prepared))
        journal = directory.journal
        for group in prepared.plan.groups:
            await _score_group(group, prepared, (calls, journal), keeps=isinstance(run, UnfinishedRun))
        scored, elsewhere = journal.count_done(), _answered_elsewhere(run, of)
        if scored < prepared.plan.total:
            manifest = prepared.facts.manifest(statuses={})
            summary = prepared.facts.summary_of(entry.record for entry in journal.entries())
        else:
            notes: dict[str, JsonValue] = {"rescored_from": run.manifest.run_id, "rescored_probe": of}
            notes |= {NOTE: run.manifest.notes[NOTE]} if NOTE in run.manifest.notes else {}
            manifest, summary = await asyncio.to_thread(writer.seal, notes)
    return Rescored(path=options.to, manifest=manifest, summary=summary, scored=scored, answered_elsewhere=elsewhere)


def _answered_elsewhere(run: SealedRun | UnfinishedRun, of: str) -> dict[str, int]:
    """Count the answers of each probe of an unfinished run that has more of them than `of`."""
    if not isinstance(run, UnfinishedRun):
        return {}
    counts = Counter(record.probe for _, record, _ in run.journal.answered())
    return {probe: count for probe, count in sorted(counts.items()) if count > counts[of]}


async def _score_group(group: Group, prepared: Prepared, means: tuple[ProbeCalls, Journal], *, keeps: bool) -> None:
    """Score the answers of a group; `keeps` them as answers too, which a resumed run can score otherwise."""
    calls, journal = means
    probe, answers = prepared.probes[group.probe], prepared.datasets[group.dataset]
    assert isinstance(probe, PromptProbe)
    assert isinstance(answers, _Answers)
    plan = prepared.plan
    per_example = plan.total // sum(each.count for each in plan.groups)
    first = answers.first(per_example)
    stored = counted(answers.stored(), f"scoring again: {group.probe}", group.count * per_example)
    for number, (index, record, telemetry) in enumerate(stored, 1):
        if not 0 <= index - first < group.count * per_example:
            raise RunDirectoryError(f"{answers.run.path}: trial {index} is not one of probe {record.probe!r}")
        trial = plan.trial(group, group.offset + index - first, record.example, record.example_digest)
        answer = _answer_of(record, telemetry, _asker(record, group.probe, plan))
        if keeps and answer.shared_with is None:
            journal.append_answer(trial.index, canonical.line(record_of(trial, answer)), answer.telemetry)
        outcome = await _score_again(probe, trial, answer, calls)
        scored = msgspec.structs.replace(record_of(trial, outcome), since=record.since)
        journal.append_record(trial.index, canonical.line(scored), outcome.telemetry)
        if number % _FLUSH_EVERY == 0:
            journal.flush()
            await asyncio.sleep(0)
    journal.flush()


def _asker(record: Record, probe: str, plan: Plan) -> AskedBy | None:
    """Return the Trial that counts the answer; None where it is this one. Of several probes it is the first's."""
    first, earlier = plan.groups[0].probe, record.shared_with or AskedBy(probe=probe)
    is_here = earlier.dataset is None or any(group.dataset == earlier.dataset for group in plan.groups)
    place = (earlier.dataset, earlier.example_id) if is_here else (None, None)
    if probe == first and place == (None, None):
        return None
    return AskedBy(probe=first, dataset=place[0], example_id=place[1])


def _answer_of(record: Record, telemetry: Telemetry, asker: AskedBy | None) -> Outcome:
    """Return a stored answer without its scores; a Trial that had none, or not the whole of it, stays what it was."""
    response = separate(record.response) if record.response else None  # an older release may have stored it
    is_whole = response is not None and (record.failure is None or record.failure.stage == "score")
    if telemetry.shared:  # the Trial that asked does not come along
        usage = (response and response.usage) or Usage()
        telemetry = Telemetry(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    return Outcome(
        status=ResultStatus.SUCCESS if is_whole else record.status,
        request=record.request or record.example.request(),
        response=response,
        failure=None if is_whole else record.failure,
        shared_with=asker,
        telemetry=telemetry if asker is None else Telemetry(shared=True),
    )


async def _score_again(probe: PromptProbe, trial: Trial, answer: Outcome, calls: ProbeCalls) -> Outcome:
    try:
        return await score(probe, trial, answer, calls)
    except FatalError as fatal:
        raise fatal.error from fatal


def _chosen(manifest: Manifest, of: str | None) -> str:
    """Return the probe whose answers are taken. Raises OptionError if that is not clear."""
    known = [probe.id for probe in manifest.probes]
    if of is None and len(known) == 1:
        return known[0]
    if of not in known:
        told = "the run has several probes" if of is None else f"the run has no probe {of!r}"
        raise OptionError(told, fix=f"choose one with --of: {', '.join(known)}")
    return of


def _prepare(run: SealedRun | UnfinishedRun, of: str, options: RescoreOptions) -> Prepared:
    manifest = run.manifest
    source = next(probe for probe in manifest.probes if probe.id == of)
    experiment = _experiment(run, source, options)
    probes = {spec.id: make_probe(spec, options.folder) for spec in experiment.probes}
    facts = {each.name: each for each in manifest.datasets if each.name in source.datasets}
    datasets = {name: _Answers(each, run, of) for name, each in facts.items()}
    if not any(next(each.stored(), None) for each in datasets.values()):
        raise NothingToDoError(
            f"{run.path} has no answers to probe {of!r} yet",
            fix=f"go on with it: insidellms run EXPERIMENT --run-dir {as_typed(run.path)} --resume",
        )
    _check(probes, datasets)
    threads = AbandonableThreads()
    judges, judge_identities = make_judges(probes, Site(folder=options.folder, threads=threads))
    check_models(judges[probe][name] for probe, models in judge_identities.items() for name in models.get("judges", ()))
    identities = {
        spec.id: {**probe_identity(spec, probes[spec.id], options.folder, ready=False), **judge_identities[spec.id]}
        for spec in experiment.probes
    }
    plan = make_plan(
        experiment,
        selections={name: each.selection(manifest.max_examples) for name, each in facts.items()},
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


def _experiment(run: SealedRun | UnfinishedRun, source: MemberSpec, options: RescoreOptions) -> Experiment:
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
        independent_answers=resolved.independent_answers,
        part=msgspec.structs.replace(manifest.part, shard_of=None) if manifest.part else None,  # of another run now
        confidence_level=resolved.confidence_level,
        title=resolved.title,
        execution=ExecutionSpec(timeout_s=options.timeout_s),
    )


def _check(probes: Mapping[str, Probe], datasets: Mapping[str, _Answers]) -> None:
    """Raise unless every probe can score stored answers, and every example is one that it can score."""
    problems: list[str] = []
    for name, probe in probes.items():
        if not isinstance(probe, PromptProbe):
            raise OptionError(
                f"probe {name!r} asks the model itself, so it cannot score stored answers",
                fix="choose a probe that scores a response (a PromptProbe)",
            )
        found = complaints(f"probe {name!r}", check_of(probe), datasets, _MOST_PROBLEMS - len(problems))
        problems += (f"  {complaint.in_words}" for complaint in found)
    if problems:
        raise DatasetError(
            "some examples cannot be scored:\n" + "\n".join(problems), fix="choose another probe, or change its args"
        )
