"""What one Trial cost, how long it took and how much it said."""

from collections.abc import Callable, Sequence

from insideLLMs.core.errors import CompareError
from insideLLMs.core.prices import cost_of, find_price
from insideLLMs.core.record_views import MeasuredRecord
from insideLLMs.core.types import Telemetry, Usage
from insideLLMs.store.manifest import MemberSpec

Reading = Callable[[MeasuredRecord, Telemetry | None], float | None]
"""Reads a quantity of a Trial; None where it has none."""


def reading_of(quantity: str, models: Sequence[MemberSpec], run: str = "the run") -> Reading:
    """Return how a quantity of an answer is read.

    To read `cost_usd` raises CompareError for a model whose price is not known.
    """
    read = _reading_of_answer(quantity, models, run)
    counted = {"success", "timeout"} if quantity == "latency_ms" else {"success"}  # a call cut off was slow
    return lambda record, line: read(record, line) if record.status in counted else None


def _reading_of_answer(quantity: str, models: Sequence[MemberSpec], run: str) -> Reading:
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
