"""What a run may spend, in tokens and in dollars; reaching it stops the run cleanly, to be resumed."""

from collections.abc import Callable, Mapping

from insideLLMs.core.errors import BudgetSpentError, OptionError
from insideLLMs.core.types import ExecutionSpec, JsonValue, PriceSpec, Usage

Price = Callable[[Usage], float | None]
_MILLION = 1_000_000
FREE = ("embedded", "dummy", "callable", "ollama", "llama_cpp", "vllm")
"""Providers that send no bill."""


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


def find_price(identity: Mapping[str, JsonValue], given: PriceSpec | None) -> Price | None:
    """Return what an answer of a model costs: by the user's price, or by the `prices` extra; None if nobody knows."""
    if given is not None:
        return lambda usage: cost_of(given, usage)
    if identity.get("type") in FREE:
        return lambda _: 0.0
    try:
        import genai_prices  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None
    name = str(identity.get("model_name", ""))

    def price(usage: Usage) -> float | None:
        counted = genai_prices.Usage(
            input_tokens=usage.input_tokens or 0,
            output_tokens=usage.output_tokens or 0,
            cache_read_tokens=usage.cached_tokens or 0,
        )
        try:
            return float(genai_prices.calc_price(counted, model_ref=name).total_price)
        except LookupError:
            return None

    return price if price(Usage(input_tokens=1, output_tokens=1)) is not None else None


def cost_of(price: PriceSpec, usage: Usage) -> float:
    """Return what an answer costs, in dollars."""
    cached = usage.cached_tokens or 0
    fresh = max(0, (usage.input_tokens or 0) - cached)
    read = price.input if price.cached is None else price.cached
    return (fresh * price.input + cached * read + (usage.output_tokens or 0) * price.output) / _MILLION


def _price(name: str, identities: Mapping[str, Mapping[str, JsonValue]], execution: ExecutionSpec) -> Price:
    price = find_price(identities[name], (execution.prices or {}).get(name))
    if price is None:
        raise OptionError(
            f"max_cost_usd is set, but the price of model {name!r} is not known",
            fix=f"pip install 'insidellms[prices]', or set execution.prices: {{{name}: {{input: 1.0, output: 2.0}}}} "
            "(dollars per million tokens)",
        )
    return price
