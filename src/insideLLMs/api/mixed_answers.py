"""Answers of mixed experiments: the baseline's with some of the candidate's changes, asked of chosen examples."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from insideLLMs.api.counted_calls import CountedCalls
from insideLLMs.api.fresh_answers import Asker, Place, Round
from insideLLMs.api.trusted_runs import TrustedExperiment
from insideLLMs.compare.blame import factors as cut
from insideLLMs.compare.blame.answers import NONE, BudgetEnded, Changes, ItemQuestion
from insideLLMs.compare.blame.factors import Factor, Factors, MixedPart
from insideLLMs.compare.blame.items import AskedItem
from insideLLMs.compare.score_ranges import ScoreRanges
from insideLLMs.core import canonical
from insideLLMs.core.errors import ConfigError, InsideLLMsError, InterruptedRunError, PlanMismatchError
from insideLLMs.core.experiment import Experiment, ModelSpec, ProbeSpec, PromptSpec
from insideLLMs.core.record_views import Facts, FailedRecord
from insideLLMs.core.types import Example
from insideLLMs.store.sealed_run import SealedRun, State, state_of

Say = Callable[[str], None]
_DIGEST_LETTERS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What stands behind one item in both experiments, cut into what changes by itself."""

    model: MixedPart
    prompt: MixedPart
    probe: MixedPart
    example: MixedPart
    like: tuple[ModelSpec, PromptSpec | None, ProbeSpec, Example]

    @property
    def changes(self) -> tuple[int, ...]:
        """The factors that concern the item, those of one part beside each other."""
        found = (number for part in (self.probe, self.model, self.prompt, self.example) for number in part.factors)
        return tuple(dict.fromkeys(found))

    def experiment(self, base: Experiment, applied: Changes) -> Experiment:
        """Return the baseline's experiment of this item's subject and probe, with some of the changes."""
        model, prompt, probe, _ = self.like
        made = cut.made_prompt(self.prompt.mixed(applied), prompt)
        return msgspec.structs.replace(
            base,
            models=(cut.made_model(self.model.mixed(applied), model),),
            prompts=() if made is None else (made,),
            probes=(cut.made_probe(self.probe.mixed(applied), probe),),
        )

    def example_of(self, applied: Changes) -> Example:
        """Return the example with some of the changes."""
        return cut.made_example(self.example.mixed(applied), self.like[3])


def mixtures(
    items: Sequence[AskedItem],
    experiments: tuple[Experiment, Experiment],
    examples: tuple[Mapping[Place, Example], Mapping[Place, Example]],
) -> tuple[list[Mixture], tuple[Factor, ...]]:
    """Cut what stands behind each item, and return with it every factor of the two experiments."""
    known = Factors()
    several = {kind: len({_members(item)[kind] for item in items}) > 1 for kind in ("model", "prompt", "probe")}
    found = []
    for item in items:
        sides = [_side(item, at, experiments[at], examples[at]) for at in (0, 1)]
        (model, prompt, probe, example), (other_model, other_prompt, other_probe, other_example) = sides
        names = _members(item)

        def part(kind: str, pieces: tuple[cut.Pieces, cut.Pieces], names: Mapping[str, str] = names) -> MixedPart:
            title = f"{kind} {names[kind]!r}: " if several.get(kind) else ""
            return known.part((kind, names[kind]), title, *pieces)

        edited = (cut.example_pieces(example), cut.example_pieces(other_example))
        found.append(
            Mixture(
                model=part("model", cut.model_pieces(model, other_model)),
                prompt=part("prompt", cut.prompt_pieces(prompt, other_prompt)),
                probe=part("probe", cut.probe_pieces(probe, other_probe)),
                example=known.part(("dataset", item.datasets[0]), f"dataset {item.datasets[0]!r}: ", *edited),
                like=(model, prompt, probe, example),
            )
        )
    return found, tuple(known.all)


def _members(item: AskedItem) -> dict[str, str]:
    return {"model": item.subjects[0].model, "prompt": item.subjects[0].prompt or "", "probe": item.probe}


def _side(
    item: AskedItem, at: int, experiment: Experiment, examples: Mapping[Place, Example]
) -> tuple[ModelSpec, PromptSpec | None, ProbeSpec, Example]:
    subject = item.subjects[at]
    model = next(spec for spec in experiment.models if spec.id == subject.model)
    prompt = next((spec for spec in experiment.prompts if spec.id == subject.prompt), None)
    probe = next(spec for spec in experiment.probes if spec.id == item.probe)
    return model, prompt, probe, examples[item.probe, item.datasets[at], item.example_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedItems:
    """The items of a blame with what stands behind each, and how an answer to them is read."""

    items: Sequence[AskedItem]
    mixtures: Sequence[Mixture]
    ranges: ScoreRanges


class MixedAsker:
    """Asks questions about items, each round a run directory; one that an earlier start left is taken or finished.

    Equal requests of one batch share an answer, so that what changed in the scoring is scored on one answer; where
    answers are `exact`, those of all batches do. How many calls an answer takes is learned from `stored` runs.
    """

    def __init__(
        self,
        asked: AskedItems,
        base: TrustedExperiment,
        *,
        stored: Iterable[SealedRun],
        into: Path,
        max_calls: int,
        exact: bool,
    ) -> None:
        self._asked, self._base, self._into = asked, base, into
        self._max_calls, self._exact = max_calls, exact
        self._counted = CountedCalls(stored)
        self._rounds = self._batches = 0
        self.calls = self.earlier_calls = 0
        self.unbuilt: set[str] = set()

    def __call__(self, questions: Sequence[ItemQuestion]) -> list[bool | None]:
        """Ask each of them once. Raises BudgetEnded before more is asked than may be, and InsideLLMsError."""
        most = sum(self._counted.most(self._asked.items[question.item].probe) for question in questions)
        if self.calls + most > self._max_calls:
            raise BudgetEnded
        self._batches += 1
        answers: dict[int, bool | None] = {}
        for members in self._grouped(questions).values():
            answers.update(self._ask_round([(at, questions[at]) for at in members]))
        return [answers.get(at) for at in range(len(questions))]

    def _grouped(self, questions: Sequence[ItemQuestion]) -> dict[str, list[int]]:
        """Group questions that one experiment answers: equal models, prompts and probes."""
        groups: dict[str, list[int]] = {}
        for at, question in enumerate(questions):
            experiment = self._asked.mixtures[question.item].experiment(self._base.experiment, question.applied)
            groups.setdefault(_digest(experiment), []).append(at)
        return groups

    def _ask_round(self, members: Sequence[tuple[int, ItemQuestion]]) -> dict[int, bool | None]:
        applied = members[0][1].applied
        mixture = self._asked.mixtures[members[0][1].item]
        experiment = mixture.experiment(self._base.experiment, applied)
        places = {self._place(question.item): (at, question) for at, question in members}
        examples = {
            place: self._asked.mixtures[question.item].example_of(question.applied)
            for place, (_, question) in places.items()
        }
        self._rounds += 1
        said = canonical.identity("blame-round/1", [_digest(experiment), [e.digest() for e in examples.values()]])
        label = f"{self._rounds:03}-{said[-_DIGEST_LETTERS:]}"
        is_earlier = state_of(self._into / label) is State.SEALED
        trusted = replace(self._base, experiment=experiment)
        asker = Asker(trusted, into=self._into, examples=examples, resumes=True, counted=self._counted)
        round_ = Round(
            label=label,
            subject=None,
            places=tuple(sorted(examples)),
            repeats=1,
            session="" if self._exact else f"batch-{self._batches}",
            cassette=self._into / ("answers.jsonl" if self._exact else f"answers-{self._batches:03}.jsonl"),
        )
        try:
            asker.ask(round_)
        except InterruptedRunError as error:
            raise InterruptedRunError(
                error.message, fix="give the same command again: what was answered is not asked twice"
            ) from error
        except PlanMismatchError as error:
            raise InsideLLMsError(error.message, fix="ask everything again, into another folder: --to") from error
        except ConfigError as error:
            if not applied or applied == frozenset(mixture.changes):
                raise
            self.unbuilt.add(error.problems[0].message if error.problems else error.message)
            return {at: False for at, _ in members}  # what cannot be sent makes nothing fall
        self.calls += asker.calls
        self.earlier_calls += asker.calls if is_earlier else 0
        return self._read(SealedRun.open(asker.run_dirs[-1]), places, is_pure=applied == NONE)

    def _read(
        self, run: SealedRun, places: Mapping[Place, tuple[int, ItemQuestion]], *, is_pure: bool
    ) -> dict[int, bool | None]:
        found: dict[int, bool | None] = {}
        statuses: list[str] = []
        for facts in run.records(Facts):
            at, question = places[facts.probe, facts.dataset.removeprefix(f"{facts.probe}."), facts.example_id]
            quality = self._asked.ranges.quality(facts)
            found[at] = None if quality is None else quality < self._asked.items[question.item].cut
            statuses.append(facts.status)
        if is_pure and all(value is None for value in found.values()):
            failures = [record.failure for record in run.records(FailedRecord) if record.failure]
            cause = f"{failures[0].type}: {failures[0].message}" if failures else ", ".join(sorted(set(statuses)))
            raise InsideLLMsError(
                f"the baseline gave no answer when asked again: {cause}",
                fix=f"is the model still served, and is its key set? All answers are in {run.path}",
            )
        return found

    def _place(self, item: int) -> Place:
        one = self._asked.items[item]
        return one.probe, one.datasets[0], one.example_id


def _digest(experiment: Experiment) -> str:
    members = (experiment.models, experiment.prompts, experiment.probes)
    return canonical.identity("mixed/1", msgspec.to_builtins(members))
