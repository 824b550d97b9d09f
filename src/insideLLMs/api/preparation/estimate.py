"""What a run would ask and cost, before anything is paid."""

from collections.abc import Mapping
from dataclasses import dataclass

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.prices import find_price
from insideLLMs.core.types import JsonValue, Request, Usage
from insideLLMs.execute.questions import IsDone, questions_of
from insideLLMs.plan import judge_id

CHARACTERS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English text (help.openai.com, "What are tokens and how to count them?")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The calls of one model: one for all trials that ask the same.

    Output tokens are the most that `max_tokens` allows, None where it sets no limit.

    `input_tokens` is None where a probe makes its own calls, which cannot be known before. `cost_usd` is None
    where the price is not known.
    """

    model: str
    trials: int
    calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


def estimate(prepared: Prepared, is_done: IsDone = lambda _: False) -> list[Estimate]:
    """Estimate each model's part, in the order of model ids, then the judges'; nothing is sent.

    Of Trials that are `is_done` by their number, nothing is asked.
    """
    judged = [
        _unknown(prepared, judge_id(probe, name), _trials_of(prepared, probe))
        for probe, judges in sorted(prepared.judges.items())
        for name in judges
    ]
    return [_estimate(prepared, model, is_done) for model in prepared.plan.models] + judged


def _trials_of(prepared: Prepared, probe: str) -> int:
    plan = prepared.plan
    return sum(group.count for group in plan.groups if group.probe == probe) * len(plan.subjects) * plan.repeats


def _unknown(prepared: Prepared, model: str, trials: int) -> Estimate:
    """Estimate a judge's part: what it is asked depends on the answers."""
    return Estimate(
        model=model,
        trials=trials,
        calls=None,
        input_tokens=None,
        output_tokens=None,
        cost_usd=_cost(prepared, model, None, None),
    )


def _estimate(prepared: Prepared, model: str, is_done: IsDone) -> Estimate:
    calls = characters = 0
    known = True
    for question in questions_of(prepared, model, is_done):
        request = question.request
        if isinstance(request, InsideLLMsError):
            raise request
        known = known and request is not None
        if request is not None and not question.is_asked_earlier:
            calls += 1
            characters += _length(request)
    limit = _limit(prepared.identities[model])
    tokens = characters // CHARACTERS_PER_TOKEN if known else None
    output = calls * limit if known and limit is not None else None
    return Estimate(
        model=model,
        trials=prepared.plan.total // len(prepared.plan.models),
        calls=calls if known else None,
        input_tokens=tokens,
        output_tokens=output,
        cost_usd=_cost(prepared, model, tokens, output),
    )


def _length(request: Request) -> int:
    return sum(len(message.text) for message in request.messages)


def _limit(identity: Mapping[str, JsonValue]) -> int | None:
    parameters = {**identity, **(identity.get("parameters") or {})}
    limit = parameters.get("max_tokens") or parameters.get("max_completion_tokens")
    return limit if isinstance(limit, int) else None


def _cost(prepared: Prepared, model: str, input_tokens: int | None, output_tokens: int | None) -> float | None:
    price = find_price(prepared.identities[model], (prepared.experiment.execution.prices or {}).get(model))
    return None if price is None else price(Usage(input_tokens=input_tokens, output_tokens=output_tokens))
