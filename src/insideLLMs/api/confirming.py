"""Item confirmation: ask the items that went from pass to fail again, of both sides, in two passes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from insideLLMs.api.again import Asker, Place, Round, examples_of
from insideLLMs.api.compare import is_greedy, is_scripted
from insideLLMs.compare.basis import Confirmed, ConfirmedItem
from insideLLMs.compare.observations import Flip
from insideLLMs.compare.statistics.confirmation import (
    Answers,
    confirm,
    first_pass_repeats,
    is_dropped,
    judge_pass,
    second_pass_repeats,
)
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.types import Record
from insideLLMs.store.sealed_run import SealedRun

_TRIES_BEFORE_DROPPING = 2
"""How often every item is asked before those that passed each time are left alone."""
_COPIES_FROM = 5
"""From so many items on, fresh answers that never differ are copies of each other."""
Say = Callable[[str], None]
Tallies = dict[str, tuple[int, int]]
"""Passes and answers by item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two runs, the flipped items, and where rounds go."""

    baseline: SealedRun
    candidate: SealedRun
    folder: Path
    into: Path


def confirm_items(flips: Sequence[Flip], probes: Mapping[str, str], sides: Sides, say: Say) -> Confirmed:
    """Ask the flipped items again and judge the fresh answers alone; `probes` maps a flip's probe to the real one.

    What hinders it (an endpoint that is gone, a key, copies for answers) makes the finding `unavailable`.
    """
    if not flips:
        return Confirmed(selected=0)
    try:
        return _Confirming(flips, probes, sides, say).run()
    except InsideLLMsError as error:
        return Confirmed(selected=len(flips), unavailable=error.message)


class _Confirming:
    def __init__(self, flips: Sequence[Flip], probes: Mapping[str, str], sides: Sides, say: Say) -> None:
        self._flips = {_name(flip): flip for flip in flips}
        self._places: dict[str, Place] = {
            name: (probes[flip.probe], flip.dataset, flip.example_id) for name, flip in self._flips.items()
        }
        self._say = say
        examples = examples_of(sides.candidate, frozenset(self._places.values()))
        self._askers = {
            "baseline": Asker(sides.baseline, folder=sides.folder, into=sides.into, examples=examples),
            "candidate": Asker(sides.candidate, folder=sides.folder, into=sides.into, examples=examples),
        }
        models = (*sides.baseline.manifest.models, *sides.candidate.manifest.models)
        self._may_repeat = all(is_scripted(model) or is_greedy(model) for model in models)
        self._texts: dict[str, set[str]] = {}

    def run(self) -> Confirmed:
        first = self._first_pass()
        kept = judge_pass(first).confirmed
        second: dict[str, Answers] = {}
        if kept and self._has_copies():
            told = "the fresh answers are copies of each other (a cache or a fixed seed), so they confirm nothing"
            return Confirmed(
                selected=len(self._flips), calls=self._calls(), run_dirs=self._run_dirs(), unavailable=told
            )
        if kept:
            repeats = second_pass_repeats(len(kept))
            self._say(f"second pass: {len(kept)} items, {repeats} answers a side")
            after = self._ask("candidate", "4-candidate", kept, repeats)
            before = self._ask("baseline", "5-baseline", kept, repeats)
            second = {name: _answers(before, after, name) for name in kept}
        found = confirm(first, second)
        return Confirmed(
            selected=len(self._flips),
            items=tuple(self._item(name, found.item_p[name], (first[name], second[name])) for name in found.confirmed),
            calls=self._calls(),
            run_dirs=self._run_dirs(),
        )

    def _first_pass(self) -> dict[str, Answers]:
        """Ask the candidate twice, then those that did not pass both times as often as it takes, then the baseline."""
        names = tuple(self._flips)
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
        by_model: dict[str, list[str]] = {}
        for name in names:
            flip = self._flips[name]
            by_model.setdefault(flip.baseline_model if side == "baseline" else flip.candidate_model, []).append(name)
        for number, (model, own) in enumerate(sorted(by_model.items())):
            named = {self._places[name]: name for name in own}
            suffix = f"-{number + 1}" if len(by_model) > 1 else ""
            round_ = Round(label=f"{label}{suffix}", model=model, places=tuple(sorted(named)), repeats=repeats)
            for record in self._askers[side].ask(round_):
                name = named[record.probe, record.dataset.removeprefix(f"{record.probe}."), record.example_id]
                if record.scores is not None and record.scores.passed is not None:
                    asked[name] += 1
                    passes[name] += record.scores.passed
                    if side == "candidate":
                        self._texts.setdefault(name, set()).add(_text(record))
        if not asked:
            raise InsideLLMsError(f"the {side} gave no answer when asked again")
        return {name: (passes[name], asked[name]) for name in names}

    def _has_copies(self) -> bool:
        alike = all(len(texts) == 1 for texts in self._texts.values())
        return alike and not self._may_repeat and len(self._texts) >= _COPIES_FROM

    def _item(self, name: str, p: float, passes: tuple[Answers, Answers]) -> ConfirmedItem:
        flip = self._flips[name]
        return ConfirmedItem(
            probe=flip.probe,
            dataset=flip.dataset,
            example_id=flip.example_id,
            model=flip.candidate_model,
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
    return "\0".join((flip.probe, flip.dataset, flip.example_id, flip.candidate_model))


def _sum(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
    return one[0] + two[0], one[1] + two[1]


def _answers(before: Tallies, after: Tallies, name: str) -> Answers:
    """Join the sides; a dropped item has no answers of the baseline."""
    ours, theirs = before.get(name, (0, 0)), after[name]
    return Answers(
        baseline_passes=ours[0], baseline_asked=ours[1], candidate_passes=theirs[0], candidate_asked=theirs[1]
    )


def _text(record: Record) -> str:
    return record.response.text if record.response is not None else ""
