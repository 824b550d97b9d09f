"""What is compared: a run as lines of `records.jsonl`, with what its manifest says of their models and datasets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from insideLLMs.core import canonical
from insideLLMs.core.types import Record
from insideLLMs.store.manifest import Manifest
from insideLLMs.store.sealed_run import SealedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One side of a comparison.

    `records` starts a fresh pass over the lines of `records.jsonl`, in its order and without newlines. `models`
    are the ids of all models of the run, `datasets` the dataset names of each probe. `label` is what people
    call the run (its folder's name, say). `score_ranges` are the (worst, best) that a probe declares of its scores;
    a probe that is not named there may have declared anything.
    """

    run_id: str
    label: str
    models: tuple[str, ...]
    datasets: Mapping[str, tuple[str, ...]]
    records: Callable[[], Iterator[bytes]]
    score_ranges: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)

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
    )


def _score_ranges(manifest: Manifest) -> dict[str, dict[str, tuple[float, float]]]:
    """Return what the probes declare; nothing where the run does not say it: an import, or an old format."""
    if _is_imported(manifest) or int(manifest.library["format"]) < 2:
        return {}
    return {probe.id: probe.ranges() for probe in manifest.probes}
