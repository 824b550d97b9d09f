"""Subjects of one run against each other: all of them in a table, or two sides of the run with the gate between."""

import re

from insideLLMs.api.compare import ComparisonSetup, DecidedComparison, GateOverrides, compare_runs
from insideLLMs.compare.one_run.subject_table import SubjectTable, subject_table
from insideLLMs.compare.sides import RunView, view_of
from insideLLMs.core.arguments import nearest
from insideLLMs.core.errors import OptionError
from insideLLMs.core.subject import SEPARATOR, Subject
from insideLLMs.store.run_part import RunPart
from insideLLMs.store.sealed_run import SealedRun

Chosen = tuple[str | None, str | None]
"""A model and a prompt; None stands for any."""


def table_of(run: SealedRun, baseline: str | None) -> SubjectTable:
    """Compare every subject of a run with the best, or with what `baseline` names.

    A prompt is compared with for each model, a model for each prompt. Raises OptionError for an unknown name, or
    where the run has one subject only.
    """
    view = view_of(run)
    if len(view.subjects) < 2:
        raise OptionError(
            f"{run.path} has one subject only, {view.subjects[0].label!r}",
            fix="give the experiment several models or prompts; to compare two runs: insidellms diff",
        )
    if baseline is None:
        return subject_table(view, run.summary)
    model, prompt = _chosen(baseline, view)

    def reference(subject: Subject) -> Subject | None:
        found = Subject(model or subject.model, prompt or subject.prompt)
        return found if found in view.subjects else None

    return subject_table(view, run.summary, baseline=baseline, reference=reference)


def gate_within(run: SealedRun, baseline: str, candidate: str, gate: GateOverrides) -> DecidedComparison:
    """Compare two sides of a run and decide, under the run's own policy; nothing else of the run counts.

    Raises OptionError for names that the run does not have, or that do not name two sides.
    """
    view = view_of(run)
    ours, theirs = _chosen(baseline, view), _chosen(candidate, view)
    shared: Chosen = (ours[0] or theirs[0], ours[1] or theirs[1])
    sides = [_subjects(view, chosen, shared) for chosen in (ours, theirs)]
    if sides[0] & sides[1] or not all(sides):
        raise OptionError(
            f"--baseline {baseline} and --candidate {candidate} do not name two sides of the run",
            fix="name two prompts, two models, or 'MODEL,PROMPT' twice",
        )
    before, after = (RunPart(run, side, name=name) for side, name in zip(sides, (baseline, candidate), strict=True))
    return compare_runs([before], [after], ComparisonSetup(gate=gate))


def _subjects(view: RunView, chosen: Chosen, shared: Chosen) -> frozenset[Subject]:
    """Return the subjects of one side; what it leaves open is as on the other side."""
    model, prompt = chosen[0] or shared[0], chosen[1] or shared[1]
    return frozenset(
        subject for subject in view.subjects if model in (None, subject.model) and prompt in (None, subject.prompt)
    )


def _chosen(name: str, view: RunView) -> Chosen:
    """Look up a prompt, a model, or both. Raises OptionError with the nearest name."""
    found = _parts(name, view)
    if found is None:
        near = nearest(name, view.names)
        hint = f"did you mean {near!r}? " if near else ""
        prompts = f"; prompts: {', '.join(view.prompts)}" if view.prompts else ""
        raise OptionError(
            f"{view.label} has no model or prompt {name!r}", fix=f"{hint}models: {', '.join(view.models)}{prompts}"
        )
    return found


def _parts(name: str, view: RunView) -> Chosen | None:
    if name in view.prompts:
        return None, name
    if name in view.models:
        return name, None
    for place in (match.span() for match in re.finditer(rf"\s*{SEPARATOR.strip()}\s*|\s*,\s*", name)):
        model, prompt = name[: place[0]], name[place[1] :]
        if model in view.models and prompt in view.prompts:
            return model, prompt
    return None
