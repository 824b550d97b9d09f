"""Runs made of hand-written records."""

from collections.abc import Iterable

import msgspec

from insideLLMs.compare.comparing import compare_with
from insideLLMs.compare.gate.decide import decide
from insideLLMs.compare.gate.evidence import GateEvidence
from insideLLMs.compare.sides import RunView
from insideLLMs.core import canonical
from insideLLMs.core.subject import Subject, in_order
from insideLLMs.core.types import Example, Failure, Record, Response, ResultStatus, Scores


def record(example_id="e1", *, passed=True, text="yes", probe="logic", dataset="d", model="m", repeat=0, **given):
    """Make a Record; `status` other than success drops answer and scores, `values` are scores without a verdict."""
    example = Example(id=example_id, input=given.get("prompt", f"question {example_id}"), expected=("yes",))
    status = ResultStatus(given.get("status", "success"))
    answered = status is ResultStatus.SUCCESS
    values = given.get("values")
    scores = Scores(values=values, passed=None) if values is not None else Scores.of(passed, label=given.get("label"))
    response = given.get("response") or Response(text=text, finish_reason=given.get("finish_reason", "stop"))
    failed = status not in {ResultStatus.SUCCESS, ResultStatus.SKIPPED}
    return Record(
        probe=probe,
        dataset=dataset,
        example_id=example_id,
        model=model,
        repeat=repeat,
        key="0" * 64,
        example_digest=example.digest(),
        example=example,
        status=status,
        response=response if answered else None,
        scores=scores if answered else None,
        failure=Failure(stage="model", type="ServerError", message="boom") if failed else None,
        shared_with=given.get("shared_with", msgspec.UNSET),
        prompt=given.get("prompt_id", msgspec.UNSET),
        since=given.get("since", msgspec.UNSET),
    )


def view(records: Iterable[Record], label="run", **given) -> RunView:
    """Make a RunView of records in any order; subjects and datasets are taken from them unless given."""
    ordered = sorted(records, key=lambda item: item.sort_key)
    lines = [canonical.line(item) for item in ordered]
    datasets: dict[str, set[str]] = {}
    for item in ordered:
        datasets.setdefault(item.probe, set()).add(item.dataset)
    return RunView(
        run_id=given.get("run_id", label),
        label=label,
        subjects=in_order(
            [Subject(name) for name in given.get("models", ())] or {item.subject for item in ordered} or {Subject("m")}
        ),
        datasets=given.get("datasets", {probe: tuple(sorted(names)) for probe, names in datasets.items()}),
        records=lambda: iter(lines),
        shares_answers=lambda: any(item.shared_with for item in ordered),
    )


def decided(baseline: RunView, candidate: RunView, spec, options=None, **evidence):
    """Compare two runs and decide by a policy; return the comparison and the verdict."""
    comparison, observed = compare_with([baseline], [candidate], options)
    found = GateEvidence(observed=observed, baseline_runs=("a",), candidate_runs=("x",), **evidence)
    return comparison, decide(comparison, spec, found)
