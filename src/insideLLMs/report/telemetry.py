"""How a run went: latency, retries, queueing, cache hits, tokens and cost per model, from `telemetry.jsonl`."""

import datetime as dt
from array import array
from collections.abc import Iterable, Mapping, Sequence
from importlib import util

import msgspec

from insideLLMs.core.prices import Price, cost_of, dollars, find_price
from insideLLMs.core.record_views import TelemetryLine
from insideLLMs.core.subject import Subject
from insideLLMs.core.types import JudgeCall, Usage
from insideLLMs.store.manifest import Manifest, all_identities
from insideLLMs.store.sealed_run import SealedRun


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles in milliseconds, of `n` values (the nearest-rank method)."""

    n: int
    p50: float
    p95: float
    most: float


class ModelTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """One model's part. `asked` Trials led to calls, `cached` and `shared` ones to none.

    `retries` are calls beyond the first; a `shared` Trial took the answer that another asked for.

    Of a judge, named ``PROBE/JUDGE``, each question counts as a Trial does.
    `cost_usd` is what the calls that answered cost, None where no price is known.
    """

    model: str
    trials: int
    asked: int
    cached: int
    shared: int
    failed: int
    calls: int
    retries: int
    latency: Spread | None
    queued: Spread | None
    connect: Spread | None
    first_byte: Spread | None
    first_chunk: Spread | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class RunTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run. `seconds` from the first Trial's start to the last one's end; resumed runs include the pause.

    `trials_per_second` counts the Trials that succeeded, less those that shared another's answer.
    """

    seconds: float | None
    trials_per_second: float | None
    models: tuple[ModelTelemetry, ...]
    prices: str | None = None


_TIMES = ("latency_ms", "queued_ms", "connect_ms", "first_byte_ms", "first_chunk_ms")
_FRESH_CONNECTION_MS = 0.05
"""Less than this is the look into the pool, not a connection."""


class _Tally(msgspec.Struct):
    """What one model's lines come to."""

    trials: int = 0
    asked: int = 0
    cached: int = 0
    shared: int = 0
    failed: int = 0
    calls: int = 0
    tokens: dict[str, int] = msgspec.field(default_factory=lambda: {"input_tokens": 0, "output_tokens": 0})
    cost_usd: float | None = 0.0
    times: "dict[str, array[float]]" = msgspec.field(default_factory=lambda: {name: array("d") for name in _TIMES})

    def add(self, line: TelemetryLine | JudgeCall, price: Price | None) -> None:
        self.trials += 1
        self.asked += line.attempts > 0
        self.cached += line.cached
        self.shared += isinstance(line, TelemetryLine) and line.shared
        self.failed += line.status != "success"
        self.calls += line.attempts
        if line.attempts:
            for name in _TIMES:
                value = getattr(line, name)
                if value is not None and (name != "connect_ms" or value >= _FRESH_CONNECTION_MS):
                    self.times[name].append(value)
            self._add_tokens(line, price)

    def _add_tokens(self, line: TelemetryLine | JudgeCall, price: Price | None) -> None:
        for name in self.tokens:
            self.tokens[name] += getattr(line, name) or 0
        usage = Usage(input_tokens=line.input_tokens, output_tokens=line.output_tokens)
        if line.status != "success" and usage == Usage():  # nothing came, so nothing was paid
            return
        cost = cost_of(line.cost_usd, usage, price)
        self.cost_usd = None if cost is None or self.cost_usd is None else self.cost_usd + cost

    def result(self, model: str) -> ModelTelemetry:
        return ModelTelemetry(
            model=model,
            trials=self.trials,
            asked=self.asked,
            cached=self.cached,
            shared=self.shared,
            failed=self.failed,
            calls=self.calls,
            retries=self.calls - self.asked,
            latency=_spread(self.times["latency_ms"]),
            queued=_spread(self.times["queued_ms"]),
            connect=_spread(self.times["connect_ms"]),
            first_byte=_spread(self.times["first_byte_ms"]),
            first_chunk=_spread(self.times["first_chunk_ms"]),
            cost_usd=self.cost_usd if self.asked else 0.0,
            **self.tokens,
        )


def sum_up(
    lines: Iterable[TelemetryLine], prices: Mapping[str, Price | None], source: str | None = None
) -> RunTelemetry:
    """Sum up the lines of `telemetry.jsonl`.

    `prices` by model id, from `source`, hold where a line does not say itself what its answer cost.
    """
    tallies: dict[str, _Tally] = {}
    first = last = None
    succeeded = 0
    told = False
    for line in lines:
        told = told or line.cost_usd is not None
        succeeded += line.status == "success" and not line.shared
        calls: tuple[TelemetryLine | JudgeCall, ...] = (line, *line.judges)
        for call in calls:
            name = Subject(call.model, line.prompt if call is line else None).label
            tally = tallies.get(name)
            if tally is None:
                tally = tallies[name] = _Tally()
            tally.add(call, prices.get(call.model))
            if call.started_at is not None:
                start = dt.datetime.fromisoformat(call.started_at).timestamp()
                spent = (call.latency_ms or 0.0) + (call.retry_ms or 0.0) + (call.queued_ms or 0.0)
                first = start if first is None else min(first, start)
                last = max(last or 0.0, start + spent / 1000)
    seconds = None if first is None or last is None else last - first
    return RunTelemetry(
        seconds=seconds,
        trials_per_second=succeeded / seconds if seconds else None,
        models=tuple(tallies[name].result(name) for name in sorted(tallies)),
        prices=", ".join(filter(None, ("execution.prices" if told else None, source))) or None,
    )


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    ordered = sorted(values)
    return Spread(n=len(ordered), p50=_quantile(ordered, 0.5), p95=_quantile(ordered, 0.95), most=ordered[-1])


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


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


def render(found: RunTelemetry, *, detailed: bool = False) -> str:
    """Write it for the terminal: a line per model; `detailed` adds where the time went."""
    lines = []
    for model in found.models:
        parts = [_latency(model), *_counts(model), _cost(model)]
        lines.append(f"{model.model}: " + ", ".join(part for part in parts if part))
        if detailed:
            lines += _details(model)
    if found.seconds and found.trials_per_second:
        lines.append(f"{found.trials_per_second:,.1f} trials/s over {found.seconds:,.1f} s")
    return "\n".join(lines)


def _latency(model: ModelTelemetry) -> str:
    if model.latency is None:
        return "no latency" if model.asked else "nothing asked"  # a batch has none
    return f"p50 {_time(model.latency.p50)}, p95 {_time(model.latency.p95)}"


def _counts(model: ModelTelemetry) -> list[str]:
    told = {
        "retry": model.retries,
        "cache hit": model.cached,
        "shared answer": model.shared,
        "failure": model.failed,
    }
    plural = {"retry": "retries", "cache hit": "cache hits", "shared answer": "shared answers", "failure": "failures"}
    return [f"{count:,} {name if count == 1 else plural[name]}" for name, count in told.items() if count]


def _cost(model: ModelTelemetry) -> str:
    """Say what was counted: of answers without tokens or a price there is nothing to say."""
    has_tokens = bool(model.input_tokens or model.output_tokens)
    tokens = f"{model.input_tokens:,}/{model.output_tokens:,} tokens" if has_tokens else ""
    if model.cost_usd:
        cost = dollars(model.cost_usd)
    else:
        cost = ("cost unknown" if model.cost_usd is None else "free") if has_tokens else ""
    return ", ".join(part for part in (tokens, cost) if part)


def _details(model: ModelTelemetry) -> list[str]:
    spreads = {
        "queued": model.queued,
        "connect": model.connect,
        "first byte": model.first_byte,
        "first chunk": model.first_chunk,
        "whole answer": model.latency,
    }
    return [
        f"  {name:<13} p50 {_time(spread.p50):>8}  p95 {_time(spread.p95):>8}  "
        f"max {_time(spread.most):>8}  n {spread.n:,}"
        for name, spread in spreads.items()
        if spread is not None
    ]


def _time(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"
