"""What runs cost, how long they took and how much they said: of one run in all, and of several item by item."""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from importlib import util

from insideLLMs.compare.comparison import SubjectPair
from insideLLMs.compare.statistics.quantities import MeasuredItem, QuantityChange, measure
from insideLLMs.core.errors import CompareError
from insideLLMs.core.gate_spec import GateSpec
from insideLLMs.core.prices import Price, cost_of, find_price
from insideLLMs.core.record_views import MeasuredRecord
from insideLLMs.core.types import Telemetry, Usage
from insideLLMs.report.telemetry import RunTelemetry, sum_up
from insideLLMs.store.manifest import Manifest, MemberSpec, all_identities
from insideLLMs.store.sealed_run import SealedRun

Item = tuple[str, str, str, str]
"""Probe, example id, example digest, and the candidate's subject."""
Name = tuple[str, str, str]
"""An item without its digest."""


Reading = Callable[[MeasuredRecord, Telemetry | None], float | None]


def measure_quantities(
    baselines: Sequence[SealedRun], candidates: Sequence[SealedRun], subjects: Sequence[SubjectPair], spec: GateSpec
) -> dict[str, QuantityChange]:
    """Measure what `spec.max_growth` bounds. Holds a few numbers per item and run.

    Raises CompareError for prices that are not known.
    """
    ours = {pair.baseline: pair.candidate for pair in subjects if pair.baseline and pair.candidate}
    theirs = {name: name for name in ours.values()}
    found = {}
    for name, allowed in sorted(spec.max_growth.items()):
        before = [_Values.of(run, name, ours) for run in baselines]
        after = [_Values.of(run, name, theirs) for run in candidates]
        items = {item for run in before for item in run.values} & {item for run in after for item in run.values}
        measured = (
            MeasuredItem(
                baseline=tuple(run.mean(item) for run in before), candidate=tuple(run.mean(item) for run in after)
            )
            for item in _once(items, (*before, *after))
        )
        found[str(name)] = measure(measured, allowed=allowed, seed=name)
    return found


def _once(items: Set[Item], runs: Sequence["_Values"]) -> list[Item]:
    """Leave out the items whose answer is that of another item: an answer counts once, however many it serves."""
    named = {_name(item) for item in items}
    return sorted(item for item in items if not any(run.askers.get(item) in named for run in runs))


@dataclass(frozen=True, slots=True)
class _Values:
    """One quantity of a run; `askers` names the items that others share their answers with."""

    values: dict[Item, list[float]]
    askers: dict[Item, Name]

    @classmethod
    def of(cls, run: SealedRun, quantity: str, subjects: Mapping[str, str]) -> "_Values":
        """Read it; answers that no call was made for have no latency."""
        found = cls({}, {})
        read = reading_of(quantity, run.manifest.models, run.label)
        counted = {"success", "timeout"} if quantity == "latency_ms" else {"success"}  # a call cut off was slow
        trials = (
            run.measured_records(MeasuredRecord)
            if quantity in {"latency_ms", "cost_usd"}
            else ((record, None) for record in run.records(MeasuredRecord))
        )
        for record, line in trials:
            subject = record.subject.label
            if record.status in counted and subject in subjects:
                value = read(record, line)
                if value is not None:
                    found.add(record, subjects[subject], value)
        return found

    def add(self, record: MeasuredRecord, subject: str, value: float) -> None:
        """Take in one Trial's value."""
        item = (record.probe, record.example_id, record.example_digest, subject)
        self.values.setdefault(item, []).append(value)
        asker = record.shared_with
        if asker is not None:
            self.askers[item] = (asker.probe, asker.example_id or record.example_id, subject)

    def mean(self, item: Item) -> float | None:
        """Return the mean of an item's repeats."""
        values = self.values.get(item)
        return math.fsum(values) / len(values) if values else None


def _name(item: Item) -> Name:
    probe, example_id, _, subject = item
    return probe, example_id, subject


def reading_of(quantity: str, models: Sequence[MemberSpec], run: str = "the run") -> Reading:
    """Return how a quantity is read; to read `cost_usd` raises CompareError for a model whose price is not known."""
    match quantity:
        case "latency_ms":
            return lambda _, line: line.latency_ms if line is not None and line.attempts else None
        case "input_tokens":
            return lambda record, _: _tokens(record, "input_tokens")
        case "output_tokens":
            return lambda record, _: _tokens(record, "output_tokens")
        case "characters":
            return lambda record, _: None if record.response is None else float(len(record.response.text))
        case _:
            return _priced(models, run)


def _tokens(record: MeasuredRecord, name: str) -> float | None:
    usage = record.response.usage if record.response is not None else None
    count = getattr(usage, name) if usage is not None else None
    return None if count is None else float(count)


def _priced(models: Sequence[MemberSpec], run: str) -> Reading:
    """Price each Trial as the run did; its tokens by the table of the `prices` extra where it was given no prices."""
    prices = {model.id: find_price(model.identity) for model in models}

    def read(record: MeasuredRecord, line: Telemetry | None) -> float | None:
        usage = record.response.usage if record.response is not None else None
        price, noted = prices[record.model], None if line is None else line.cost_usd
        if noted is None and price is None and record.shared_with is None:
            raise CompareError(
                f"cost_usd: the price of {record.model!r} in {run} is not known",
                fix="pip install 'insidellms[prices]', run it with execution.prices, or limit the tokens instead",
            )
        return cost_of(noted, usage or Usage(), price)

    return read


def read_telemetry(run: SealedRun) -> RunTelemetry:
    """Sum up a run's telemetry, at the prices that it was given, else by the table. Raises RunDirectoryError."""
    return sum_up(run.telemetry(), prices_of(run.manifest), price_table())


def prices_of(manifest: Manifest) -> dict[str, Price | None]:
    """Return what an answer of each model costs by the table, by model id; None where nobody knows."""
    identities = all_identities(manifest.models, manifest.probes)
    return {name: find_price(identity) for name, identity in identities.items()}


def price_table() -> str | None:
    """Name the table of prices with its version: prices change, and with them what a run would have cost."""
    if util.find_spec("genai_prices") is None:
        return None
    from importlib import metadata  # noqa: PLC0415 - 10 ms

    return f"genai-prices {metadata.version('genai-prices')}"
