"""What two experiments differ in, by their manifests: models with their prompts, probes, datasets, repeats."""

from collections.abc import Iterator, Mapping, Sequence

from insideLLMs.compare.llm_judges import differences
from insideLLMs.store.manifest import DatasetFacts, Manifest, MemberSpec

_SHOWN = 3
_SEED = "seed"


def experiment_changes(before: Manifest, after: Manifest, pairs: Mapping[str, str]) -> tuple[str, ...] | None:
    """Say what was changed in an experiment; `pairs` maps model ids before to ids after. None for imported runs."""
    if "imported" in before.notes or "imported" in after.notes:
        return None
    return (
        *_models(before, after, pairs),
        *_members("probe", before.probes, after.probes, {}),
        *_datasets(before.datasets, after.datasets),
        *(
            f"{name} {first} -> {second}"
            for name, first, second in (
                ("repeats", before.repeats, after.repeats),
                ("max_examples", before.max_examples, after.max_examples),
            )
            if first != second
        ),
    )


def system_changes(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Say in what two runs are of another system: models and probes. Seeds and datasets are no part of it.

    Runs without such changes are repeats of each other, on the examples that they share.
    """
    return (*_models(before, after, {}, with_seeds=False), *_members("probe", before.probes, after.probes, {}))


def _models(before: Manifest, after: Manifest, pairs: Mapping[str, str], *, with_seeds: bool = True) -> Iterator[str]:
    if not pairs and len(before.models) == len(after.models) == 1:
        pairs = {before.models[0].id: after.models[0].id}
    yield from _members("model", before.models, after.models, pairs, with_seeds=with_seeds)


def _members(
    kind: str,
    before: Sequence[MemberSpec],
    after: Sequence[MemberSpec],
    pairs: Mapping[str, str],
    *,
    with_seeds: bool = True,
) -> Iterator[str]:
    theirs = {spec.id: spec for spec in after}
    paired = {spec.id: theirs.get(pairs.get(spec.id, spec.id)) for spec in before}
    for spec in before:
        other = paired[spec.id]
        if other is None:
            yield f"{kind} {spec.id!r} is gone"
        elif spec.digest != other.digest:
            yield from _moves(kind, spec, other, with_seeds=with_seeds)
    known = {other.id for other in paired.values() if other is not None}
    yield from (f"{kind} {spec.id!r} is new" for spec in after if spec.id not in known)


def _moves(kind: str, before: MemberSpec, after: MemberSpec, *, with_seeds: bool) -> Iterator[str]:
    moves = differences(_facts(before), _facts(after))
    told = [move for move in moves if with_seeds or move.split()[0].rpartition(".")[2] != _SEED]
    if told:
        more = f" and {len(told) - _SHOWN:,} more" if len(told) > _SHOWN else ""
        yield f"{kind} {after.id!r}: {'; '.join(told[:_SHOWN])}{more}"


def _facts(spec: MemberSpec) -> dict[str, object]:
    return {"type": spec.type, "system": spec.system, **spec.identity}


def _datasets(before: Sequence[DatasetFacts], after: Sequence[DatasetFacts]) -> Iterator[str]:
    theirs = {facts.name: facts for facts in after}
    for facts in before:
        other = theirs.pop(facts.name, None)
        if other is None:
            yield f"dataset {facts.name!r} is gone"
        elif facts.sha256 != other.sha256:
            yield f"dataset {facts.name!r} has other content: {facts.selected:,} -> {other.selected:,} examples run"
        elif facts.selected != other.selected:
            yield f"dataset {facts.name!r}: {facts.selected:,} -> {other.selected:,} examples run"
    yield from (f"dataset {name!r} is new" for name in theirs)
