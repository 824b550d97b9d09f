"""Which subject of the baseline is compared with which of the candidate: models are paired, and so are prompts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from insideLLMs.compare.sides import RunView
from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import CompareError
from insideLLMs.core.repeated_keys import repeated
from insideLLMs.core.subject import Subject

Ranks = Mapping[Subject, int]
"""The place of each subject on a scale that both sides share."""
Wanted = Mapping[str, str]
"""What stands for what: a model, a prompt or a subject of the baseline, and its counterpart in the candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The subjects of both sides on one scale: paired ones share a rank, and ranks order the baseline's."""

    pairs: tuple[tuple[Subject, Subject], ...]
    only_baseline: tuple[Subject, ...]
    only_candidate: tuple[Subject, ...]
    baseline_ranks: Ranks
    candidate_ranks: Ranks

    @property
    def same_names(self) -> bool:
        """Whether equal lines of both sides are the same Trial."""
        return all(baseline == candidate for baseline, candidate in self.pairs)

    @property
    def keeps_order(self) -> bool:
        """Whether the candidate's records are already in the order of the ranks."""
        ranks = [self.candidate_ranks[one] for one in sorted(self.candidate_ranks, key=lambda one: one.order)]
        return ranks == sorted(ranks)


def pair_subjects(baseline: RunView, candidate: RunView, wanted: Wanted) -> Pairing:
    """Pair the subjects of two runs by their models and prompts, but as `wanted` where it names them.

    Models, and prompts, are paired as `wanted`, else one with one, else by id. What `wanted` leaves over, and has no
    namesake, stays unpaired; without `wanted` it is an error, unless a run is of a part of its experiment. Raises
    CompareError that says how to give the pairs.
    """
    chosen = _Chosen.of(wanted, baseline, candidate)
    is_free = not (chosen.models or chosen.subjects or baseline.is_part or candidate.is_part)
    models = _pair_names("model", baseline.models, candidate.models, chosen.models, is_free=is_free)
    prompts = _pair_prompts(baseline, candidate, chosen)
    known = set(candidate.subjects) - set(chosen.subjects.values())
    pairs = dict(chosen.subjects)
    for subject in baseline.subjects:
        other = Subject(models.get(subject.model, ""), prompts.get(subject.prompt))
        if subject not in pairs and other in known and subject.prompt in prompts:
            pairs[subject] = other
    return _rank(pairs, baseline.subjects, candidate.subjects)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What was asked for, sorted by what it names."""

    models: dict[str, str]
    prompts: dict[str, str]
    subjects: dict[Subject, Subject]

    @classmethod
    def of(cls, wanted: Wanted, baseline: RunView, candidate: RunView) -> "_Chosen":
        """Look up every name. Raises CompareError for one that a side does not have, or that is named twice."""
        chosen = cls({}, {}, {})
        for ours, theirs in wanted.items():
            _check_known(ours, "baseline", baseline)
            _check_known(theirs, "candidate", candidate)
            if ours in baseline.models and theirs in candidate.models:
                chosen.models[ours] = theirs
            elif ours in baseline.prompts and theirs in candidate.prompts:
                chosen.prompts[ours] = theirs
            else:
                chosen.subjects.update(_subjects_named(ours, theirs, baseline, candidate))
        doubled = sorted(repeated(wanted.values()))
        if doubled:
            raise CompareError(
                f"--pair gives the candidate's {doubled[0]!r} to two of the baseline",
                fix="pair each model or prompt once: --pair BASE=CAND",
            )
        return chosen


def _check_known(name: str, side: str, view: RunView) -> None:
    known = view.names
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}? " if near else ""
        raise CompareError(
            f"--pair names {name!r}, which the {side} does not have",
            fix=f"{hint}the {side} has {_listed(known)}; give --pair BASE=CAND",
        )


def _subjects_named(ours: str, theirs: str, baseline: RunView, candidate: RunView) -> dict[Subject, Subject]:
    before = {subject.label: subject for subject in baseline.subjects}.get(ours)
    after = {subject.label: subject for subject in candidate.subjects}.get(theirs)
    if before is None or after is None:
        raise CompareError(
            f"--pair {ours}={theirs} does not pair like with like",
            fix="pair a model with a model, a prompt with a prompt, or 'MODEL · PROMPT' with 'MODEL · PROMPT'",
        )
    return {before: after}


def _pair_prompts(baseline: RunView, candidate: RunView, chosen: _Chosen) -> dict[str | None, str | None]:
    """Pair prompts as models are; a side that has none has one that is not named."""
    left, right = baseline.prompts, candidate.prompts
    if len(left) <= 1 and len(right) <= 1 and not chosen.prompts:
        return {next(iter(left), None): next(iter(right), None)}
    is_free = not (chosen.prompts or chosen.subjects or baseline.is_part or candidate.is_part)
    found: dict[str | None, str | None] = {}
    found.update(_pair_names("prompt", left, right, chosen.prompts, is_free=is_free))
    return found


def _pair_names(
    noun: str, left: Sequence[str], right: Sequence[str], wanted: Wanted, *, is_free: bool
) -> dict[str, str]:
    """Pair ids: as wanted, else one with one, else by id.

    Raises CompareError for those left over, unless they may be (not `is_free`): some were named, or a side is a part.
    """
    if not wanted and len(left) == 1 and len(right) == 1:
        return {left[0]: right[0]}
    taken = set(wanted.values())
    pairs = dict(wanted) | {name: name for name in left if name in right and name not in {*wanted, *taken}}
    over = [name for name in left if name not in pairs], [name for name in right if name not in pairs.values()]
    if is_free and any(over):
        raise CompareError(
            f"the {noun}s of the two runs cannot be paired by id: baseline {_listed(left)}, candidate {_listed(right)}",
            fix=f"name each pair: --pair {(over[0] or list(left) or ['BASE'])[0]}="
            f"{(over[1] or list(right) or ['CAND'])[0]}; {noun}s left over are then listed as new or removed",
        )
    return pairs


def _rank(pairs: Mapping[Subject, Subject], left: Sequence[Subject], right: Sequence[Subject]) -> Pairing:
    paired = set(pairs.values())
    only_candidate = tuple(subject for subject in right if subject not in paired)
    baseline_ranks = {subject: rank for rank, subject in enumerate(left)}
    candidate_ranks = {theirs: baseline_ranks[ours] for ours, theirs in pairs.items()}
    candidate_ranks |= {subject: len(left) + rank for rank, subject in enumerate(only_candidate)}
    return Pairing(
        pairs=tuple(sorted(pairs.items(), key=lambda pair: pair[0].order)),
        only_baseline=tuple(subject for subject in left if subject not in pairs),
        only_candidate=only_candidate,
        baseline_ranks=baseline_ranks,
        candidate_ranks=candidate_ranks,
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
