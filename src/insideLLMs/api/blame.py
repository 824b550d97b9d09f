"""Who did it: the experiments of two runs taken apart, mixed, and asked again until a cause is proved."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from insideLLMs.api.compare import is_greedy, is_scripted
from insideLLMs.api.fresh_answers import Place, examples_of
from insideLLMs.api.mixed_answers import AskedItems, MixedAsker, Mixture, Say, mixtures
from insideLLMs.api.trusted_runs import TrustedExperiment
from insideLLMs.compare.align import align
from insideLLMs.compare.blame.answers import NONE, BudgetEnded, FellCount, ItemQuestion
from insideLLMs.compare.blame.factors import Factor
from insideLLMs.compare.blame.items import Chosen, choose
from insideLLMs.compare.blame.report import (
    BlamedCause,
    BlamePlan,
    BlameReport,
    BlameState,
    Guilt,
    Share,
    judged,
    state_of_outcome,
)
from insideLLMs.compare.blame.search import ALPHA, SIGN, SUSPICIOUS, Found, Panel, SearchOutcome, search
from insideLLMs.compare.differences.identities import differences
from insideLLMs.compare.gate.judges import judged_probes
from insideLLMs.compare.pairing import pair_subjects
from insideLLMs.compare.score_ranges import ScoreRanges, ranges_in_force
from insideLLMs.compare.sides import views_of
from insideLLMs.core.errors import CompareError, InsideLLMsError, OptionError
from insideLLMs.core.experiment import Experiment
from insideLLMs.core.steps import tell
from insideLLMs.core.types import Example
from insideLLMs.store.manifest import MemberSpec
from insideLLMs.store.same_run import check_distinct
from insideLLMs.store.sealed_run import SealedRun, State, state_of

MAX_CALLS = 400
_EXACT, _VARYING = "exact", "varying"
_STEP = "asking with some of the changes"
_LOCAL = frozenset({"embedded", "transformers"})
"""Models that answer alike on one machine, where they do not sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameOptions:
    """How far to go: `into` is where rounds go. `exact` None goes by the models. `pairs` are as for a comparison."""

    into: Path
    max_calls: int = MAX_CALLS
    alpha: float = ALPHA
    exact: bool | None = None
    pairs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 0.5:
            raise OptionError(f"alpha is {self.alpha}; it must be above 0 and at most 0.5")
        if self.max_calls < 1:
            raise OptionError(f"max_calls is {self.max_calls}; it must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameCase:
    """Two runs taken apart: which examples fell, in what the experiments differ, and what cannot be asked."""

    baseline: SealedRun
    candidate: SealedRun
    chosen: Chosen
    mixtures: list[Mixture]
    factors: tuple[Factor, ...]
    ranges: ScoreRanges
    unasked: tuple[str, ...]
    exact: bool

    @property
    def panel(self) -> Panel:
        """The examples as the search numbers them."""
        fallen = (*self.chosen.fallen, *self.chosen.reserve)
        first_stubborn, first_calm = len(fallen), len(fallen) + len(self.chosen.stubborn)
        return Panel(
            changes=[mixture.changes for mixture in self.mixtures],
            fallen=range(len(self.chosen.fallen)),
            balanced=[at for at, item in enumerate(fallen[: self.chosen.balanced]) if item.is_verdict],
            stubborn=range(first_stubborn, first_calm),
            calm=range(first_calm, len(self.mixtures)),
        )

    def plan(self, max_calls: int) -> BlamePlan:
        """Say what would be looked at."""
        return BlamePlan(
            baseline=self.baseline.label,
            candidate=self.candidate.label,
            exact=self.exact,
            fallen=self.chosen.total_fallen,
            looked_at=len(self.chosen.fallen),
            factors=self.factors,
            unasked=self.unasked,
            max_calls=max_calls,
        )


def open_case(
    baseline: SealedRun,
    candidate: SealedRun,
    options: BlameOptions,
    experiments: tuple[Experiment, Experiment] | None = None,
) -> BlameCase:
    """Take two runs apart, with the experiments that may be asked; by default those that are stored. Asks nothing.

    Raises CompareError, RunDirectoryError, or OptionError for runs that cannot be asked again.
    """
    _check_askable(baseline, candidate)
    before, after = views_of((baseline, candidate))
    ranges = ranges_in_force((before, after), candidate.gate)
    chosen = choose(align(before, after, pair_subjects(before, after, options.pairs)), ranges)
    if not chosen.total:
        raise CompareError(
            f"{baseline.path} and {candidate.path} have no scored example in common, so nothing can be blamed",
            fix="give runs of the same examples, in which both sides answered",
        )
    examples = (_examples(baseline, chosen, 0), _examples(candidate, chosen, 1))
    found, factors = mixtures(chosen.items, experiments or (baseline.experiment, candidate.experiment), examples)
    return BlameCase(
        baseline=baseline,
        candidate=candidate,
        chosen=chosen,
        mixtures=found,
        factors=factors,
        ranges=ranges,
        unasked=tuple(_unasked(baseline, candidate)),
        exact=_is_exact(baseline, candidate) if options.exact is None else options.exact,
    )


def _check_askable(baseline: SealedRun, candidate: SealedRun) -> None:
    check_distinct((baseline,), (candidate,))
    for run in (baseline, candidate):
        if "imported" in run.manifest.notes:
            raise OptionError(
                f"{run.path} was imported, and the log of another tool does not say how its model was asked",
                fix="blame runs of an experiment: insidellms run EXPERIMENT",
            )


def _examples(run: SealedRun, chosen: Chosen, at: int) -> dict[Place, Example]:
    places = frozenset((item.probe, item.datasets[at], item.example_id) for item in chosen.items)
    return examples_of(run, places)


def _unasked(baseline: SealedRun, candidate: SealedRun) -> Iterator[str]:
    """Name what differs between the runs and is not in their experiments: code and weights are those of today."""
    for kind, before, after in (
        ("model", baseline.manifest.models, candidate.manifest.models),
        ("probe", baseline.manifest.probes, candidate.manifest.probes),
    ):
        theirs = {spec.id: spec for spec in after}
        for spec in before:
            other = theirs.get(spec.id)
            if other is not None and spec.type == other.type:
                yield from (f"{kind} {spec.id!r}: {move}" for move in differences(_hidden(spec), _hidden(other)))
    before_version, after_version = (run.manifest.library["version"] for run in (baseline, candidate))
    if before_version != after_version:
        yield f"the version of insideLLMs: {before_version} -> {after_version}"


def _hidden(spec: MemberSpec) -> dict[str, object]:
    """Return what identifies a member beside its arguments: digests of code, of files and of weights."""
    return {
        name: value
        for name, value in spec.identity.items()
        if any(word in name for word in ("code", "sha256", "digest", "weights", "files", "version"))
    }


def _is_exact(baseline: SealedRun, candidate: SealedRun) -> bool:
    """Whether equal questions have equal answers: scripts do, and local models that do not sample."""
    runs = (baseline, candidate)
    if any(judged_probes(run) for run in runs):
        return False
    return all(
        is_scripted(model) or (model.type in _LOCAL and is_greedy(model))
        for run in runs
        for model in run.manifest.models
    )


def blame(trusted: tuple[TrustedExperiment, TrustedExperiment], options: BlameOptions, say: Say) -> BlameReport:
    """Find out who did it. Every answer is kept in `options.into`, and a second start pays none of them again.

    Raises InsideLLMsError if a side cannot be asked.
    """
    case = open_case(trusted[0].run, trusted[1].run, options, (trusted[0].experiment, trusted[1].experiment))
    if not case.chosen.fallen:
        return report_nothing(case, options)
    _check_free(options.into)
    asker, outcome = _searched(case, trusted[0], options, say)
    if case.exact and options.exact is None and outcome.provider and _varies(case, asker):
        say("equal questions had different answers, so several answers are taken to each")
        case = replace(case, exact=False)
        asker, outcome = _searched(case, trusted[0], options, say)
    if not (outcome.again.asked or outcome.ended or outcome.provider) and case.factors:
        raise InsideLLMsError(
            f"no example that got worse was answered with the candidate's experiment: see {options.into}",
            fix="is its model still served, and its key set?",
        )
    return _report(case, outcome, options, asker)


def _check_free(into: Path) -> None:
    """Raise OptionError for a folder that holds anything but the answers of a blame."""
    is_run = state_of(into) in {State.SEALED, State.UNFINISHED}
    if is_run or (into.exists() and any(each.name not in {_EXACT, _VARYING} for each in into.iterdir())):
        what = "is a run" if is_run else "holds something else"
        raise OptionError(f"{into} {what}, so nothing is written to it", fix="give another folder, or a new one: --to")


def report_nothing(case: BlameCase, options: BlameOptions) -> BlameReport:
    """Report of two runs between which nothing fell, as far as both sides answered."""
    return _report(case, SearchOutcome(), options, None)


def _searched(
    case: BlameCase, base: TrustedExperiment, options: BlameOptions, say: Say
) -> tuple[MixedAsker, SearchOutcome]:
    asked = AskedItems(items=case.chosen.items, mixtures=case.mixtures, ranges=case.ranges)
    into = options.into / (_EXACT if case.exact else _VARYING)
    runs = (case.baseline, case.candidate)
    asker = MixedAsker(asked, base, stored=runs, into=into, max_calls=options.max_calls, exact=case.exact)

    def ask(questions: Sequence[ItemQuestion]) -> list[bool | None]:
        answers = asker(questions)
        tell(_STEP, asker.calls)
        return answers

    tell(_STEP, 0)
    return asker, search(case.panel, ask, exact=case.exact, alpha=options.alpha, say=say)


def _varies(case: BlameCase, asker: MixedAsker) -> bool:
    """Whether the baseline answers otherwise when it is asked the same once more."""
    questions = [ItemQuestion(item, NONE) for item in case.panel.fallen]
    try:
        first, second = asker(questions), asker(questions)
    except BudgetEnded:
        return False
    return first != second


def _report(case: BlameCase, outcome: SearchOutcome, options: BlameOptions, asker: MixedAsker | None) -> BlameReport:
    tested: Guilt = "did not" if outcome.provider_p is None else "no sign"
    provider: Guilt = "did it" if outcome.provider else "not decided" if _is_provider_open(outcome) else tested
    return BlameReport(
        state=_state(case.chosen, outcome),
        baseline=case.baseline.label,
        candidate=case.candidate.label,
        exact=case.exact,
        alpha=options.alpha,
        fallen=case.chosen.total_fallen,
        unanswered=case.chosen.unanswered,
        looked_at=outcome.looked_at,
        again=_share(outcome.again),
        before=_share(outcome.before),
        rest=_share(outcome.rest),
        factors=judged(case.factors, outcome) if case.chosen.fallen else (),
        causes=tuple(map(_cause, outcome.causes)),
        provider=provider,
        provider_p=outcome.provider_p,
        open_factors=outcome.open_changes,
        unexplained=outcome.unexplained,
        unasked=case.unasked,
        remarks=tuple(_remarks(case, outcome, asker)),
        calls=0 if asker is None else asker.calls,
        earlier_calls=0 if asker is None else asker.earlier_calls,
        max_calls=options.max_calls,
        budget_ended=outcome.ended and not outcome.gave_up,
        rounds=None if asker is None else str(options.into),
    )


def _state(chosen: Chosen, outcome: SearchOutcome) -> BlameState:
    if chosen.fallen:
        return state_of_outcome(outcome)
    return "undecided" if chosen.unanswered else "nothing_fell"


def _is_provider_open(outcome: SearchOutcome) -> bool:
    """Whether too little is known to clear the provider: nothing was asked, or there is a sign of it and no proof."""
    if outcome.provider_p is not None:
        return outcome.provider_p < SIGN
    return outcome.before.asked == 0 or outcome.before.fell >= SUSPICIOUS * outcome.before.asked


def _cause(found: Found) -> BlamedCause:
    return BlamedCause(
        factors=found.changes,
        p=found.p,
        fell=_share(found.fell),
        without=_share(found.without),
        calm=_share(found.calm),
    )


def _share(tally: FellCount) -> Share:
    return Share(fell=tally.fell, asked=tally.asked)


def _remarks(case: BlameCase, outcome: SearchOutcome, asker: MixedAsker | None) -> Iterator[str]:
    """Yield what the reader should know of the evidence."""
    if asker is None:
        return
    yield from (f"some mixture could not be asked: {told}" for told in sorted(asker.unbuilt))
    if not case.exact and outcome.causes and not outcome.vary:
        yield "no answer varied: with a cache before the model, p counts copies; without one, --exact needs fewer calls"
    for cause in outcome.causes:
        if cause.calm.fell > cause.calm.asked / 2:
            names = " and ".join(case.factors[at].name for at in cause.changes)
            yield (
                f"{names}, without the other changes, also fails {cause.calm.fell} of {cause.calm.asked} examples that "
                "the candidate passes: half of the changes may be worse than all of them"
            )
