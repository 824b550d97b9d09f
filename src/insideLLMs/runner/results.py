"""What a run gives back in Python: one ProbeResult a Trial, and an ExperimentResult around them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.api.run_writer import MemorySink
from insideLLMs.compare.one_run.decide import decide_records
from insideLLMs.compare.one_run.verdict import RunVerdict
from insideLLMs.core import canonical
from insideLLMs.core.errors import RunDirectoryError
from insideLLMs.core.protocols import ModelInfo, ProbeScore
from insideLLMs.core.record_views import GatedRecord, read_record
from insideLLMs.core.run_summary import Summary
from insideLLMs.core.types import JsonValue, Record, ResultStatus, Telemetry, as_text, expand
from insideLLMs.report.frames import Tabular
from insideLLMs.report.notebook import as_html, summary_html
from insideLLMs.report.records_table import Row, Table
from insideLLMs.report.safe_text import shorten
from insideLLMs.runner.run_config import RunConfig
from insideLLMs.store.sealed_run import SealedRun


class ProbeResult(dict[str, Any]):  # a value looked up by its name has no one type; the properties have theirs
    """One Trial: a dict, so that `json.dumps` takes it, with each key as a property. It is true if it passed.

    `input` is the prompt as it was given, `output` the answer's text or what the probe's `run` returned.
    `error` and `error_type` say why there is none, or why it has no `scores`. `metadata` has example_id, model,
    probe, repeat, key, usage, finish_reason, attempts, and more of what is known of the Trial.
    """

    __slots__ = ()
    input: JsonValue
    output: JsonValue
    status: ResultStatus
    error: str | None
    error_type: str | None
    latency_ms: float | None
    metadata: Mapping[str, JsonValue]
    scores: Mapping[str, float]

    def __getattr__(self, name: str) -> Any:  # of the keys, which are declared above
        if name in _KEYS:
            return self[name]
        raise AttributeError(f"a ProbeResult has no {name!r}; it has {', '.join(_KEYS)}, passed and explanation")

    @property
    def passed(self) -> bool | None:
        """The probe's verdict; None where it gave none, or the Trial failed."""
        verdict: bool | None = self.metadata["passed"]
        return verdict

    @property
    def explanation(self) -> str:
        """Why it scored so, in one line; of a Trial that failed, its error."""
        return self.metadata["explanation"] or self.error or ""

    def __bool__(self) -> bool:
        return self.passed is True

    def __repr__(self) -> str:
        state = {True: "passed", False: "failed", None: f"{self.status}, no verdict"}[self.passed]
        asked, said = (shorten(as_text(one), _SHOWN) for one in (_last(self.input), self.output))
        why = f": {self.explanation}" if self.explanation else ""
        return f"<ProbeResult {self.metadata['example_id']!r} {state}{why} | {asked!r} -> {said!r}>"


def _last(asked: JsonValue) -> JsonValue:
    """Return what a chat ends with, and anything else as it is."""
    is_chat = isinstance(asked, list) and asked and isinstance(asked[-1], Mapping)
    return asked[-1].get("content", asked) if is_chat else asked


_KEYS = tuple(ProbeResult.__annotations__)
_SHOWN = 160
_MOST_LISTED = 20
"""asyncio itself asks for the text of a task with its result; of 100,000 results it took a second."""


class ProbeResults(list[ProbeResult], Tabular):
    """The results of a run, in input order; a notebook shows them as a table."""

    def table(self) -> Table:
        """Return a row a result."""
        names = sorted({name for result in self for name in result.scores})
        scores = {f"score_{name}": "double" for name in names}
        return Table(columns={**_COLUMNS, **scores}, rows=lambda: (_row(result, names) for result in self))

    def __repr__(self) -> str:
        more = len(self) - _MOST_LISTED
        shown = list.__repr__(self[:_MOST_LISTED])
        return shown if more <= 0 else f"{shown[:-1]}, ... and {more:,} more]"

    def _repr_html_(self) -> str:
        passed = sum(result.passed is True for result in self)
        judged = sum(result.passed is not None for result in self)
        head = f"{passed} of {judged} passed" + (f", {len(self) - judged} without a verdict" * (judged < len(self)))
        rows = ([result.metadata["example_id"], *_shown(result)] for result in self)
        return as_html(head, ("example", "input", "output", "passed", "why"), rows, total=len(self))


_COLUMNS = {
    "probe": "string", "dataset": "string", "example_id": "string", "model": "string", "prompt": "string",
    "repeat": "int64", "input": "string", "status": "string", "passed": "bool", "explanation": "string",
    "label": "string", "output": "string", "finish_reason": "string", "error": "string", "latency_ms": "double",
    "input_tokens": "int64", "output_tokens": "int64",
}  # fmt: skip


def _row(result: ProbeResult, score_names: Sequence[str]) -> Row:
    flat = {**result.metadata, **(result.metadata["usage"] or {}), **result}
    flat["explanation"] = result.explanation
    for name in ("input", "output"):
        flat[name] = None if flat[name] is None else as_text(flat[name])
    return (*(flat.get(name) for name in _COLUMNS), *(result.scores.get(name) for name in score_names))


def _shown(result: ProbeResult) -> Row:
    verdict = result.status.value if result.passed is None else "yes" if result.passed else "no"
    return as_text(result.input), "" if result.output is None else as_text(result.output), verdict, result.explanation


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExperimentResult(Tabular):
    """A run of one model (with one prompt, where there are prompts) on one probe: `results` in input order, summed up.

    `summary` and `verdict` are those of the whole run; without conditions in its gate there is no verdict.
    `score` is what the probe's `score(results)` made of them. `run_dir` is None where nothing was stored.
    `started_at` and `ended_at` are UTC, ISO 8601.
    """

    name: str
    run_id: str
    run_dir: Path | None
    model: ModelInfo
    probe: Mapping[str, JsonValue]
    results: tuple[ProbeResult, ...]
    score: ProbeScore | None
    summary: Summary
    verdict: RunVerdict | None
    config: RunConfig
    started_at: str
    ended_at: str
    prompt: str | None = None

    def count(self, status: ResultStatus) -> int:
        """Count the results of one status."""
        return sum(result.status is status for result in self.results)

    def table(self) -> Table:
        """Return a row a result."""
        return ProbeResults(self.results).table()

    def __repr__(self) -> str:
        statuses = ", ".join(f"{self.count(status)} {status}" for status in ResultStatus if self.count(status))
        return f"<ExperimentResult {self.name!r}, run {self.run_id[:12]}: {statuses}>"

    def _repr_html_(self) -> str:
        return summary_html(self.summary, self.verdict) + ProbeResults(self.results)._repr_html_()


def result_of(record: Record, telemetry: Telemetry, given: JsonValue) -> ProbeResult:
    """Turn a Record into a result; `given` is the input as the caller knows it."""
    response, failure, scores = record.response, record.failure, record.scores
    metadata: dict[str, JsonValue] = {
        "example_id": record.example_id,
        "dataset": record.dataset,
        "model": record.model,
        "prompt": record.prompt or None,
        "probe": record.probe,
        "repeat": record.repeat,
        "key": record.key,
        "usage": expand(response.usage) if response and response.usage else None,
        "finish_reason": response.finish_reason if response else None,
        "served_model": response.model if response else None,
        "attempts": telemetry.attempts,
        "queued_ms": telemetry.queued_ms,
        "retry_ms": telemetry.retry_ms,
        "started_at": telemetry.started_at,
        "failed_stage": failure.stage if failure else None,
        "passed": scores.passed if scores else None,
        "label": scores.label if scores else None,
        "explanation": scores.explanation if scores else None,
    }
    output = None if response is None else response.text if response.value is None else response.value
    return ProbeResult(
        input=given,
        output=output,
        status=record.status,
        error=failure.message if failure else None,
        error_type=failure.type if failure else None,
        latency_ms=telemetry.latency_ms,
        metadata=metadata,
        scores=dict(scores.values) if scores else {},
    )


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of records.jsonl and the telemetry beside each, in the order of the Trials' numbers."""

    records: tuple[bytes, ...]
    telemetry: tuple[Telemetry, ...]

    def decode(self, *, validate: bool) -> list[tuple[Record, Telemetry]]:
        """Type the records. Raises RunDirectoryError for one that is none, or, if asked, is not as we write it."""
        typed = [_decode(number, line, validate=validate) for number, line in enumerate(self.records, start=1)]
        return list(zip(typed, self.telemetry, strict=True))


def verdict_of(lines: Lines, prepared: Prepared, summary: Summary) -> RunVerdict | None:
    """Hold a run to the conditions that its experiment's gate states of it; None if it states none."""
    gate = prepared.experiment.gate
    if not gate.is_absolute:
        return None
    records = (read_record(line, GatedRecord) for line in lines.records)
    pairs = zip(records, lines.telemetry, strict=True)
    models, probes = prepared.model_specs, prepared.probe_specs
    return decide_records(pairs, gate, models=models, probes=probes, summary=summary).verdict


def lines_in_memory(sink: MemorySink) -> Lines:
    """Take what the sink kept."""
    entries = list(sink.entries())
    return Lines(tuple(line for _, line, _ in entries), tuple(telemetry for _, _, telemetry in entries))


def lines_in_directory(path: Path) -> Lines:
    """Read a sealed run; without telemetry.jsonl its telemetry is blank. Raises RunDirectoryError."""
    run = SealedRun.open(path)
    records = tuple(run.lines())
    stored = (line.facts for line in run.telemetry()) if run.has_telemetry else iter(())
    facts: Iterator[Telemetry] = chain(stored, repeat(Telemetry()))
    return Lines(records, tuple(next(facts) for _ in records))


def _decode(number: int, line: bytes, *, validate: bool) -> Record:
    record = read_record(line, Record, where=f"record {number}")
    if validate and canonical.line(record) != line:
        raise RunDirectoryError(
            f"record {number} is not in canonical form",
            fix="was the run directory edited? Run `insidellms validate` on it",
        )
    return record
