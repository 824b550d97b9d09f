"""What a run would ask and cost, before anything is paid."""

from collections.abc import Mapping
from dataclasses import dataclass

from insideLLMs.api.preparation.prepared import Prepared
from insideLLMs.core.errors import InsideLLMsError
from insideLLMs.core.prices import find_price
from insideLLMs.core.protocols import ConversingProbe, Probe
from insideLLMs.core.types import Example, JsonValue, Request, Usage
from insideLLMs.execute.questions import IsDone, questions_of
from insideLLMs.plan import judge_id

CHARACTERS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English text (help.openai.com, "What are tokens and how to count them?")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The calls of one model: one for all trials that ask the same.

    Output tokens are the most that `max_tokens` allows, None where it sets no limit.

    `calls` are None where a probe makes its own, which cannot be known before, and `is_most` where fewer may do, as a
    conversation may end early; `input_tokens` are None in both cases. `cost_usd` is None where the price is not known.
    """

    model: str
    trials: int
    calls: int | None
    is_most: bool = False
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


def estimate(prepared: Prepared, is_done: IsDone = lambda _: False) -> list[Estimate]:
    """Estimate each model's part, in the order of model ids, then that of the probes' own models; nothing is sent.

    Of Trials that are `is_done` by their number, nothing is asked.
    """
    judged = [
        _of_own_model(prepared, probe, name) for probe, judges in sorted(prepared.judges.items()) for name in judges
    ]
    return [_estimate(prepared, model, is_done) for model in prepared.plan.models] + judged


def _of_own_model(prepared: Prepared, probe: str, name: str) -> Estimate:
    """Estimate the part of a model that a probe asks itself: what it is asked depends on the answers."""
    model, plan = judge_id(probe, name), prepared.plan
    each = len(plan.subjects) * plan.repeats
    groups = [group for group in plan.groups if group.probe == probe]
    most = [
        _most_calls(prepared.probes[probe], example, name)
        for group in groups
        for _, example in prepared.datasets[group.dataset].examples()
    ]
    calls = None if None in most else sum(count or 0 for count in most) * each
    limit = _limit(prepared.identities[model])
    output = None if calls is None or limit is None else calls * limit
    return Estimate(
        model=model,
        trials=sum(group.count for group in groups) * each,
        calls=calls,
        is_most=calls is not None,
        input_tokens=None,
        output_tokens=output,
        cost_usd=_cost(prepared, model, None, output),
    )


def _most_calls(probe: Probe, example: Example, name: str) -> int | None:
    """Return how often a probe asks one of its models at most, or the subject (""); None where that is not known."""
    return probe.most_calls(example).get(name) if isinstance(probe, ConversingProbe) else None


def _estimate(prepared: Prepared, model: str, is_done: IsDone) -> Estimate:
    calls = characters = 0
    unknown = is_most = False
    for question in questions_of(prepared, model, is_done):
        request, asker = question.request, question.asker
        if isinstance(request, InsideLLMsError):
            raise request
        if request is None:
            most = _most_calls(prepared.probes[asker.probe], asker.example, "")
            calls += most or 0
            unknown, is_most = unknown or most is None, True
        elif not question.is_asked_earlier:
            calls += 1
            characters += _length(request)
    limit = _limit(prepared.identities[model])
    tokens = None if is_most else characters // CHARACTERS_PER_TOKEN
    output = calls * limit if not unknown and limit is not None else None
    return Estimate(
        model=model,
        trials=prepared.plan.total // len(prepared.plan.models),
        calls=None if unknown else calls,
        is_most=is_most and not unknown,
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
