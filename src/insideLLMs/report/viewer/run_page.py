"""One run as one page, `report.html`: the bytes follow from the inputs alone, and only our program runs in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, BinaryIO

import msgspec

from insideLLMs.compare.one_run.verdict import RunVerdict
from insideLLMs.core.prices import Price, cost_of
from insideLLMs.core.record_views import (
    ScoreFacts,
    TelemetryLine,
    ViewedRecord,
    ViewedResponse,
    is_same_trial,
    read_record,
    trial_order,
)
from insideLLMs.core.steps import counted
from insideLLMs.core.subject import Subject, label_in
from insideLLMs.core.types import Usage, expand
from insideLLMs.report import wording
from insideLLMs.report.viewer import tables
from insideLLMs.report.viewer.page import page, table
from insideLLMs.report.viewer.sampling import PageSample, needs_sample, sample_of
from insideLLMs.report.viewer.tables import PLAIN_LIMIT_BYTES, Chunks, Dictionary, ValueChunks
from insideLLMs.store.sealed_run import SealedRun

_TIMING = ("latency_ms", "attempts", "cost_usd")
_INDEX = (
    "probe", "dataset", "id", "model", "repeat", "status", "passed", "label", "scores",
    "finish", "since", "input_tokens", "output_tokens", "prompt", "answer",
)  # fmt: skip


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a page shows beside the records: the lines of telemetry.jsonl, and what an answer of each model costs.

    `prices` hold where a line does not say itself what its answer cost; `price_source` names their table.
    """

    telemetry: Iterable[TelemetryLine]
    prices: Mapping[str, Price | None] = {}
    price_source: str | None = None


class RunRows:
    """The table of a run, gathered record by record."""

    def __init__(self, measured: Measured | None = None, *, plain_limit_bytes: int = PLAIN_LIMIT_BYTES) -> None:
        self._measured = measured
        self._timings = None if measured is None else _Timings(measured)
        columns = _INDEX if measured is None else (*_INDEX, *_TIMING)
        self.index = ValueChunks("index", columns, plain_limit_bytes=plain_limit_bytes)
        self.bodies = Chunks("body", (*tables.BODY, *tables.ANSWER), plain_limit_bytes=plain_limit_bytes)
        self._dictionaries = {name: Dictionary() for name in ("probe", "dataset", "model", "status", "finish", "since")}
        self._score_names: dict[str, None] = {}

    def add(self, line: bytes) -> None:
        """Take the next line of records.jsonl."""
        record = read_record(line, ViewedRecord)
        self.show(record, tables.response_of(record), tables.scores_of(record))

    def show(self, record: ViewedRecord, response: ViewedResponse, scores: ScoreFacts) -> None:
        """Take the next record, with its response and its scores as `tables` reads them."""
        number = self._dictionaries
        for name in scores.values:
            self._score_names[name] = None
        usage = response.usage if record.shared_with is None else None  # it is counted where it was asked for
        values: tuple[object, ...] = (
            number["probe"][record.probe],
            number["dataset"][record.dataset],
            record.example_id,
            number["model"][record.model, record.prompt],
            record.repeat,
            number["status"][record.status],
            None if scores.passed is None else int(scores.passed),
            scores.label,
            scores.values,
            number["finish"][response.finish_reason],
            number["since"][wording.since_mark(record.since)],
            usage.input_tokens if usage else None,
            usage.output_tokens if usage else None,
            tables.prompt_preview(record),
            tables.preview(tables.answer_text(record, response)),
        )
        if self._timings is not None:
            values = (*values, *self._timings.of(record, usage))
        self.index.add(values)
        self.bodies.add((*tables.example_columns(record), *tables.answer_columns(record)))

    def write(
        self,
        out: BinaryIO,
        *,
        manifest: Mapping[str, Any],
        summary: Mapping[str, Any],
        verdict: RunVerdict | None = None,
        sample: PageSample | None = None,
    ) -> None:
        """Write the page of what was taken, with the gate's verdict if given; nothing can be taken after that.

        What was taken is a `sample`, or all.
        """
        name = manifest.get("title") or manifest.get("name")
        title = f"Run {name}" if name else "Run"
        head = {"kind": "run", "title": title, "manifest": manifest, "summary": summary, **self._head()}
        sampled = [] if sample is None else [sample.in_words()]
        if doubts := [*sampled, *wording.reused(summary), *wording.doubts(summary)]:
            head["doubts"] = doubts
        if verdict is not None and verdict.conditions:
            head["verdict"] = {"state": verdict.state, "told": wording.conditions(verdict), "reasons": verdict.reasons}
        plain = _plain(manifest, summary, sampled)
        out.writelines(page(title=title, head=head, plain=plain, index=self.index, bodies=self.bodies))

    def close(self) -> None:
        """Give the temporary files back."""
        self.index.close()
        self.bodies.close()

    def _head(self) -> dict[str, Any]:
        dictionaries = {name: list(dictionary) for name, dictionary in self._dictionaries.items()}
        dictionaries["model"] = [Subject(*pair).label for pair in dictionaries["model"]]
        head = {"dictionaries": dictionaries, "score_names": sorted(self._score_names)}
        return head if self._measured is None else {**head, "price_source": self._price_source(self._measured)}

    def _price_source(self, measured: Measured) -> str | None:
        """Say where the prices are from: what the run was given, the table, or both."""
        given = self._timings.sources if self._timings is not None else {}
        return ", ".join((*given, *filter(None, (measured.price_source,)))) or None


class _Timings:
    """Reads the telemetry beside the records: both are in one order, and either may lack a Trial."""

    def __init__(self, measured: Measured) -> None:
        self._lines = iter(measured.telemetry)
        self._prices = measured.prices
        self.sources: dict[str, None] = {}
        self._next = next(self._lines, None)

    def of(self, record: ViewedRecord, usage: Usage | None) -> tuple[float | None, int | None, float | None]:
        while self._next is not None and trial_order(self._next) < trial_order(record):
            self._next = next(self._lines, None)
        timing = self._next
        if timing is None or not is_same_trial(timing, record):
            return None, None, None
        self._next = next(self._lines, None)
        if not timing.attempts:  # a cached answer costs nothing again
            return timing.latency_ms, timing.attempts, None
        if timing.cost_usd is not None:
            self.sources["execution.prices"] = None
        cost_usd = cost_of(timing.cost_usd, usage or Usage(), self._prices.get(record.model))
        return timing.latency_ms, timing.attempts, cost_usd


def write_run_page(
    out: BinaryIO,
    *,
    manifest: Mapping[str, Any],
    summary: Mapping[str, Any],
    records: Callable[[], Iterable[bytes]],
    measured: Measured | None = None,
    verdict: RunVerdict | None = None,
    plain_limit_bytes: int = PLAIN_LIMIT_BYTES,
) -> None:
    """Write the page of a run; `manifest` and `summary` are the parsed files, `records` starts to read the third.

    With `measured`, latency and cost are shown; such a page is not the same each time.
    """
    trials: int = summary["trials"]
    sample = sample_of(counted(records(), "drawing a sample", trials)) if needs_sample(trials) else None
    with closing(RunRows(measured, plain_limit_bytes=plain_limit_bytes)) as gathered:
        lines = counted(records(), "writing the page", trials)
        for line in lines if sample is None else sample.pick(lines):
            gathered.add(line)
        gathered.write(out, manifest=manifest, summary=summary, verdict=verdict, sample=sample)


def write_sealed_page(
    out: BinaryIO, run: SealedRun, measured: Measured | None = None, verdict: RunVerdict | None = None
) -> None:
    """Write the page of a sealed run from its records: without `measured` and conditions, the bytes that sealing wrote.

    Raises RunDirectoryError for a run that is not what was sealed.
    """
    sealed = msgspec.structs.replace(run.manifest, records_root="", files={}, notes={})  # as sealing knows it by then
    head = {**expand(sealed), "title": run.experiment.title}
    write_run_page(
        out, manifest=head, summary=expand(run.summary), records=run.lines, measured=measured, verdict=verdict
    )


def _plain(manifest: Mapping[str, Any], summary: Mapping[str, Any], sampled: Iterable[str]) -> Iterator[str]:
    statuses = summary["statuses"]
    told = f"{statuses.get('success', 0):,} of {summary['trials']:,} answered"
    level = f"{summary['confidence_level']:.0%}"
    facts = [("run", str(manifest["run_id"])), ("trials", f"{told}; not answered: {wording.unanswered(statuses)}")]
    facts += [("listed", told) for told in sampled]
    yield from table("The run", ("what", "value"), facts)
    yield from table("Results", ("model", "probe", "passed", f"{level} interval", "not answered"), _results(summary))
    judged = [result for result in summary["results"] if "agreement" in result]
    if judged:
        agreements = ((label_in(one), one["probe"], wording.agreement(one["agreement"], level)) for one in judged)
        yield from table("Judges against people", ("model", "probe", "agreement"), agreements)


def _results(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for member in summary["results"]:
        rate = member["pass_rate"]
        yield (
            label_in(member),
            member["probe"],
            wording.rate(member["passed"], member["scored"]),
            wording.interval(rate, percent=True) if rate else "–",
            wording.unanswered(member["statuses"]),
        )
