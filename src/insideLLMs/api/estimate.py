"""What a run would ask and cost, before anything is paid."""

from dataclasses import dataclass

from insideLLMs.api.prepare import Prepared
from insideLLMs.core.protocols import PromptProbe
from insideLLMs.core.types import JsonValue, PriceSpec, Request, Usage
from insideLLMs.execute.adapt import with_system
from insideLLMs.execute.budget import FREE, find_price

CHARACTERS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English text (help.openai.com, "What are tokens and how to count them?")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The calls of one model. Output tokens are the most that `max_tokens` allows, None where it sets no limit.

    `input_tokens` is None where a probe makes its own calls, which cannot be known before. `cost_usd` is None
    where the price is not known.
    """

    model: str
    trials: int
    calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


def estimate(prepared: Prepared) -> list[Estimate]:
    """Estimate each model's part, in the order of model ids; only requests are made, nothing is sent."""
    return [_estimate(prepared, model) for model in prepared.plan.models]


def _estimate(prepared: Prepared, model: str) -> Estimate:
    calls = characters = 0
    known = True
    for group in prepared.plan.groups:
        probe = prepared.probes[group.probe]
        if not isinstance(probe, PromptProbe):
            known = False
            continue
        for _, example in prepared.datasets[group.dataset].examples():
            request = with_system(probe.request(example), prepared.members[model].system)
            calls += prepared.plan.repeats
            characters += prepared.plan.repeats * _length(request)
    identity = next(spec.identity for spec in prepared.model_specs if spec.id == model)
    limit = _limit(identity)
    tokens = characters // CHARACTERS_PER_TOKEN if known else None
    output = calls * limit if known and limit is not None else None
    return Estimate(
        model=model,
        trials=prepared.plan.total // len(prepared.plan.models),
        calls=calls if known else None,
        input_tokens=tokens,
        output_tokens=output,
        cost_usd=_cost(identity, (prepared.experiment.execution.prices or {}).get(model), tokens, output),
    )


def _length(request: Request) -> int:
    return sum(len(message.text) for message in request.messages)


def _limit(identity: dict[str, JsonValue]) -> int | None:
    parameters = {**identity, **(identity.get("parameters") or {})}
    limit = parameters.get("max_tokens") or parameters.get("max_completion_tokens")
    return limit if isinstance(limit, int) else None


def _cost(
    identity: dict[str, JsonValue], given: PriceSpec | None, input_tokens: int | None, output_tokens: int | None
) -> float | None:
    price = find_price(identity, given)
    if price is None:
        return None
    if input_tokens is None or output_tokens is None:
        return price(Usage()) if identity.get("type") in FREE else None
    return price(Usage(input_tokens=input_tokens, output_tokens=output_tokens))
