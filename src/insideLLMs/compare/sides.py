"""The sides of a comparison: runs with what their manifests say of them, and in what their experiments differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.types import Record
from insideLLMs.store.manifest import DatasetFacts, Manifest, MemberSpec
from insideLLMs.store.sealed_run import SealedRun

_SHOWN_MOVES = 3
_SHOWN_LETTERS, _CUT_LETTERS = 40, 12
_SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One side of a comparison.

    `records` starts a fresh pass over the lines of `records.jsonl`, in its order and without newlines. `models`
    are the ids of all models of the run, `datasets` the dataset names of each probe. `label` is what people
    call the run (its folder's name, say). `score_ranges` are the (worst, best) that a probe declares of its scores;
    a probe that is not named there may have declared anything. `shares_answers` where Trials took answers that others
    asked for.
    """

    run_id: str
    label: str
    models: tuple[str, ...]
    datasets: Mapping[str, tuple[str, ...]]
    records: Callable[[], Iterator[bytes]]
    score_ranges: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    shares_answers: bool = False

    @property
    def probes(self) -> tuple[str, ...]:
        """The probes of the run, sorted."""
        return tuple(sorted(self.datasets))


def views_of(runs: Sequence[SealedRun]) -> tuple[RunView, ...]:
    """Return sealed runs as the sides of one comparison.

    An import knows the input of an example and what is expected, and nothing else of it: beside one, nothing else
    counts for the others either.
    """
    are_imports = [_is_imported(run.manifest) for run in runs]
    is_mixed = any(are_imports) and not all(are_imports)
    views = zip(map(view_of, runs), runs, are_imports, strict=True)
    return tuple(
        replace(view, records=partial(_with_bare_examples, run)) if is_mixed and not is_import else view
        for view, run, is_import in views
    )


def _with_bare_examples(run: SealedRun) -> Iterator[bytes]:
    for record in run.records(Record):
        kept = {name: value for name, value in record.example.fields.items() if name == "cluster"}
        example = msgspec.structs.replace(record.example, fields=kept)
        yield canonical.line(msgspec.structs.replace(record, example=example, example_digest=example.digest()))


def _is_imported(manifest: Manifest) -> bool:
    return "imported" in manifest.notes


def view_of(run: SealedRun) -> RunView:
    """Return a sealed run as one side of a comparison."""
    manifest = run.manifest
    return RunView(
        run_id=manifest.run_id,
        label=run.label,
        models=tuple(model.id for model in manifest.models),
        datasets={probe.id: probe.datasets for probe in manifest.probes},
        records=run.lines,
        score_ranges=_score_ranges(manifest),
        shares_answers=any(result.shared for result in run.summary.results),
    )


def _score_ranges(manifest: Manifest) -> dict[str, dict[str, tuple[float, float]]]:
    """Return what the probes declare; nothing where the run does not say it: an import, or an old format."""
    if _is_imported(manifest) or int(manifest.library["format"]) < 2:
        return {}
    return {probe.id: probe.ranges() for probe in manifest.probes}


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
        more = f" and {len(told) - _SHOWN_MOVES:,} more" if len(told) > _SHOWN_MOVES else ""
        yield f"{kind} {after.id!r}: {'; '.join(told[:_SHOWN_MOVES])}{more}"


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


def differences(baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> tuple[str, ...]:
    """Say in what two identities differ: path, value before, value after; long texts by their digest."""
    before, after = dict(_leaves(baseline, "")), dict(_leaves(candidate, ""))
    return tuple(
        f"{path} {_shown(before.get(path))} -> {_shown(after.get(path))}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list | tuple) and value:
        return [leaf for at, inner in enumerate(value) for leaf in _leaves(inner, f"{path}[{at}]")]
    return [(path, value)]


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, str) and len(value) > _SHOWN_LETTERS:
        return f"{value[:_CUT_LETTERS]!r}… (sha256 {canonical.identity('text/1', value)[:_CUT_LETTERS]})"
    return repr(value) if isinstance(value, str) else canonical.line(value).decode()
