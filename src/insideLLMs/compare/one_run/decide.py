"""Hold one run against the conditions that its gate states of it, and gather the examples that did not pass."""

from collections.abc import Iterable, Sequence

from insideLLMs.compare.one_run.conditions import decide_figures
from insideLLMs.compare.one_run.figures import RunFigures
from insideLLMs.compare.one_run.readings import Reading, reading_of
from insideLLMs.compare.one_run.verdict import DecidedRun, failed_example
from insideLLMs.compare.score_ranges import Range, ScoreRanges
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.record_views import GatedRecord, MeasuredRecord
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.types import Telemetry
from insideLLMs.store.manifest import MemberSpec
from insideLLMs.store.sealed_run import SealedRun


def decide_run(run: SealedRun, gate: GateSpec | None = None, *, lists_failing: bool = True) -> DecidedRun:
    """Judge a sealed run by its own gate, or by `gate`. Raises RunDirectoryError.

    Where the gate states no condition and nobody `lists_failing` examples, the records are not read again.
    """
    gate = run.gate if gate is None else gate
    if not (lists_failing or gate.is_absolute):
        verdict = decide_figures(RunFigures(gate, ScoreRanges(), {}), gate, {})
        failing = sum(result.failing for result in run.summary.results)
        return DecidedRun(label=run.label, summary=run.summary, verdict=verdict, failing=failing, worst=())
    return decide_records(
        run.measured_records(GatedRecord) if _bounded(gate) else ((one, None) for one in run.records(GatedRecord)),
        gate,
        models=run.manifest.models,
        probes=run.manifest.probes,
        summary=run.summary,
        label=run.label,
    )


def decide_records(
    records: Iterable[tuple[GatedRecord, Telemetry | None]],
    gate: GateSpec,
    *,
    models: Sequence[MemberSpec],
    probes: Sequence[MemberSpec],
    summary: Summary,
    label: str = "",
) -> DecidedRun:
    """Judge records, in their order, each with its line of telemetry where there is one."""
    by_gate: dict[str, Range] = {}
    for probe in probes:
        score_range = gate.of_probe(probe.id).score_range
        if score_range is not None:
            by_gate[probe.id] = score_range
    ranges = ScoreRanges(by_gate=by_gate, declared={probe.id: probe.ranges() for probe in probes})
    unmeasured: dict[str, str] = {}
    readings = {name: _guarded(name, reading_of(name, models), unmeasured) for name in _bounded(gate)}
    figures = RunFigures(gate, ranges, readings)
    for record, line in records:
        figures.add(record, line)
    figures.close()
    verdict = decide_figures(figures, gate, unmeasured, level=summary.confidence_level)
    return DecidedRun(
        label=label,
        summary=summary,
        verdict=verdict.doubted(f"this is {summary.part}") if summary.part and not gate.accept_missing else verdict,
        failing=figures.failed,
        worst=tuple(failed_example(record) for record, _ in figures.failing.listed()),
    )


def _bounded(gate: GateSpec) -> tuple[str, ...]:
    """Return the quantities that the gate bounds."""
    bounds = [gate.max, *(own.max or {} for own in gate.probes.values())]
    return tuple(sorted({name.partition(".")[0] for each in bounds for name in each}))


def _guarded(name: str, read: Reading, unmeasured: dict[str, str]) -> Reading:
    """Let a reading give nothing where there is nothing to read, and note why: what is not known is not met."""

    def guarded(record: MeasuredRecord, line: Telemetry | None) -> float | None:
        try:
            return read(record, line)
        except CompareError as error:
            unmeasured[name] = f"{error.message}; {error.fix}"
            return None

    return guarded
