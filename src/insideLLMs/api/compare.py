"""Compare sealed runs and decide: what differs, on what the verdict rests, and where its examples are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from insideLLMs.compare.answers.ignored import Ignored
from insideLLMs.compare.answers.levels import LEVELS
from insideLLMs.compare.comparing import CompareOptions, compare_with
from insideLLMs.compare.comparison import Comparison, TrialName
from insideLLMs.compare.gate.decide import Verdict, decide
from insideLLMs.compare.gate.evidence import Confirmed, GateEvidence, NoiseFloor
from insideLLMs.compare.gate.growth import measure_quantities
from insideLLMs.compare.gate.judges import judged_probes, judges_of
from insideLLMs.compare.gate.policies import NEVER, SIGNIFICANT, reads_text_drift
from insideLLMs.compare.human_labels import HumanLabels
from insideLLMs.compare.observations import Observed, Watch
from insideLLMs.compare.one_run.decide import decide_run
from insideLLMs.compare.one_run.verdict import RunVerdict
from insideLLMs.compare.score_ranges import ranges_in_force
from insideLLMs.compare.sides import RunView, experiment_changes, recorded_probes, system_changes, views_of
from insideLLMs.compare.statistics.assess import Assessment
from insideLLMs.compare.statistics.judges import advisory_probes
from insideLLMs.core.errors import CompareError, ConfigError, Problem
from insideLLMs.core.gate_spec import DriftKernel, GateSpec
from insideLLMs.core.since import since_facts
from insideLLMs.report import wording
from insideLLMs.report.notebook import comparison_html
from insideLLMs.store.manifest import Manifest, MemberSpec
from insideLLMs.store.same_run import check_distinct
from insideLLMs.store.sealed_run import RECORDS, SealedRun, content_path

if TYPE_CHECKING:
    from insideLLMs.report.ci.sarif import Places


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DecidedComparison:
    """A comparison, its setup, the policy in force, the gate's verdict, what that rests on, and the two runs shown.

    As text it is what `insidellms diff` prints.
    """

    comparison: Comparison
    policy: GateSpec
    verdict: Verdict
    evidence: GateEvidence
    baseline: SealedRun
    candidate: SealedRun
    setup: "ComparisonSetup"

    def __str__(self) -> str:
        from insideLLMs.report.terminal import render_comparison  # noqa: PLC0415 - drawing takes 50 ms to load

        return render_comparison(self.comparison, self.verdict)

    def __repr__(self) -> str:
        return f"<DecidedComparison {self.baseline.label!r} -> {self.candidate.label!r}: {self.verdict.state}>"

    def _repr_html_(self) -> str:
        return comparison_html(self.comparison, self.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOverrides:
    """What the command line says of the gate; None leaves the experiment's own word.

    `settings` are fields of GateSpec, by name; `policy` stands in for the experiment's.
    """

    policy: GateSpec | None = None
    settings: Mapping[str, object] = field(default_factory=dict)

    def apply(self, spec: GateSpec) -> GateSpec:
        """Return `spec` with what was said here. Raises ConfigError for a value that a setting does not take."""
        changes = {name: value for name, value in self.settings.items() if value is not None}
        try:
            return msgspec.convert({**msgspec.to_builtins(spec), **changes}, GateSpec)
        except msgspec.ValidationError as error:
            raise ConfigError(
                [Problem(str(error), field="gate")], fix="see `insidellms diff --help` for what each setting takes"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSetup:
    """How to compare and decide; the same for the first comparison, a confirmation, a retest and an early stop.

    `gate` overrides the candidate's policy. `noise` is a stored noise floor. `labelled` is a run whose judges scored
    answers that people labelled; `labels` are people's verdicts on answers of the two runs shown. `flips` keeps the
    items that fell, to ask them again; `confirmed` is what came of it.
    `warnings` are shown with those of the comparison. `by_itself` is what the candidate's own conditions came to,
    where that is known already: they concern the first candidate, not its fresh runs.
    """

    options: CompareOptions = field(default_factory=CompareOptions)
    gate: GateOverrides = field(default_factory=GateOverrides)
    noise: NoiseFloor | None = None
    labelled: SealedRun | None = None
    labels: HumanLabels | None = None
    flips: bool = False
    confirmed: Confirmed | None = None
    warnings: tuple[str, ...] = ()
    by_itself: RunVerdict | None = None

    def policy(self, spec: GateSpec) -> GateSpec:
        """Return the policy in force, where `spec` is the candidate's. Raises ConfigError."""
        return self.gate.apply(self.gate.policy or spec)


def compare_runs(
    baseline: Sequence[SealedRun], candidate: Sequence[SealedRun], setup: ComparisonSetup | None = None
) -> DecidedComparison:
    """Compare runs, oldest first, under the candidate's policy.

    Of several runs of a side the last is shown Trial by Trial, and the statistics read all. Raises RunDirectoryError,
    or CompareError, also for a run that is given twice and for baseline runs that are not repeats of each other.
    """
    setup = setup or ComparisonSetup()
    if not baseline:
        raise CompareError("there is no baseline to compare with", fix="name a run directory, or a pool that has one")
    check_distinct(baseline, candidate)
    check_repeats(baseline)
    spec = setup.policy(candidate[-1].gate)
    ignored = Ignored(spec)
    sides = views_of((*baseline, *candidate), ignored, baselines=len(baseline))
    views, news = sides[: len(baseline)], sides[len(baseline) :]
    options = replace(setup.options, ranges=ranges_in_force((*views, *news), spec))
    labels = setup.labels
    if labels is not None:
        probes = [probe.id for probe in candidate[-1].manifest.probes]
        labels = labels.of_probes(sorted(judged_probes(candidate[-1])), probes)
    watch = _watch(spec, setup, labels, has_pool=len(baseline) > 1)
    comparison, observed = compare_with(views, news, options, watch)
    if labels is not None:
        labels.check_found(observed.labelled.values())
    judges = judges_of((*baseline, *candidate[:-1]), candidate[-1], setup.labelled)
    evidence = _evidence(baseline, candidate, observed, setup.noise)
    evidence = replace(
        evidence,
        judges=judges,
        emptied=ignored.emptied,
        confirmed=setup.confirmed,
        by_itself=setup.by_itself or _by_itself(baseline[-1], candidate[-1], spec, setup),
    )
    if spec.max_growth:
        evidence = replace(evidence, quantities=measure_quantities(baseline, candidate, comparison.models, spec))
    comparison = _with_manifests(comparison, baseline[-1], candidate[-1], (*setup.warnings, *ignored.in_words()))
    return DecidedComparison(
        comparison=comparison,
        policy=spec,
        verdict=decide(comparison, spec, evidence),
        evidence=evidence,
        baseline=baseline[-1],
        candidate=candidate[-1],
        setup=replace(setup, options=options),
    )


def _watch(spec: GateSpec, setup: ComparisonSetup, labels: HumanLabels | None, *, has_pool: bool) -> Watch:
    """Return what to look at for this gate; `has_pool` is whether the baseline has several runs."""
    return Watch(
        labels=labels,
        cluster=spec.cluster,
        churn=spec.level,
        churn_of={probe: rule.level for probe, rule in spec.probes.items() if rule.level is not None},
        noise=LEVELS if has_pool and setup.noise is None else (),
        drift=_kernel(spec),
        flips=setup.flips,
    )


def _with_manifests(
    comparison: Comparison, baseline: SealedRun, candidate: SealedRun, warnings: Sequence[str]
) -> Comparison:
    """Add what the manifests say: in what the experiments differ, and what is doubtful of the runs."""
    return msgspec.structs.replace(
        comparison,
        experiment_changes=experiment_changes(baseline, candidate, comparison.models),
        warnings=(
            *warnings,
            *comparison.warnings,
            *_probes_that_differ(baseline, candidate),
            *_stopped_early(candidate),
            *_parts(baseline.manifest, candidate.manifest),
            *wording.skipped_rows(msgspec.to_builtins(candidate.summary)),
            *wording.doubtful_judges(msgspec.to_builtins(candidate.summary)),
        ),
    )


def _by_itself(baseline: SealedRun, candidate: SealedRun, spec: GateSpec, setup: ComparisonSetup) -> RunVerdict | None:
    """Hold the candidate to its conditions; where the caller says that nothing may fail, they are advice."""
    if not spec.is_absolute:
        return None
    if setup.gate.settings.get("fail_on") == NEVER.name:
        spec = spec.without_failures()
    if baseline.summary.part == candidate.summary.part:  # nothing is compared but this part
        spec = msgspec.structs.replace(spec, accept_missing=True)
    return decide_run(candidate, spec).verdict


def assess_part(
    baselines: Sequence[SealedRun], candidate: RunView, spec: GateSpec, setup: ComparisonSetup
) -> Assessment | None:
    """Assess a run that may be unfinished, under its own gate `spec`, over the probes whose mean may fail the gate.

    None if there is no such probe: a policy other than `significant`, or a judge that may not gate.
    """
    spec, views = setup.policy(spec), views_of(baselines)
    options = replace(setup.options, ranges=ranges_in_force((*views, candidate), spec))
    _, observed = compare_with(views, (candidate,), options, Watch(cluster=spec.cluster))
    advisory = advisory_probes(judges_of(baselines[:-1], baselines[-1], setup.labelled))
    probes = {
        name
        for name in observed.probes.values()
        if name not in advisory and spec.of_probe(name).fail_on in {"auto", SIGNIFICANT.name}
    }
    if observed.probes and not probes:
        return None
    evidence = GateEvidence(
        observed=observed,
        baseline_runs=tuple(run.run_id for run in views),
        candidate_runs=(candidate.run_id,),
        noise=setup.noise,
    )
    return evidence.assess(probes, msgspec.structs.replace(spec, fail_on=SIGNIFICANT.name))


def decide_again(found: DecidedComparison, confirmed: Confirmed) -> DecidedComparison:
    """Decide again, now that items were asked again."""
    evidence = replace(found.evidence, confirmed=confirmed)
    verdict = decide(found.comparison, found.policy, evidence)
    return replace(found, evidence=evidence, verdict=verdict, setup=replace(found.setup, confirmed=confirmed))


def _kernel(spec: GateSpec) -> DriftKernel | None:
    """Return the kernel of text drift, if it is asked for."""
    return spec.drift or ("3-gram" if reads_text_drift(spec) else None)


def check_repeats(runs: Sequence[SealedRun]) -> None:
    """Raise CompareError unless the runs are of one system, so that they may count as repeats of each other."""
    for run in runs[:-1]:
        changes = system_changes(run.manifest, runs[-1].manifest)
        if changes:
            raise CompareError(
                f"{run.path} and {runs[-1].path} are not repeats of each other: {'; '.join(changes)}",
                fix="give runs of one experiment; to see what a change did, compare two runs with each other",
            )


def _evidence(
    baseline: Sequence[SealedRun], candidate: Sequence[SealedRun], observed: Observed, noise: NoiseFloor | None
) -> GateEvidence:
    """Name runs by the digest of their records: several runs of one experiment share its id."""
    before, after = [run.manifest for run in baseline], [run.manifest for run in candidate]
    models = [model for manifest in (*before, *after) for model in manifest.models]
    return GateEvidence(
        observed=observed,
        baseline_runs=tuple(manifest.records_root for manifest in before),
        candidate_runs=tuple(manifest.records_root for manifest in after),
        noise=noise,
        scripted=all(map(is_scripted, models)),
        greedy=all(is_scripted(model) or is_greedy(model) for model in models),
        same_experiment=(before[-1].run_id, before[-1].subjects) == (after[-1].run_id, after[-1].subjects),
        recorded=recorded_probes(before[-1], after[-1]),
        parts=_parts(before[-1], after[-1]),
        since=since_facts(after[-1].notes),
        is_whole=len({_extent(manifest) for manifest in (*before, *after)}) == 1,
    )


def _parts(before: Manifest, after: Manifest) -> tuple[str, ...]:
    sides = (("baseline", before.part), ("candidate", after.part))
    return tuple(f"the {name} is {part}" for name, part in sides if part)


def _extent(manifest: Manifest) -> str:
    """Return what was selected of the experiment, whatever that came to; empty for the whole."""
    return str(msgspec.structs.replace(manifest.part, trials=0, of_trials=0)) if manifest.part else ""


def is_scripted(model: MemberSpec) -> bool:
    """Whether the model answers from a script, always alike."""
    parameters = model.identity.get("parameters") or {}
    return model.type == "dummy" and not parameters.get("flaky")


def is_greedy(model: MemberSpec) -> bool:
    """Whether the model is asked not to sample; many answer differently all the same."""
    parameters = model.identity.get("parameters") or {}
    return parameters.get("temperature") == 0


def _probes_that_differ(baseline: SealedRun, candidate: SealedRun) -> tuple[str, ...]:
    """Say which probes were set up differently: their scores may mean something else."""
    before, after = ({probe.id: probe.digest for probe in run.manifest.probes} for run in (baseline, candidate))
    moved = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    if not moved:
        return ()
    return (
        f"these probes are set up differently in the two runs, which may explain different scores: {', '.join(moved)}",
    )


def _stopped_early(candidate: SealedRun) -> tuple[str, ...]:
    if "early_stop" not in candidate.manifest.notes:
        return ()
    return ("the candidate stopped early, so trials are missing; complete it: insidellms run ... --resume",)


def find_places(trials: Iterable[TrialName], *, candidate: Path, experiment: Path | None) -> "Places":
    """Find the examples of `trials` in the datasets of the experiment file, as they are now.

    What is not in a file stands in the experiment file; where none is named, in the candidate's records. Raises
    ConfigError or DatasetError if one of them cannot be read.
    """
    from insideLLMs.config.load import load_experiment  # noqa: PLC0415 - only SARIF needs them
    from insideLLMs.datasets.dataset import find_lines  # noqa: PLC0415
    from insideLLMs.datasets.source import shown  # noqa: PLC0415
    from insideLLMs.report.ci.sarif import Place, Places  # noqa: PLC0415

    if experiment is None:
        return Places(otherwise=Place(shown(content_path(candidate, RECORDS) if candidate.is_dir() else candidate)))
    wanted: dict[str, set[str]] = {}
    for trial in trials:
        wanted.setdefault(trial.dataset, set()).add(trial.example_id)
    known: dict[tuple[str, str], Place] = {}
    for spec in load_experiment(experiment).datasets:
        ids = wanted.get(spec.name, set())
        if spec.path is not None and ids:
            lines, file = find_lines(spec, ids), shown(Path(spec.path))
            known.update(((spec.name, name), Place(file, lines.get(name, 1))) for name in ids)
    return Places(known=known, otherwise=Place(shown(experiment)))
