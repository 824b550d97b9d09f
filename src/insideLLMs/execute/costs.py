"""What the answers of a run cost: by what they say, by the run's own prices, or by a batch's."""

from typing import TypeVar

import msgspec

from insideLLMs.core.prices import BATCH_PRICE, find_price
from insideLLMs.core.types import CallTelemetry, Outcome, Usage
from insideLLMs.execute.work import Work

Call = TypeVar("Call", bound=CallTelemetry)


def priced(work: Work, model: str, outcome: Outcome) -> Outcome:
    """Note what the answers cost where the run has prices; the table of prices can be asked at any later time."""
    answered = outcome.response if outcome.shared_with is None else None
    telemetry = _note_cost(work, model, outcome.telemetry, None if answered is None else answered.usage)
    judges = tuple(
        _note_cost(work, call.model, call, Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens))
        for call in telemetry.judges
    )
    return msgspec.structs.replace(outcome, telemetry=msgspec.structs.replace(telemetry, judges=judges))


def _note_cost(work: Work, model: str, call: Call, usage: Usage | None) -> Call:
    """Note a cost that the answer says, or by the run's prices; of a batch any, as no table of prices knows it."""
    given = (work.execution.prices or {}).get(model)
    if usage is None or (given is None and not call.batched and usage.cost_usd is None):
        return call
    price = find_price(work.asked[model].model.identity(), given)
    cost = None if price is None else price(usage)
    if cost is not None and call.batched and usage.cost_usd is None:
        cost *= BATCH_PRICE
    return msgspec.structs.replace(call, cost_usd=cost)
