"""Ask stored examples again: an experiment rebuilt from a run directory, over chosen examples, with fresh seeds.

Every round is a run directory of its own, so that each answer can be looked at. Nothing is taken from a cache.
"""

import asyncio
import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from insideLLMs.api.prepare import Parts
from insideLLMs.api.run import Run, RunOptions, arun
from insideLLMs.core import canonical
from insideLLMs.core.errors import UnknownPluginError
from insideLLMs.core.types import DatasetSpec, Example, Experiment, JsonValue, ModelSpec, ProbeSpec, Record
from insideLLMs.plugins import model_registry
from insideLLMs.store.manifest import DatasetFacts
from insideLLMs.store.sealed_run import SealedRun

Place = tuple[str, str, str]
"""Where an example stands: probe, dataset, example id."""
_SEED_RANGE = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of questions to one side: `repeats` answers of each example by `model` (its id; None is every model).

    `label` names the round's folder and starts its seeds.
    """

    label: str
    model: str | None
    places: tuple[Place, ...]
    repeats: int


class _Chosen:
    """Examples that are at hand, as a dataset."""

    def __init__(self, name: str, examples: Sequence[Example]) -> None:
        self._name = name
        self._examples = sorted(examples, key=lambda example: example.id)

    def examples(self) -> Iterator[tuple[int, Example]]:
        return iter(enumerate(self._examples))

    @property
    def facts(self) -> DatasetFacts:
        digest = hashlib.sha256()
        for example in self._examples:
            digest.update(canonical.line(example) + b"\n")
        count = len(self._examples)
        return DatasetFacts(name=self._name, sha256=digest.hexdigest(), total=count, selected=count)


class Asker:
    """Asks one run's models again. `folder` is where names in its experiment are looked up, `into` where rounds go."""

    def __init__(self, run: SealedRun, *, folder: Path, into: Path, examples: Mapping[Place, Example]) -> None:
        self._experiment = run.experiment
        self._folder = folder
        self._into = into
        self._examples = examples
        self.run_dirs: list[Path] = []
        self.calls = 0

    def ask(self, round_: Round) -> list[Record]:
        """Ask, and return the records. Raises InsideLLMsError."""
        experiment, parts = self._narrowed(round_)
        path = self._into / round_.label
        options = RunOptions(run_dir=path, overwrite=True, notes={"asked_again": round_.label})
        run: Run = asyncio.run(arun(experiment, folder=self._folder, options=options, parts=parts))
        self.run_dirs.append(run.path)
        self.calls += run.manifest.trials
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
        models = [spec for spec in self._experiment.models if round_.model in (None, spec.id)]
        seed = f"{round_.label}/{canonical.identity('places/1', [list(place) for place in round_.places])}"
        narrowed = msgspec.structs.replace(
            self._experiment,
            models=tuple(reseeded(model, seed) for model in models),
            probes=probes,
            datasets=tuple(DatasetSpec(name=name, format="inline") for name in sorted(sources)),
            repeats=round_.repeats,
            max_examples=None,
        )
        return narrowed, Parts(datasets=sources)


def reseeded(model: ModelSpec, label: str) -> ModelSpec:
    """Return the model with another seed, if it takes one; without one, providers draw afresh anyway."""
    try:
        declared = inspect.signature(model_registry.get_factory(model.type)).parameters.get("seed")
    except UnknownPluginError:
        declared = None
    if model.args.get("seed", declared.default if declared is not None else None) is None:
        return model
    digest = hashlib.sha256(f"{model.args.get('seed')}|{label}".encode()).digest()
    args: dict[str, JsonValue] = {**model.args, "seed": int.from_bytes(digest[:8]) % _SEED_RANGE}
    return msgspec.structs.replace(model, args=args)


def examples_of(run: SealedRun, places: frozenset[Place] | None) -> dict[Place, Example]:
    """Return the examples of a run at `places`, or all of them."""
    found: dict[Place, Example] = {}
    for record in run.records(Record):
        place = (record.probe, record.dataset, record.example_id)
        if places is None or place in places:
            found[place] = record.example
    return found
