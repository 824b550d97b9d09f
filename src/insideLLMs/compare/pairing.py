"""Which model of the candidate answers for which model of the baseline."""

from collections.abc import Mapping
from dataclasses import dataclass

from insideLLMs.compare.view import RunView
from insideLLMs.core.errors import CompareError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The models of both sides on one scale: paired models share a rank, and ranks order the baseline's ids."""

    pairs: tuple[tuple[str, str], ...]
    only_baseline: tuple[str, ...]
    only_candidate: tuple[str, ...]
    baseline_ranks: Mapping[str, int]
    candidate_ranks: Mapping[str, int]

    @property
    def same_ids(self) -> bool:
        """Whether equal lines of both sides are the same Trial."""
        return all(baseline == candidate for baseline, candidate in self.pairs)

    @property
    def keeps_order(self) -> bool:
        """Whether the candidate's records are already in the order of the ranks."""
        ranks = [self.candidate_ranks[model] for model in sorted(self.candidate_ranks)]
        return ranks == sorted(ranks)


def pair_models(baseline: RunView, candidate: RunView, wanted: Mapping[str, str]) -> Pairing:
    """Pair the models of two runs: as `wanted` (baseline id -> candidate id), else one with one, else by id.

    Models that `wanted` leaves over, and that have no namesake, stay unpaired. Without `wanted` a model that is
    left over is an error. Raises CompareError that says how to give the pairs.
    """
    left, right = sorted(baseline.models), sorted(candidate.models)
    _check_wanted(wanted, left, right)
    if not wanted and len(left) == 1 and len(right) == 1:
        return _rank({left[0]: right[0]}, left, right)
    taken = set(wanted.values())
    pairs = dict(wanted) | {model: model for model in left if model in right and model not in {*wanted, *taken}}
    pairing = _rank(pairs, left, right)
    if not pairs or (not wanted and (pairing.only_baseline or pairing.only_candidate)):
        raise CompareError(
            f"the models of the two runs cannot be paired by id: baseline {_names(left)}, candidate {_names(right)}",
            fix=f"name each pair: --pair {(pairing.only_baseline or left or ['BASE'])[0]}="
            f"{(pairing.only_candidate or right or ['CAND'])[0]}; models left over are then listed as new or removed",
        )
    return pairing


def _check_wanted(wanted: Mapping[str, str], left: list[str], right: list[str]) -> None:
    for side, ids, known in (("baseline", wanted.keys(), left), ("candidate", wanted.values(), right)):
        for model in ids:
            if model not in known:
                raise CompareError(
                    f"--pair names the model {model!r}, which the {side} does not have",
                    fix=f"the {side} has {_names(known)}; give --pair BASE=CAND",
                )
    doubled = sorted(model for model in set(wanted.values()) if list(wanted.values()).count(model) > 1)
    if doubled:
        raise CompareError(
            f"--pair gives the candidate's model {doubled[0]!r} to two models of the baseline",
            fix="pair each model once: --pair BASE=CAND",
        )


def _rank(pairs: Mapping[str, str], left: list[str], right: list[str]) -> Pairing:
    paired = set(pairs.values())
    only_candidate = tuple(model for model in right if model not in paired)
    baseline_ranks = {model: rank for rank, model in enumerate(left)}
    candidate_ranks = {theirs: baseline_ranks[ours] for ours, theirs in pairs.items()}
    candidate_ranks |= {model: len(left) + rank for rank, model in enumerate(only_candidate)}
    return Pairing(
        pairs=tuple(sorted(pairs.items())),
        only_baseline=tuple(model for model in left if model not in pairs),
        only_candidate=only_candidate,
        baseline_ranks=baseline_ranks,
        candidate_ranks=candidate_ranks,
    )


def _names(models: list[str]) -> str:
    return ", ".join(repr(model) for model in models) or "none"
