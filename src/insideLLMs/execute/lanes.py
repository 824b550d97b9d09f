"""The terms on which the models of a run are asked, its judges among them.

All share one budget of retries and one store of answers, and those of one provider account one throttle.
"""

import functools
from collections.abc import Callable, Mapping

import msgspec

from insideLLMs.core.protocols import AsyncModel
from insideLLMs.core.types import ExecutionSpec, Usage
from insideLLMs.execute.adapt import UserModel
from insideLLMs.execute.answers import AnswerStore
from insideLLMs.execute.retry import RetryBudget, RetryPolicy
from insideLLMs.execute.throttle import Throttle
from insideLLMs.execute.tracing import make_tracer
from insideLLMs.execute.trial import Lane
from insideLLMs.plan import judge_id

MIN_RETRIES = 10
Spend = Callable[[str, Usage | None], None]


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the run: adapted, with its system prompt and the digest of both."""

    model: AsyncModel
    system: str | None = None
    digest: str = ""


Judges = Mapping[str, Mapping[str, Member]]
"""The models that probes ask to score: by probe, then by the names that the probe has for them."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every lane of a run of `trials` Trials; `spend` is told the model and usage of each answer."""

    execution: ExecutionSpec
    trials: int
    answers: AnswerStore | None = None
    spend: Spend | None = None


class Lanes(msgspec.Struct, frozen=True, kw_only=True):
    """The lanes of the run's models by id, and those of the judges by probe and name."""

    models: Mapping[str, Lane]
    judges: Mapping[str, Mapping[str, Lane]] = {}


def open_lanes(models: Mapping[str, Member], judges: Judges, terms: Terms) -> Lanes:
    """Make the lanes. Belongs to one event loop."""
    asked = {judge_id(probe, name): one for probe, members in judges.items() for name, one in members.items()}
    members = {**models, **asked}
    throttles = _throttles(members, terms.execution)
    retries = RetryBudget(max(MIN_RETRIES, int(terms.execution.retry_budget * terms.trials)))
    lanes = {name: _lane(name, member, terms, retries, throttles[name]) for name, member in members.items()}
    return Lanes(
        models={name: lanes[name] for name in models},
        judges={probe: {name: lanes[judge_id(probe, name)] for name in members} for probe, members in judges.items()},
    )


def _lane(name: str, member: Member, terms: Terms, retries: RetryBudget, throttle: Throttle) -> Lane:
    execution = terms.execution
    answers = terms.answers
    if answers is not None and isinstance(member.model, UserModel) and not answers.takes_user_code:
        answers = None
    return Lane(
        id=name,
        model=member.model,
        system=member.system,
        policy=RetryPolicy(
            max_attempts=execution.max_attempts,
            attempt_timeout_s=execution.attempt_timeout_s,
            budget=retries,
            throttle=throttle,
            tracer=make_tracer(member.model.identity()),
        ),
        timeout_s=execution.timeout_s,
        digest=member.digest,
        answers=answers,
        spend=None if terms.spend is None else functools.partial(terms.spend, name),
    )


def _throttles(members: Mapping[str, Member], execution: ExecutionSpec) -> dict[str, Throttle]:
    """Return a throttle per model: one and the same for models of one provider account."""
    accounts: dict[str, list[str]] = {}
    for name, member in members.items():
        account = getattr(member.model, "account", None)
        accounts.setdefault(account() if callable(account) else f"model {name}", []).append(name)
    throttles: dict[str, Throttle] = {}
    for names in accounts.values():
        shared = Throttle(
            len(names) * execution.concurrency,
            requests_per_minute=execution.requests_per_minute,
            tokens_per_minute=execution.tokens_per_minute,
        )
        throttles.update(dict.fromkeys(names, shared))
    return throttles
