"""Narrow what is prepared to one shard of its examples, so that all shards together ask what the whole run asks.

An example's shard follows from its id. Examples that share an answer stay together, in the shard of the smallest of
their ids.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from insideLLMs.api.preparation.prepared import Prepared, Source
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.part import Part
from insideLLMs.core.shard import Shard
from insideLLMs.core.types import Example
from insideLLMs.execute.questions import shared_requests
from insideLLMs.plan import Plan, make_plan
from insideLLMs.store.manifest import DatasetFacts

_ELSEWHERE = -1
Spot = tuple[str, int]
"""An example: the dataset that it is read from, and its rank there."""


def take_shard(whole: Prepared, shard: Shard) -> Prepared:
    """Return the part of `whole` that a shard runs: marked as a part, with its share of every limit.

    Reads the datasets, and makes every request once, to find the examples that share an answer.
    """
    together = _Together(whole.plan)
    repeated = {}
    if whole.sharing == "shared":
        repeated = {model: shared_requests(whole, model, together.join) for model in whole.plan.models}
    owners = together.owners(whole.datasets)
    own: dict[str, Source] = {}
    source_of = {group.dataset: group.source for group in whole.plan.groups}
    for name, source in whole.datasets.items():
        read_as = source_of.get(name, name)
        ids = ((rank, owners.get((read_as, rank), example.id)) for rank, example in source.examples())
        own[name] = _OwnExamples.of(source, (rank for rank, owner in ids if shard.owns(owner)))
    return _narrowed(whole, own, shard, repeated)


def _narrowed(
    whole: Prepared, own: Mapping[str, Source], shard: Shard, repeated: Mapping[str, frozenset[bytes]]
) -> Prepared:
    before, per_example = whole.experiment.part, len(whole.plan.subjects) * whole.plan.repeats
    trials = per_example * sum(own[group.dataset].facts.selected for group in whole.plan.groups)
    part = before or Part(trials=0, of_trials=whole.plan.total)
    part = msgspec.structs.replace(part, trials=trials, shard=shard, shard_of=whole.plan.run_id)
    experiment = msgspec.structs.replace(whole.experiment, part=part)
    plan = make_plan(
        experiment,
        selections={name: source.facts.selection(experiment.max_examples) for name, source in own.items()},
        model_identities={spec.id: spec.identity for spec in whole.model_specs},
        probe_identities={spec.id: spec.identity for spec in whole.probe_specs},
    )
    return msgspec.structs.replace(
        whole,
        experiment=experiment,
        plan=msgspec.structs.replace(plan, answers_id=""),  # other probes may split the examples otherwise
        datasets=own,
        execution=divide(whole.execution, shard),
        repeated=repeated,
    )


def divide(execution: ExecutionSpec, shard: Shard) -> ExecutionSpec:
    """Return a shard's share of the limits of a run: of concurrency and tokens one at least."""
    count = shard.count
    most = execution.max_tokens
    return msgspec.structs.replace(
        execution,
        concurrency=max(1, shard.whole_share(execution.concurrency)),
        requests_per_minute=_divided(execution.requests_per_minute, count),
        tokens_per_minute=_divided(execution.tokens_per_minute, count),
        max_tokens=None if most is None else max(1, shard.whole_share(most)),
        max_cost_usd=_divided(execution.max_cost_usd, count),
    )


def _divided(limit: float | None, count: int) -> float | None:
    return None if limit is None else limit / count


class _Together:
    """Sets of examples that share an answer, as trees: each example but the first of its set leads to another."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._next: dict[Spot, Spot] = {}

    def join(self, index: int, earlier: int) -> None:
        """Keep the examples of two Trials together."""
        one, other = self._first(self._spot(index)), self._first(self._spot(earlier))
        if one != other:
            self._next[one] = other

    def _spot(self, index: int) -> Spot:
        group = self._plan.group_at(index)
        return group.source, (index - group.offset) // (len(self._plan.subjects) * self._plan.repeats)

    def _first(self, spot: Spot) -> Spot:
        while (following := self._next.get(spot)) is not None:
            self._next[spot] = spot = self._next.get(following, following)
        return spot

    def owners(self, datasets: Mapping[str, Source]) -> dict[Spot, str]:
        """Return, for each example that shares an answer, the id that decides on its shard."""
        if not self._next:
            return {}
        spots = {*self._next, *self._next.values()}
        smallest: dict[Spot, str] = {}
        for name in sorted({source for source, _ in spots}):
            for rank, example in datasets[name].examples():
                if (name, rank) in spots:
                    first = self._first((name, rank))
                    smallest[first] = min(smallest.get(first, example.id), example.id)
        return {spot: smallest[self._first(spot)] for spot in spots}


class _OwnExamples(msgspec.Struct, frozen=True):
    """Some examples of a dataset, ranked among themselves; `ranks` has the new rank of each old one."""

    source: Source
    ranks: "array[int]"
    count: int

    @classmethod
    def of(cls, source: Source, chosen: Iterable[int]) -> "_OwnExamples":
        """Take the examples with these ranks."""
        ranks = array("i", [_ELSEWHERE]) * source.facts.selected
        for count, rank in enumerate(sorted(chosen)):
            ranks[rank] = count
        return cls(source, ranks, sum(rank != _ELSEWHERE for rank in ranks))

    def examples(self) -> Iterator[tuple[int, Example]]:
        for rank, example in self.source.examples():
            if self.ranks[rank] != _ELSEWHERE:
                yield self.ranks[rank], example

    @property
    def facts(self) -> DatasetFacts:
        return msgspec.structs.replace(self.source.facts, selected=self.count)
