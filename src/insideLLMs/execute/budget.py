"""What a run may spend, in tokens and in dollars; reaching it stops the run cleanly, to be resumed."""

from collections.abc import Mapping

from insideLLMs.core.errors import BudgetSpentError, OptionError
from insideLLMs.core.prices import Price, find_price
from insideLLMs.core.types import ExecutionSpec, JsonValue, Usage


class Budget:
    """Counts what answers cost. Raises OptionError if a cost is bounded and a price is not known."""

    def __init__(self, execution: ExecutionSpec, identities: Mapping[str, Mapping[str, JsonValue]]) -> None:
        self.tokens = 0
        self.cost_usd = 0.0
        self._max_tokens = execution.max_tokens
        self._max_cost_usd = execution.max_cost_usd
        self._prices = (
            {} if self._max_cost_usd is None else {name: _price(name, identities, execution) for name in identities}
        )

    def spend(self, model: str, usage: Usage | None) -> BudgetSpentError | None:
        """Count an answer; return the error that ends the run once a bound is reached."""
        if usage is None:
            return None
        self.tokens += (usage.input_tokens or 0) + (usage.output_tokens or 0)
        if model in self._prices:
            self.cost_usd += self._prices[model](usage) or 0.0
        return self.reached()

    def reached(self) -> BudgetSpentError | None:
        """Return the error that ends the run if a bound is reached."""
        if self._max_tokens is not None and self.tokens >= self._max_tokens:
            return BudgetSpentError(
                f"the budget of {self._max_tokens:,} tokens is spent ({self.tokens:,})",
                fix="resume with a larger one: --set execution.max_tokens=...",
            )
        if self._max_cost_usd is not None and self.cost_usd >= self._max_cost_usd:
            return BudgetSpentError(
                f"the budget of ${self._max_cost_usd:.4f} is spent (${self.cost_usd:.4f})",
                fix="resume with a larger one: --set execution.max_cost_usd=...",
            )
        return None


def _price(name: str, identities: Mapping[str, Mapping[str, JsonValue]], execution: ExecutionSpec) -> Price:
    price = find_price(identities[name], (execution.prices or {}).get(name))
    if price is None:
        raise OptionError(
            f"max_cost_usd is set, but the price of model {name!r} is not known",
            fix=f"pip install 'insidellms[prices]', or set execution.prices: {{{name}: {{input: 1.0, output: 2.0}}}} "
            "(dollars per million tokens)",
        )
    return price
