"""Fresh answers to stored examples: the items that fell confirmed, or both sides run again.

An experiment is rebuilt from its run, over chosen examples, with fresh seeds. Every round is a run directory of its
own, so that each answer can be looked at. Nothing is taken from a cache.
"""

import asyncio
import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from insideLLMs.api.answers import AnswerOptions
from insideLLMs.api.compare import DecidedComparison, GateOverrides, compare_runs, is_greedy, is_scripted
from insideLLMs.api.counted_calls import CountedCalls
from insideLLMs.api.preparation.prepared import Parts, facts_at_hand
from insideLLMs.api.run import Run, RunOptions, arun
from insideLLMs.api.trusted_runs import TrustedExperiment
from insideLLMs.compare.gate.evidence import Confirmed, ConfirmedItem
from insideLLMs.compare.observations import Flip, Observed
from insideLLMs.compare.statistics.confirmation import (
    Answers,
    confirm,
    first_pass_repeats,
    is_dropped,
    judge_pass,
    second_pass_repeats,
)
from insideLLMs.core import canonical
from insideLLMs.core.errors import InsideLLMsError, UnknownPluginError
from insideLLMs.core.experiment import DatasetSpec, Experiment, ModelSpec, ProbeSpec
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Example, JsonValue, Record, Response
from insideLLMs.plugins import model_registry
from insideLLMs.report import wording
from insideLLMs.store.manifest import DatasetFacts
from insideLLMs.store.sealed_run import SealedRun

Place = tuple[str, str, str]
"""Where an example stands: probe, dataset, example id."""
_SEED_RANGE = 2**31 - 1
_NO_CACHE = {"Cache-Control": "no-cache"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of questions to one side: `repeats` answers of each example by `subject` (None is every one).

    `label` names the round's folder. Seeds start from the `session` or, where that is None, from the label; with an
    empty one the models keep their own. Rounds with one `cassette` ask equal requests once.
    """

    label: str
    subject: Subject | None
    places: tuple[Place, ...]
    repeats: int
    session: str | None = None
    cassette: Path | None = None


class _Chosen:
    """Examples that are at hand, as a dataset."""

    def __init__(self, name: str, examples: Sequence[Example]) -> None:
        self._name = name
        self._examples = sorted(examples, key=lambda example: example.id)

    def examples(self) -> Iterator[tuple[int, Example]]:
        return iter(enumerate(self._examples))

    @property
    def facts(self) -> DatasetFacts:
        return facts_at_hand(self._name, self._examples)


class Asker:
    """Asks one run's models again; `into` is where rounds go. Where it `resumes`, a round that is there goes on."""

    def __init__(
        self,
        trusted: TrustedExperiment,
        *,
        into: Path,
        examples: Mapping[Place, Example],
        resumes: bool = False,
        counted: CountedCalls | None = None,
    ) -> None:
        self._experiment = trusted.experiment
        self._folder = trusted.folder
        self._into = into
        self._examples = examples
        self._resumes = resumes
        self.run_dirs: list[Path] = []
        self.calls = 0
        self._counted = counted or CountedCalls()

    def ask(self, round_: Round) -> list[Record]:
        """Ask, and return the records. Raises InsideLLMsError."""
        experiment, parts = self._narrowed(round_)
        path = self._into / round_.label
        options = RunOptions(
            run_dir=path,
            overwrite=True,
            resume=self._resumes,
            handle_signals=self._resumes,
            notes={"asked_again": round_.label},
            answers=AnswerOptions(record=round_.cassette, missing=round_.cassette is not None),
        )
        run: Run = asyncio.run(arun(experiment, folder=self._folder, options=options, parts=parts))
        self.run_dirs.append(run.path)
        self.calls += self._counted.count(SealedRun.open(run.path))
        return list(SealedRun.open(run.path).records(Record))

    def _narrowed(self, round_: Round) -> tuple[Experiment, Parts]:
        wanted: dict[str, dict[str, list[Example]]] = {}
        for place in round_.places:
            wanted.setdefault(place[0], {}).setdefault(f"{place[0]}.{place[1]}", []).append(self._examples[place])
        probes = tuple(
            ProbeSpec(type=spec.type, id=spec.id, args=spec.args, datasets=tuple(sorted(wanted[spec.id])))
            for spec in self._experiment.probes
            if spec.id in wanted
        )
        sources = {name: _Chosen(name, found) for own in wanted.values() for name, found in own.items()}
        subject = round_.subject
        models = [spec for spec in self._experiment.models if subject is None or spec.id == subject.model]
        prompts = [spec for spec in self._experiment.prompts if subject is None or spec.id == subject.prompt]
        seed = round_.session
        if seed is None:
            seed = f"{round_.label}/{canonical.identity('places/1', [list(place) for place in round_.places])}"
        narrowed = msgspec.structs.replace(
            self._experiment,
            models=tuple(reseeded(model, seed) if seed else model for model in models),
            prompts=tuple(prompts),
            probes=probes,
            datasets=tuple(DatasetSpec(name=name, format="inline") for name in sorted(sources)),
            repeats=round_.repeats,
            max_examples=None,
        )
        return narrowed, Parts(datasets=sources)


def reseeded(model: ModelSpec, label: str) -> ModelSpec:
    """Return the model with another seed, if it takes one, and a header that asks caches to keep out of it."""
    try:
        known = inspect.signature(model_registry.get_factory(model.type)).parameters
    except UnknownPluginError:
        return model
    args: dict[str, JsonValue] = dict(model.args)
    headers = args.get("headers", {})
    if "headers" in known and isinstance(headers, dict):
        args["headers"] = {**_NO_CACHE, **headers}
    if "seed" in known and args.get("seed", known["seed"].default) is not None:
        digest = hashlib.sha256(f"{args.get('seed')}|{label}".encode()).digest()
        args["seed"] = int.from_bytes(digest[:8]) % _SEED_RANGE
    return msgspec.structs.replace(model, args=args)


def examples_of(run: SealedRun, places: frozenset[Place] | None) -> dict[Place, Example]:
    """Return the examples of a run at `places`, or all of them."""
    found: dict[Place, Example] = {}
    for record in run.records(Record):
        place = (record.probe, record.dataset, record.example_id)
        if places is None or place in places:
            found[place] = record.example
    return found


_TRIES_BEFORE_DROPPING = 2
"""How often every item is asked before those that passed each time are left alone."""
_CONTROL_REPEATS = 6
"""How often each side answers an item that did not flip, where no fresh answer has varied yet."""
Say = Callable[[str], None]
Tallies = dict[str, tuple[int, int]]
"""Passes and answers by item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What may be asked of both sides, and where rounds go."""

    baseline: TrustedExperiment
    candidate: TrustedExperiment
    into: Path


def confirm_items(seen: Observed, sides: Sides, say: Say) -> Confirmed:
    """Ask the flipped items again, and decide by the fresh answers alone.

    They count if each answer is a new draw, so answers of one round must vary, if need be of an item that did not flip.
    Where a model that samples words equal verdicts differently, every confirmed item must vary on both sides: a cache
    may keep some prompts only. What hinders it (an endpoint that is gone, a key, copies for answers) makes the finding
    `unavailable`.
    """
    if not seen.flips:
        return Confirmed(selected=0)
    try:
        return _Confirming(seen, sides, say).run()
    except InsideLLMsError as error:
        return Confirmed(selected=len(seen.flips), unavailable=error.message)


class _Confirming:
    def __init__(self, seen: Observed, sides: Sides, say: Say) -> None:
        self._selected = len(seen.flips)
        self._controls = tuple(map(_name, seen.controls))
        self._flips = {_name(flip): flip for flip in (*seen.flips, *seen.controls)}
        self._places: dict[str, Place] = {
            name: (seen.probes[flip.probe], flip.dataset, flip.example_id) for name, flip in self._flips.items()
        }
        self._say = say
        examples = examples_of(sides.candidate.run, frozenset(self._places.values()))
        self._askers = {
            "baseline": Asker(sides.baseline, into=sides.into, examples=examples),
            "candidate": Asker(sides.candidate, into=sides.into, examples=examples),
        }
        models = (*sides.baseline.run.manifest.models, *sides.candidate.run.manifest.models)
        self._may_repeat = all(is_scripted(model) for model in models)
        self._is_greedy = all(is_scripted(model) or is_greedy(model) for model in models)
        self._answers: dict[tuple[str, str, str], set[tuple[bool, bytes]]] = {}

    def run(self) -> Confirmed:
        first = self._first_pass()
        kept = judge_pass(first).confirmed
        second: dict[str, Answers] = {}
        if kept and not self._are_drawn_again():
            told = "no fresh answer differs from another of its item (a cache, a fixed seed or a greedy model), so "
            told += "they confirm nothing"
            return Confirmed(selected=self._selected, calls=self._calls(), run_dirs=self._run_dirs(), unavailable=told)
        if kept:
            repeats = second_pass_repeats(len(kept))
            self._say(f"second pass: {len(kept)} items, {repeats} answers a side")
            after = self._ask("candidate", "4-candidate", kept, repeats)
            before = self._ask("baseline", "5-baseline", kept, repeats)
            second = {name: _answers(before, after, name) for name in kept if self._is_drawn_again(name)}
            if not second:
                told = (
                    f"the fresh answers of {wording.many(len(kept), 'item')} that fell again are copies of each other "
                )
                told += "on a side, unlike those of other items (a cache keeps some prompts?), so they confirm nothing"
                return Confirmed(
                    selected=self._selected, calls=self._calls(), run_dirs=self._run_dirs(), unavailable=told
                )
        found = confirm(first, second)
        return Confirmed(
            selected=self._selected,
            items=tuple(self._item(name, found.item_p[name], (first[name], second[name])) for name in found.confirmed),
            calls=self._calls(),
            run_dirs=self._run_dirs(),
        )

    def _first_pass(self) -> dict[str, Answers]:
        """Ask the candidate twice, then those that did not pass both times as often as it takes, then the baseline."""
        names = tuple(self._flips)[: self._selected]
        repeats = first_pass_repeats(len(names))
        self._say(f"first pass: {len(names)} items, up to {repeats} answers a side")
        after = self._ask("candidate", "1-candidate", names, _TRIES_BEFORE_DROPPING)
        left = tuple(name for name in names if not is_dropped(after[name][0]))
        if left:
            more = self._ask("candidate", "2-candidate", left, repeats - _TRIES_BEFORE_DROPPING)
            after = {name: _sum(after[name], more.get(name, (0, 0))) for name in names}
        left = tuple(name for name in left if not is_dropped(after[name][0]))
        before = self._ask("baseline", "3-baseline", left, repeats) if left else {}
        return {name: _answers(before, after, name) for name in names}

    def _ask(self, side: str, label: str, names: Sequence[str], repeats: int) -> Tallies:
        passes: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        by_subject: dict[Subject, list[str]] = {}
        for name in names:
            flip = self._flips[name]
            by_subject.setdefault(flip.baseline_subject if side == "baseline" else flip.candidate_subject, []).append(
                name
            )
        for number, (subject, own) in enumerate(sorted(by_subject.items(), key=lambda item: item[0].order)):
            named = {self._places[name]: name for name in own}
            suffix = f"-{number + 1}" if len(by_subject) > 1 else ""
            round_ = Round(label=f"{label}{suffix}", subject=subject, places=tuple(sorted(named)), repeats=repeats)
            for record in self._askers[side].ask(round_):
                name = named[record.probe, record.dataset.removeprefix(f"{record.probe}."), record.example_id]
                if record.scores is not None and record.scores.passed is not None:
                    asked[name] += 1
                    passes[name] += record.scores.passed
                    said = (record.scores.passed, _spelling(record))
                    self._answers.setdefault((side, name, label), set()).add(said)
        if not asked:
            raise InsideLLMsError(f"the {side} gave no answer when asked again")
        return {name: (passes[name], asked[name]) for name in names}

    def _are_drawn_again(self) -> bool:
        """Whether some answer varies; asks items that did not flip where those that did leave it open."""
        if self._may_repeat or self._has_variety():
            return True
        for side in ("candidate", "baseline") if self._controls else ():
            self._say(f"controls: {len(self._controls)} items that did not flip, {_CONTROL_REPEATS} answers, {side}")
            self._ask(side, f"controls-{side}", self._controls, _CONTROL_REPEATS)
            if self._has_variety():
                return True
        return False

    def _has_variety(self) -> bool:
        """Whether the answers of some round to an item vary; those of two rounds may be copies within each."""
        return any(len(answers) > 1 for answers in self._answers.values())

    def _is_drawn_again(self, name: str) -> bool:
        """Whether nothing suggests that an item's answers come from a cache that others do not come from."""
        if self._may_repeat or self._is_greedy:
            return True
        groups = self._answers.values()
        are_worded = any(len(said) > len({passed for passed, _ in said}) for said in groups)
        varied = {side for (side, item, _), said in self._answers.items() if item == name and len(said) > 1}
        return len(varied) == 2 or not are_worded

    def _item(self, name: str, p: float, passes: tuple[Answers, Answers]) -> ConfirmedItem:
        flip = self._flips[name]
        return ConfirmedItem(
            probe=flip.probe,
            dataset=flip.dataset,
            example_id=flip.example_id,
            model=flip.candidate_subject.label,
            p=p,
            baseline_passes=sum(found.baseline_passes for found in passes),
            baseline_asked=sum(found.baseline_asked for found in passes),
            candidate_passes=sum(found.candidate_passes for found in passes),
            candidate_asked=sum(found.candidate_asked for found in passes),
        )

    def _calls(self) -> int:
        return sum(asker.calls for asker in self._askers.values())

    def _run_dirs(self) -> tuple[str, ...]:
        return tuple(sorted(str(path) for asker in self._askers.values() for path in asker.run_dirs))


def _name(flip: Flip) -> str:
    return "\0".join((flip.probe, flip.dataset, flip.example_id, flip.candidate_subject.label))


def _sum(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    return one[0] + two[0], one[1] + two[1]


def _answers(before: Tallies, after: Tallies, name: str) -> Answers:
    """Join the sides; a dropped item has no answers of the baseline."""
    ours, theirs = before.get(name, (0, 0)), after[name]
    return Answers(
        baseline_passes=ours[0], baseline_asked=ours[1], candidate_passes=theirs[0], candidate_asked=theirs[1]
    )


def _spelling(record: Record) -> bytes:
    """Return all that a model said, without what the provider says of the call."""
    said = record.response or Response()
    return canonical.line([said.text, said.value, [[call.name, call.arguments] for call in said.calls]])


RUNS = 3
"""How many fresh runs of each side a retest makes."""


def retest(decided: DecidedComparison, sides: Sides, say: Say) -> DecidedComparison:
    """Run both sides again over the examples that both have, and decide by these runs alone, under the same setup.

    Raises InsideLLMsError if a side cannot be asked again.
    """
    baseline, candidate = decided.baseline, decided.candidate
    known: dict[tuple[str, str], list[Example]] = {}  # whatever a dataset is called: `diff` does not go by that either
    for (probe, _, name), example in examples_of(baseline, None).items():
        known.setdefault((probe, name), []).append(example)
    examples = {
        place: found
        for place, found in examples_of(candidate, None).items()
        if found in known.get((place[0], place[2]), ())
    }
    if not examples:
        raise InsideLLMsError(
            f"{baseline.path} and {candidate.path} have no unedited example in common, so nothing can be asked again",
            fix="retest runs of the same examples",
        )
    fresh: dict[str, list[SealedRun]] = {}
    for side, trusted in (("baseline", sides.baseline), ("candidate", sides.candidate)):
        asker = Asker(trusted, into=sides.into, examples=examples)
        for number in range(1, RUNS + 1):
            say(f"retest: {side}, run {number} of {RUNS}")
            asker.ask(Round(label=f"{side}-{number}", subject=None, places=tuple(sorted(examples)), repeats=1))
        fresh[side] = [SealedRun.open(path) for path in asker.run_dirs]
    gate = GateOverrides(policy=decided.policy, settings={"fail_on": decided.verdict.resolved})
    found = compare_runs(
        fresh["baseline"],
        fresh["candidate"],
        replace(decided.setup, gate=gate, by_itself=decided.evidence.by_itself, labels=None),  # of other answers
    )
    first = decided.verdict.assessment
    told = f"decided by {RUNS} fresh runs of each side alone"
    if first is not None:
        told += f"; the first comparison had a gate p of {first.p_gate:.2g}"
    return replace(found, verdict=msgspec.structs.replace(found.verdict, remarks=(*found.verdict.remarks, told)))
