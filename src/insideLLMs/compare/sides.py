"""The sides of a comparison: runs with what their manifests say of them, and in what their experiments differ."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from insideLLMs.compare.answers.ignored import Ignored
from insideLLMs.compare.comparison import SubjectPair
from insideLLMs.compare.differences.identities import differences, leaves, shown_value
from insideLLMs.compare.differences.tool_drift import tool_moves, without_tools
from insideLLMs.compare.differences.trial_tools import trial_tool_changes
from insideLLMs.core import canonical
from insideLLMs.core.record_views import Facts
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import Record
from insideLLMs.store.manifest import Manifest, MemberSpec, PromptFacts
from insideLLMs.store.sealed_run import SealedRun

_SHOWN_MOVES, _SHOWN_TEXTS = 3, 12
_SEED = "seed"
Member = MemberSpec | PromptFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One side of a comparison.

    `records` starts a fresh pass over the lines of `records.jsonl`, in its order and without newlines. `subjects`
    are what was under test, in the order of the records, `datasets` the dataset names of each probe. `label` is what
    people call the run (its folder's name, say). `score_ranges` are the (worst, best) that a probe declares of its
    scores; a probe that is not named there may have declared anything. `shares_answers` where Trials took answers
    that others asked for. `is_part` where the run is of a part of its experiment. `trials` is 0 where it is not known.
    `root` is that of the records, "" where there is none yet; `probe_digests` say how each probe was set up.
    """

    run_id: str
    label: str
    subjects: tuple[Subject, ...]
    datasets: Mapping[str, tuple[str, ...]]
    records: Callable[[], Iterator[bytes]]
    score_ranges: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    shares_answers: Callable[[], bool] = lambda: False
    is_part: bool = False
    trials: int = 0
    root: str = ""
    probe_digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """The ids of the models, sorted."""
        return tuple(sorted({subject.model for subject in self.subjects}))

    @property
    def prompts(self) -> tuple[str, ...]:
        """The ids of the prompts, sorted; none where the run has no prompts."""
        return tuple(sorted({subject.prompt for subject in self.subjects if subject.prompt is not None}))

    @property
    def names(self) -> tuple[str, ...]:
        """All that a part of the run can be called by: models, prompts, and each model with its prompt."""
        labels = (subject.label for subject in self.subjects)
        return tuple(dict.fromkeys((*self.models, *self.prompts, *labels)))

    @property
    def probes(self) -> tuple[str, ...]:
        """The probes of the run, sorted."""
        return tuple(sorted(self.datasets))


def recorded_probes(baseline: Manifest, candidate: Manifest) -> frozenset[str]:
    """Return the probes that only record answers, in both runs."""
    scored = {probe.id for run in (baseline, candidate) for probe in run.probes if probe.type != "record"}
    return frozenset(probe.id for probe in candidate.probes) - scored


def views_of(runs: Sequence[SealedRun], ignored: Ignored | None = None, *, baselines: int = 1) -> tuple[RunView, ...]:
    """Return sealed runs as the sides of one comparison, the `baselines` first, without what is `ignored`.

    Two tools know the same of an example's input and of what is expected, and nothing else of it: where a run was
    imported, and not both from logs of one tool, nothing else counts.
    """
    tools = {_imported_from(run.manifest) for run in runs}
    sides = [
        replace(view, records=partial(_with_bare_examples, run)) if len(tools) > 1 else view
        for view, run in zip(map(view_of, runs), runs, strict=True)
    ]
    if ignored is None or not ignored.rules:
        return tuple(sides)
    names = ["baseline" if place < baselines else "candidate" for place in range(len(sides))]
    return tuple(
        replace(view, records=partial(_without_ignored, view, ignored, name))
        for view, name in zip(sides, names, strict=True)
    )


def _without_ignored(view: RunView, ignored: Ignored, side: str) -> Iterator[bytes]:
    return ignored.lines(view.records(), side, f"run {view.label!r}: a line of records.jsonl")


def _with_bare_examples(run: SealedRun) -> Iterator[bytes]:
    for record in run.records(Record):
        kept = {name: value for name, value in record.example.fields.items() if name == "cluster"}
        example = msgspec.structs.replace(record.example, fields=kept)
        yield canonical.line(msgspec.structs.replace(record, example=example, example_digest=example.digest()))


def _imported_from(manifest: Manifest) -> str | None:
    """Return the tool whose log a run was made of, nothing for a table; None for a run that was made here."""
    notes = manifest.notes.get("imported")
    return None if notes is None else str(notes.get("from", "")) if isinstance(notes, dict) else ""


def view_of(run: SealedRun) -> RunView:
    """Return a sealed run as one side of a comparison."""
    manifest = run.manifest
    return RunView(
        run_id=manifest.run_id,
        label=run.label,
        subjects=manifest.subjects,
        datasets={probe.id: probe.datasets for probe in manifest.probes},
        records=run.lines,
        score_ranges=_score_ranges(manifest),
        shares_answers=lambda: any(result.shared for result in run.summary.results),
        is_part=bool(manifest.part),
        trials=manifest.trials,
        root=manifest.records_root,
        probe_digests={probe.id: probe.digest for probe in manifest.probes},
    )


def _score_ranges(manifest: Manifest) -> dict[str, dict[str, tuple[float, float]]]:
    """Return what the probes declare; nothing where the run does not say it: a table, a log, or an old format."""
    if _imported_from(manifest) == "" or int(manifest.library["format"]) < 2:
        return {}
    notes = manifest.notes.get("imported")
    undirected = notes.get("undirected", ()) if isinstance(notes, dict) else ()
    return {probe.id: probe.ranges() for probe in manifest.probes if probe.id not in undirected}


def experiment_changes(
    baseline: SealedRun, candidate: SealedRun, pairs: Iterable[SubjectPair]
) -> tuple[str, ...] | None:
    """Say what was changed in an experiment whose subjects were compared in `pairs`. None for imported runs.

    Reads the records of both where a dataset has other content, or a model may return its tools.
    """
    before, after = baseline.manifest, candidate.manifest
    if "imported" in before.notes or "imported" in after.notes:
        return None
    models, prompts = _pairs_of(before, after, pairs)
    return (
        *_models(before, after, models),
        *_members("prompt", before.prompts, after.prompts, prompts),
        *_members("probe", before.probes, after.probes, {}),
        *trial_tool_changes(baseline, candidate),
        *_datasets(baseline, candidate),
        *(
            f"{name} {first} -> {second}"
            for name, first, second in (
                ("repeats", before.repeats, after.repeats),
                ("max_examples", before.max_examples, after.max_examples),
            )
            if first != second
        ),
        *(f"gate: {moved}" for moved in differences(_stated(baseline), _stated(candidate))),
    )


def _stated(run: SealedRun) -> dict[str, Any]:
    """Return the gate's settings of a run, without those that are empty."""
    settings: dict[str, Any] = msgspec.to_builtins(run.gate)
    return {name: value for name, value in settings.items() if value not in (None, {}, [], ())}


def system_changes(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Say in what two runs are of another system: models, prompts and probes. Seeds and datasets are no part of it.

    Runs without such changes are repeats of each other, on the examples that they share.
    """
    return (
        *_models(before, after, {}, with_seeds=False),
        *_members("prompt", before.prompts, after.prompts, {}),
        *_members("probe", before.probes, after.probes, {}),
    )


def _pairs_of(before: Manifest, after: Manifest, pairs: Iterable[SubjectPair]) -> tuple[dict[str, str], dict[str, str]]:
    """Return which models, and which prompts, were compared with each other."""
    ours = {subject.label: subject for subject in before.subjects}
    theirs = {subject.label: subject for subject in after.subjects}
    both = [(ours[pair.baseline], theirs[pair.candidate]) for pair in pairs if pair.baseline and pair.candidate]
    prompts = {one.prompt: other.prompt for one, other in both if one.prompt and other.prompt}
    return {one.model: other.model for one, other in both}, prompts


def _models(before: Manifest, after: Manifest, pairs: Mapping[str, str], *, with_seeds: bool = True) -> Iterator[str]:
    if not pairs and len(before.models) == len(after.models) == 1:
        pairs = {before.models[0].id: after.models[0].id}
    yield from _members("model", before.models, after.models, pairs, with_seeds=with_seeds)


def _members(
    kind: str,
    before: Sequence[Member],
    after: Sequence[Member],
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
    for spec in after:
        if spec.id not in known:
            texts = leaves(_facts(spec), "") if isinstance(spec, PromptFacts) else []
            told = "; ".join(f"{path} {shown_value(text)}" for path, text in texts if text)
            yield f"{kind} {spec.id!r} is new" + (f": {told}" if told else "")


def _moves(kind: str, before: Member, after: Member, *, with_seeds: bool) -> Iterator[str]:
    (ours, our_tools), (theirs, their_tools) = without_tools(_facts(before)), without_tools(_facts(after))
    name = repr(after.id) if before.id == after.id else f"{before.id!r} -> {after.id!r}"
    told = [move for move in differences(ours, theirs) if with_seeds or move.split()[0].rpartition(".")[2] != _SEED]
    yield from _told(f"{kind} {name}", told, _SHOWN_TEXTS if isinstance(before, PromptFacts) else _SHOWN_MOVES)
    yield from _told(f"tools of {kind} {name}", list(tool_moves(our_tools, their_tools)), _SHOWN_TEXTS)


def _told(what: str, moves: Sequence[str], most: int) -> Iterator[str]:
    if moves:
        more = f" and {len(moves) - most:,} more" if len(moves) > most else ""
        yield f"{what}: {'; '.join(moves[:most])}{more}"


def _facts(spec: Member) -> dict[str, object]:
    if isinstance(spec, PromptFacts):
        return {"system": spec.system, **spec.texts}
    return {"type": spec.type, "system": spec.system, **spec.identity}


def _datasets(baseline: SealedRun, candidate: SealedRun) -> Iterator[str]:
    theirs = {facts.name: facts for facts in candidate.manifest.datasets}
    for facts in baseline.manifest.datasets:
        other = theirs.pop(facts.name, None)
        if other is None:
            yield f"dataset {facts.name!r} is gone"
        elif facts.sha256 != other.sha256:
            yield f"dataset {facts.name!r}: {_example_moves(baseline, candidate, facts.name)}"
        elif facts.selected != other.selected:
            yield f"dataset {facts.name!r}: {facts.selected:,} -> {other.selected:,} examples run"
    yield from (f"dataset {name!r} is new" for name in theirs)


def _example_moves(baseline: SealedRun, candidate: SealedRun, dataset: str) -> str:
    """Say how many of the examples that ran were added, removed and edited, and name some."""
    ours, theirs = (
        {facts.example_id: facts.example_digest for facts in run.records(Facts) if facts.dataset == dataset}
        for run in (baseline, candidate)
    )
    moves = {
        "added": sorted(theirs.keys() - ours.keys()),
        "removed": sorted(ours.keys() - theirs.keys()),
        "edited": sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]),
    }
    told = [
        f"{len(names):,} {kind} ({', '.join(names[:_SHOWN_MOVES])}{', ...' if len(names) > _SHOWN_MOVES else ''})"
        for kind, names in moves.items()
        if names
    ]
    return f"of its examples {', '.join(told)}" if told else "other content, but the examples that ran are the same"
