"""What a run may spend, in tokens and in dollars; reaching it stops the run cleanly, to be resumed.

Tokens that a provider does not count are estimated, and rather too high: unknown is not free.
"""

import logging
from collections.abc import Mapping

import msgspec

from insideLLMs.core.errors import BudgetSpentError, OptionError
from insideLLMs.core.experiment import ExecutionSpec
from insideLLMs.core.prices import BATCH_PRICE, Price, dollars, find_price
from insideLLMs.core.types import JsonValue, Request, Response, Usage

logger = logging.getLogger(__name__)
_MORE_TOKENS, _MORE_DOLLARS = {"--set": "execution.max_tokens=LARGER"}, {"--set": "execution.max_cost_usd=LARGER"}
_BYTES_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 8
"""What a chat template puts around a message; providers' own take 3 to 7."""


class Budget:
    """Counts what answers cost. Raises OptionError if a cost is bounded and a price is not known."""

    def __init__(self, execution: ExecutionSpec, identities: Mapping[str, Mapping[str, JsonValue]]) -> None:
        self.tokens = 0
        self.cost_usd = 0.0
        self._estimated: set[str] = set()
        self._batched: set[str] = set()
        self._max_tokens = execution.max_tokens
        self._max_cost_usd = execution.max_cost_usd
        self._prices = (
            {} if self._max_cost_usd is None else {name: _price(name, identities, execution) for name in identities}
        )

    def spend(
        self, model: str, request: Request, response: Response, *, batched: bool = False
    ) -> BudgetSpentError | None:
        """Count an answer; return the error that ends the run once a bound is reached."""
        usage = response.usage or Usage()
        sent, answered = usage.input_tokens, usage.output_tokens
        if (sent is None or answered is None) and model not in self._estimated:
            self._estimated.add(model)
            logger.warning("model %r does not count its tokens: the budget goes by an estimate", model)
        sent = _tokens_sent(request) if sent is None else sent
        answered = _tokens(response.text) + _tokens(response.reasoning or "") if answered is None else answered
        self.tokens += sent + answered
        counted = msgspec.structs.replace(usage, input_tokens=sent, output_tokens=answered)
        self.cost_usd += self.cost_usd_of(model, counted, batched=batched)
        return self.reached()

    def spend_batched(self, key: str, model: str, request: Request, response: Response) -> None:
        """Count the answer to the request `key` of a batch, the first time that it is found."""
        if key not in self._batched:
            self._batched.add(key)
            self.spend(model, request, response, batched=True)

    def cost_usd_of(self, model: str, usage: Usage, *, batched: bool) -> float:
        """Return what an answer costs, in a batch or live; 0 where no cost is bounded."""
        cost = (self._prices[model](usage) or 0.0) if model in self._prices else 0.0
        return cost * BATCH_PRICE if batched and usage.cost_usd is None else cost

    def allowance(self) -> "Allowance":
        """Return what is left, to be given out before it is spent."""
        return Allowance(self, self._max_tokens, self._max_cost_usd)

    def reached(self) -> BudgetSpentError | None:
        """Return the error that ends the run if a bound is reached."""
        if self._max_tokens is not None and self.tokens >= self._max_tokens:
            return BudgetSpentError(
                f"the budget of {self._max_tokens:,} tokens is spent ({self.tokens:,})",
                fix="resume with a larger one: --set execution.max_tokens=...",
            ).going_on_with(_MORE_TOKENS)
        if self._max_cost_usd is not None and self.cost_usd >= self._max_cost_usd:
            return BudgetSpentError(
                f"the budget of {dollars(self._max_cost_usd)} is spent ({dollars(self.cost_usd)})",
                fix="resume with a larger one: --set execution.max_cost_usd=...",
            ).going_on_with(_MORE_DOLLARS)
        return None


class Allowance:
    """What is left of a budget, given out request by request before any is asked in a batch."""

    def __init__(self, budget: Budget, max_tokens: int | None, max_cost_usd: float | None) -> None:
        self._budget = budget
        self._max_tokens = max_tokens
        self._max_cost_usd = max_cost_usd
        self._tokens = budget.tokens
        self._cost_usd = budget.cost_usd

    def take(self, model: str, most: Usage) -> BudgetSpentError | None:
        """Set the most aside that a request can take; return the error where that is more than what is left."""
        tokens = self._tokens + (most.input_tokens or 0) + (most.output_tokens or 0)
        cost_usd = self._cost_usd + self._budget.cost_usd_of(model, most, batched=True)
        if self._max_tokens is not None and tokens > self._max_tokens:
            return BudgetSpentError(
                f"the next answer of {model} may take {tokens - self._tokens:,} tokens, and of the budget of "
                f"{self._max_tokens:,} tokens {max(0, self._max_tokens - self._tokens):,} are left",
                fix="resume with a larger one: --set execution.max_tokens=...",
            ).going_on_with(_MORE_TOKENS)
        if self._max_cost_usd is not None and cost_usd > self._max_cost_usd:
            return BudgetSpentError(
                f"the next answer of {model} may cost {dollars(cost_usd - self._cost_usd)}, and of the budget of "
                f"{dollars(self._max_cost_usd)} there is {dollars(max(0.0, self._max_cost_usd - self._cost_usd))} left",
                fix="resume with a larger one: --set execution.max_cost_usd=...",
            ).going_on_with(_MORE_DOLLARS)
        self._tokens, self._cost_usd = tokens, cost_usd
        return None


def _tokens_sent(request: Request) -> int:
    return sum(_TOKENS_PER_MESSAGE + _tokens(message.text) for message in request.messages)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def _price(name: str, identities: Mapping[str, Mapping[str, JsonValue]], execution: ExecutionSpec) -> Price:
    price = find_price(identities[name], (execution.prices or {}).get(name))
    if price is None:
        raise OptionError(
            f"max_cost_usd is set, but the price of model {name!r} is not known",
            fix=f"pip install 'insidellms[prices]', or set execution.prices: {{{name}: {{input: 1.0, output: 2.0}}}} "
            "(dollars per million tokens)",
        )
    return price
